using S3dlio.Storage;

namespace S3dlio.Fuzz;

/// <summary>What an input came to.</summary>
/// <param name="Outcome">In a few words.</param>
/// <param name="Fault">Null where everything was as it must be.</param>
public readonly record struct Verdict(string Outcome, string? Fault);

/// <summary>Gives one input to one parser and says whether it behaved.</summary>
public static class Judge
{
    public static Verdict Try(Target target, byte[] input)
    {
        var (outcome, fault, allocated) = Run(target, input);
        long allowed = target.Allowance(input.Length);
        // the first run may have set up what all others share
        if (fault is null && allocated > allowed)
            allocated = Run(target, input).Allocated;
        if (fault is null && allocated > allowed)
            fault = $"{allocated} bytes were allocated for {input.Length}; at most {allowed} are allowed ({outcome})";
        return new(outcome, fault);
    }

    static (string Outcome, string? Fault, long Allocated) Run(Target target, byte[] input)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        string outcome;
        try
        {
            outcome = target.Run(input);
        }
        catch (ViolationException broken)
        {
            return ("broken", $"what must hold does not: {broken.Message}", 0);
        }
        catch (Exception error) when (target.Documents(error))
        {
            outcome = $"{error.GetType().Name}: {Skeleton((error as StoreException)?.Detail ?? error.Message)}";
        }
        catch (Exception error)
        {
            return ("undocumented", $"{error.GetType().Name}, which is not documented: {error.Message}\n{error.StackTrace}", 0);
        }
        return (outcome, null, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>The message without what is different in every input: what was found, quotations, numbers.</summary>
    static string Skeleton(string message)
    {
        int end = message.IndexOfAny(['"', '\'']);
        int found = message.IndexOf("found", StringComparison.Ordinal);
        message = message[..Math.Min(Math.Min(end < 0 ? message.Length : end, found < 0 ? message.Length : found), 90)];
        return string.Join(' ', message.Split(' ').Where(static word => word.All(char.IsAsciiLetter)));
    }
}
