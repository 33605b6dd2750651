using System.Diagnostics;

namespace S3dlio.Fuzz;

/// <summary>A fault, with the smallest input found that shows it.</summary>
public sealed record Finding(string Target, byte[] Input, string Fault);

/// <summary>
/// Feeds one parser. Inputs come from its grammar and from changes of others; one that had an outcome never seen before is kept and changed
/// further, which leads from one of the parser's checks to the next.
/// </summary>
public sealed class Campaign(Target target, int seed, IEnumerable<byte[]> corpus)
{
    const int MostKept = 2000, MostFindings = 20;

    readonly Chance _chance = new(seed);
    readonly List<byte[]> _pool = [.. target.Seeds, .. corpus];
    readonly HashSet<string> _outcomes = new(StringComparer.Ordinal);
    readonly Dictionary<string, Finding> _findings = new(StringComparer.Ordinal);

    public long Executions { get; private set; }

    public int Outcomes => _outcomes.Count;

    public IReadOnlyCollection<Finding> Findings => _findings.Values;

    /// <summary>What is being executed, for whoever watches over hangs.</summary>
    public (byte[] Input, long Since)? Current { get; private set; }

    public void Run(long executions, CancellationToken stop = default)
    {
        foreach (byte[] input in _pool.ToArray())
            Execute(input, keep: false);
        for (long end = Executions + executions; Executions < end && _findings.Count < MostFindings && !stop.IsCancellationRequested;)
            Execute(Make(), keep: true);
    }

    byte[] Make()
    {
        bool generates = target.Grammar is not null && (_pool.Count == 0 || _chance.In(3));
        byte[] input = generates ? target.Grammar!.Generate(_chance) : _pool.Count > 0 ? _chance.Of(_pool) : [];
        if (!generates || _chance.In(2))
            input = Mutator.Mutate(input, target.Tokens, _pool, _chance);
        return _chance.In(2) ? target.Repair(input) : input;
    }

    void Execute(byte[] input, bool keep)
    {
        Current = (input, Stopwatch.GetTimestamp());
        var (outcome, fault) = Judge.Try(target, input);
        Current = null;
        Executions++;
        if (fault is not null)
            Report(input, fault);
        else if (_outcomes.Add(outcome) && keep && _pool.Count < MostKept)
            _pool.Add(input);
    }

    void Report(byte[] input, string fault)
    {
        string kind = Kind(fault);
        if (_findings.ContainsKey(kind))
            return;
        byte[] small = Shrink(input, kind);
        _findings[kind] = new Finding(target.Name, small, Judge.Try(target, small).Fault ?? fault);
    }

    /// <summary>Where it was thrown, or what did not hold: one finding for each.</summary>
    static string Kind(string fault)
    {
        string[] lines = fault.Split('\n');
        string? place = lines.Skip(1).FirstOrDefault(static line => line.Contains("S3dlio", StringComparison.Ordinal));
        return new string([.. (lines[0].Split(':')[0] + (place ?? lines[0])).Where(static c => !char.IsAsciiDigit(c)).Take(200)]);
    }

    byte[] Shrink(byte[] input, string kind)
    {
        for (int step = Math.Max(1, input.Length / 2); step > 0; step /= 2)
        {
            for (int at = 0; at < input.Length;)
            {
                byte[] less = [.. input.AsSpan(0, at), .. input.AsSpan(Math.Min(input.Length, at + step))];
                if (Judge.Try(target, less).Fault is { } fault && Kind(fault) == kind)
                    input = less;
                else
                    at += step;
            }
        }
        return input;
    }
}
