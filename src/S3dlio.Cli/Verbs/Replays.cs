using System.Globalization;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Cli.Reports;
using S3dlio.OpLog;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary><c>replay</c>: a log of operations, done again.</summary>
static class Replays
{
    public static readonly Verb Verb = new("replay", "do the operations of a log again, at their times, against another store", RunAsync)
    {
        Positionals = [new("LOG", "a file that --op-log, the original or warp wrote")],
        Options =
        [
            Option.Of("target", 't', "ADDRESS", "where the operations go, each to its key below it"),
            Option.Of("remap", '\0', "FROM=TO",
                "addresses that begin so go there; FROM=TO1,TO2 shares them, FROM=rr:TO1,TO2 in turns, re:PATTERN=TO by pattern")
                with { Repeats = true },
            Option.Of("speed", 's', "FACTOR", "0.5 is half as fast, 2 twice; max for as fast as it goes (1)"),
            Option.Of("filter", '\0', "OP", "only these operations") with { Repeats = true },
            Option.Of("jobs", 'j', "N", "operations under way at once (256)"),
            Option.Of("compress", 'x', "FACTOR", "how well the data of PUTs can be compressed (1)"),
            Option.Flag("prepare", '\0', "make the objects that are read, where they are not there or too small"),
            Option.Of("report", '\0', "FILE", "a page of HTML with latencies and lag"),
            Common.DryRun,
        ],
        Details = """
            The times between the operations stay as they were, divided by the speed. An operation that cannot begin in time, because so
            many as --jobs
            allows are under way, begins as soon as one of them ends, and by how much it was late is told as lag. Copies, moves and deletes
            of many
            objects cannot be done again and are counted as skipped. Memory does not grow with the log.
            """,
        Examples = ["s3dlio replay run.tsv.zst --target s3://bench/replay --speed 2 --prepare",
            "s3dlio replay run.tsv.zst --remap s3://old/=s3://new/ --dry-run"],
    };

    static async Task<int> RunAsync(Invocation run)
    {
        if (run.Text("target") is null && run.All("remap").Count == 0)
            throw new UsageException("replay: say where the operations go, with --target or --remap; the addresses of the log are not "
                + "written to unasked");
        var rules = new RemapRules(run.Text("target"), run.All("remap"));
        var options = new ReplayOptions
        {
            Speed = Speed(run.Text("speed") ?? "1"),
            Concurrency = run.Integer("jobs", 256, 1, 65536),
            Ops = run.All("filter").Count == 0 ? null : run.All("filter").Select(static op => op.ToUpperInvariant()).ToHashSet(),
            Compress = run.Text("compress") is { } factor ? Positive(factor, "--compress") : 1,
            Prepare = run.Has("prepare"),
        };
        var gate = new Lock();
        (ObjectStore, string) Open(string address)
        {
            lock (gate)
            {
                var place = run.Stores.Open(address, wildcards: false);
                return (place.Store, place.Key);
            }
        }
        var replay = new Replay(rules, Open, options);
        if (run.Has("dry-run"))
            return Show(run, replay);
        var report = await replay.RunAsync(() => new OpLogReader(run.Arguments[0]), run.Cancel);
        Tell(run, report);
        if (run.Text("report") is { } page)
            OutputFile.Write(page, OpReport.Html($"Replay of {Path.GetFileName(run.Arguments[0])}", report));
        return report.Errors > 0 ? ExitCode.Failed : run.Outcome;
    }

    static int Show(Invocation run, Replay replay)
    {
        using var log = new OpLogReader(run.Arguments[0]);
        long? origin = null;
        foreach (var (record, address) in replay.Plan(log))
        {
            origin ??= record.Start;
            double at = (record.Start - origin.Value) / 1e9;
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    json.WriteNumber("at", at);
                    json.WriteString("op", record.Op);
                    JsonText.Address(json, "uri", address);
                    json.WriteNumber("bytes", record.Bytes);
                });
            }
            else
            {
                run.Terminal.Line(string.Create(CultureInfo.InvariantCulture,
                    $"{at,12:0.000000} {record.Op,-7}{record.Bytes,12} {Quoted.Name(address)}"));
            }
        }
        return ExitCode.Good;
    }

    static void Tell(Invocation run, ReplayReport report)
    {
        foreach (string message in report.Messages)
            run.Terminal.Error(message, "Failed");
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("operations", report.Operations);
                json.WriteNumber("errors", report.Errors);
                json.WriteNumber("skipped", report.Skipped);
                json.WriteNumber("bytes", report.Bytes);
                json.WriteNumber("planned_seconds", report.Planned.TotalSeconds);
                json.WriteNumber("seconds", report.Took.TotalSeconds);
                OpLogs.Percentiles(json, "lag_ns", report.Lag);
                json.WriteStartObject("latency_ns");
                foreach (var (op, latency) in report.Latency)
                    OpLogs.Percentiles(json, op, latency);
                json.WriteEndObject();
            });
            return;
        }
        foreach (var (op, latency) in report.Latency)
            run.Terminal.Line($"{op,-7}{latency.Count,10}  p50 {OpLogs.Time(latency, 50)}, p99 {OpLogs.Time(latency, 99)}, max "
                + $"{OpLogs.Short(latency.Max)}");
        run.Terminal.Line($"lag            p50 {OpLogs.Time(report.Lag, 50)}, p99 {OpLogs.Time(report.Lag, 99)}, max "
            + $"{OpLogs.Short(report.Lag.Max)}");
        run.Terminal.Line(string.Create(CultureInfo.InvariantCulture,
            $"{report.Operations} operations, {report.Errors} failed, {report.Skipped} skipped, {Quantity.Show(report.Bytes)} in "
                + $"{report.Took.TotalSeconds:0.000} s (planned {report.Planned.TotalSeconds:0.000} s)"));
    }

    static double Speed(string text) => text is "max" ? double.PositiveInfinity : Positive(text, "--speed");

    static double Positive(string text, string what) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) && number > 0
        ? number
        : throw new UsageException($"{what}: '{text}' is no number above 0");
}
