namespace S3dlio.Log;

/// <summary>Records of a log that cannot be read.</summary>
/// <param name="First">The first.</param>
/// <param name="End">Behind the last.</param>
/// <param name="What">What is wrong with them.</param>
public readonly record struct RecordDamage(long First, long End, string What);

/// <summary>What reading all records found.</summary>
/// <param name="Records">Those that are whole.</param>
/// <param name="Bytes">Of those.</param>
/// <param name="Damage">In the order of their numbers.</param>
public sealed record RecordReport(long Records, long Bytes, IReadOnlyList<RecordDamage> Damage);

/// <summary>Reads every record of a log that lies in a store, each compared with its checksum.</summary>
public static class RecordCheck
{
    const long PieceLength = 8 << 20;

    public static async ValueTask<RecordReport> RunAsync(RecordLog log, IProgress<long> progress, CancellationToken cancel)
    {
        var damage = new List<RecordDamage>();
        long records = 0, bytes = 0;
        void Note(long first, long end, string what)
        {
            if (damage.Count > 0 && damage[^1] is var last && last.End == first && last.What == what)
                damage[^1] = last with { End = end };
            else
                damage.Add(new RecordDamage(first, end, what));
        }
        for (long next = log.Begin; next < log.EndRecord;)
        {
            var plan = await log.PlanAsync(next, long.MaxValue, PieceLength, skipDamaged: true, cancel).ConfigureAwait(false);
            foreach (var (first, end) in Gaps(plan, next))
                Note(first, end, await WhyAsync(log, first, cancel).ConfigureAwait(false));
            try
            {
                await log.ReadAsync(plan, new byte[plan.Length], cancel).ConfigureAwait(false);
                records += plan.Numbers.Count;
                bytes += plan.Length;
            }
            catch (StoreException error) when (error.Kind == ErrorKind.ChecksumMismatch)
            {
                foreach (long number in plan.Numbers)
                {
                    if (await TryAsync(log, number, cancel).ConfigureAwait(false) is (var length, var fault) && fault is null)
                        (records, bytes) = (records + 1, bytes + length);
                    else
                        Note(number, number + 1, fault!.Message);
                }
            }
            progress.Report(plan.Length);
            next = plan.Next;
        }
        return new RecordReport(records, bytes, damage);
    }

    /// <summary>Numbers that a plan passed over.</summary>
    static IEnumerable<(long First, long End)> Gaps(RecordPlan plan, long from)
    {
        foreach (long number in plan.Numbers)
        {
            if (number > from)
                yield return (from, number);
            from = number + 1;
        }
        if (plan.Next > from)
            yield return (from, plan.Next);
    }

    static async ValueTask<string> WhyAsync(RecordLog log, long number, CancellationToken cancel) =>
        (await TryAsync(log, number, cancel).ConfigureAwait(false)).Fault?.Message ?? $"record {number} could not be found a moment ago";

    static async ValueTask<(long Length, StoreException? Fault)> TryAsync(RecordLog log, long number, CancellationToken cancel)
    {
        try
        {
            var plan = await log.PlanAsync([number], cancel).ConfigureAwait(false);
            await log.ReadAsync(plan, new byte[plan.Length], cancel).ConfigureAwait(false);
            return (plan.Length, null);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.ChecksumMismatch)
        {
            return (0, error);
        }
    }
}
