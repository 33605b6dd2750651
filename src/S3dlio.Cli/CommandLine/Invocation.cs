using S3dlio.Cli.Addresses;
using S3dlio.Cli.Output;
using S3dlio.Transfer;

namespace S3dlio.Cli.CommandLine;

/// <summary>Exit codes, which scripts depend on.</summary>
static class ExitCode
{
    public const int Good = 0, Failed = 1, Usage = 2, Differences = 3, Interrupted = 130;
}

/// <summary>One run of a verb: what was asked for, where to say what comes of it.</summary>
sealed class Invocation(Parsed parsed, Terminal terminal, Stores stores, CancellationToken cancel)
{
    public Parsed Parsed => parsed;

    public Terminal Terminal => terminal;

    public Stores Stores => stores;

    public CancellationToken Cancel => cancel;

    public List<string> Arguments => parsed.Positionals;

    public bool Has(string option) => parsed.Has(option);

    public string? Text(string option) => parsed.Given.TryGetValue(option, out var values) ? values[^1] : null;

    public IReadOnlyList<string> All(string option) => parsed.Given.TryGetValue(option, out var values) ? values : [];

    public int Integer(string option, int otherwise, int least, int most) =>
        Text(option) is { } text ? Quantity.Integer(text, "--" + option, least, most) : otherwise;

    public long? Number(string option) =>
        Text(option) is { } text ? Quantity.Number(text, "--" + option, long.MinValue, long.MaxValue) : null;

    public long Size(string option, long otherwise) => Text(option) is { } text ? Quantity.Size(text, "--" + option) : otherwise;

    /// <summary>Objects under way at once.</summary>
    public int Jobs => Integer("jobs", Common.Jobs, 1, 4096);

    /// <summary>Does something for each of many objects while more are found; a failure is printed and the rest goes on.</summary>
    /// <returns>Whether everything was found.</returns>
    public Task<bool> EachAsync<T>(int requests, IAsyncEnumerable<T> items, Func<T, CancellationToken, ValueTask> work) =>
        Bulk.EachAsync(items, Jobs, requests, work, terminal.Progress.KnowsAll, terminal.Failure, cancel);

    /// <summary>Good, unless something failed on the way.</summary>
    public int Outcome => terminal.Failures > 0 ? ExitCode.Failed : ExitCode.Good;
}
