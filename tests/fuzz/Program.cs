using System.Diagnostics;
using System.Globalization;
using S3dlio.Fuzz;

// dotnet run -c Release --project tests/fuzz -- [--executions N] [--seed N] [--threads N] [parser ...]
// N executions of each parser; faults are printed and kept in corpus/, which the tests replay.
const string usage = "usage: [--executions N] [--seed N] [--threads N] [parser ...]; parsers are ";
var chosen = new List<string>();
long executions = 100_000;
int seed = Environment.TickCount, threads = 1;
for (int i = 0; i < args.Length; i++)
{
    if (args[i] is "--executions" or "--seed" or "--threads" && i + 1 < args.Length
            && long.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out long number))
    {
        (executions, seed, threads) =
            args[i] switch
            {
                "--executions" => (number, seed, threads),
                "--seed" => (executions, (int)number, threads),
                _ => (executions, seed, (int)number)
            };
        i++;
    }
    else
    {
        chosen.Add(args[i]);
    }
}
var targets = AllTargets.List.Where(target => chosen.Count == 0 || chosen.Contains(target.Name)).ToArray();
if (targets.Length < Math.Max(1, chosen.Count))
{
    Console.Error.WriteLine(usage + string.Join(", ", AllTargets.List.Select(target => target.Name)));
    return 2;
}

Console.WriteLine($"seed {seed}, {executions} executions of each of {targets.Length} parsers");
long total = 0;
int faults = 0;
Parallel.ForEach(targets, new ParallelOptions { MaxDegreeOfParallelism = threads }, target =>
{
    var campaign = new Campaign(target, seed, Corpus.Of(target).Select(static found => found.Input));
    long began = Stopwatch.GetTimestamp();
    using (new Watch(target.Name, campaign))
        campaign.Run(executions);
    double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
    Interlocked.Add(ref total, campaign.Executions);
    Interlocked.Add(ref faults, campaign.Findings.Count);
    lock (targets)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{target.Name}: {campaign.Executions} executions, {campaign.Executions / seconds:0}/s, {campaign.Outcomes} outcomes, "
            + $"{campaign.Findings.Count} faults"));
        foreach (var finding in campaign.Findings)
            Console.WriteLine($"  {Corpus.Keep(finding)}\n    {finding.Fault.Replace("\n", "\n    ", StringComparison.Ordinal)}");
    }
});
Console.WriteLine($"{total} executions in all, {faults} faults");
return faults == 0 ? 0 : 1;

/// <summary>Ends the process with the input at hand when a parser does not come back.</summary>
sealed class Watch : IDisposable
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    readonly Timer _timer;

    public Watch(string name, Campaign campaign) => _timer = new Timer(_ =>
    {
        if (campaign.Current is not var (input, since) || Stopwatch.GetElapsedTime(since) < Patience)
            return;
        string file = Corpus.Keep(new Finding(name, input, "hang"));
        Console.Error.WriteLine($"{name}: no end after {Patience}: {file}");
        Environment.Exit(3);
    }, null, Patience / 4, Patience / 4);

    public void Dispose() => _timer.Dispose();
}
