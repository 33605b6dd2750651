using System.Globalization;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Cli.Reports;
using S3dlio.Cli.Verbs;
using S3dlio.OpLog;
using S3dlio.Storage;

namespace S3dlio.Cli.Benches;

/// <summary>The operations of a benchmark, and how busy the machine was meanwhile.</summary>
/// <param name="run">What was asked for.</param>
sealed class Measurement(Invocation run)
{
    readonly Lock _gate = new();
    Machine? _machine;
    Machine.Load? _load;

    public OpSummary Summary { get; } = new();

    /// <exception cref="UsageException">What was asked for cannot be done, before anything was.</exception>
    public static void Check(Invocation run)
    {
        if (run.Text("report") is { } path)
            OpReport.CheckName(path);
    }

    /// <summary>What was before is warm-up.</summary>
    public void Begin() => _machine = new Machine();

    public void End() => _load = _machine?.Now();

    /// <summary>Does an operation and notes how long it took; one that fails is told and counted.</summary>
    /// <param name="op">One of <see cref="OpName"/>, or what a table calls it.</param>
    /// <param name="address">Of what it is about.</param>
    /// <param name="work">Gives the bytes that went over, and when the first was there.</param>
    /// <returns>Whether it went well.</returns>
    public async ValueTask<bool> TimeAsync(string op, string address, Func<ValueTask<(long Bytes, long? FirstByte)>> work)
    {
        long start = OpClock.Now;
        bool counts = _machine is not null;
        var row = new OpRecord { Op = op, File = address, Objects = 1, Start = start };
        StoreException? failure = null;
        try
        {
            var (bytes, first) = await work();
            row = row with { Bytes = bytes, FirstByte = first };
        }
        catch (StoreException error)
        {
            failure = error;
            row = row with { Error = $"{error.Kind}: {error.Detail}" };
        }
        row = row with { End = OpClock.Now };
        lock (_gate)
        {
            // what began in the warm-up, or ends after the end, is not measured
            if (counts && _load is null)
                Summary.Add(row);
        }
        if (failure is not null)
            run.Terminal.Failure(failure);
        return failure is null;
    }

    /// <summary>Operations that nothing else ran beside, so that their own time is known.</summary>
    public bool RunsAlone { get; init; }

    IEnumerable<(string Op, double Bytes, double Seconds)> Alone() => !RunsAlone ? [] : Summary.Groups
        .Where(static one => one.Group.Latency.Count > 0).GroupBy(static one => one.Op)
        .Select(static op => (op.Key, op.Sum(static one => (double)one.Group.Bytes),
            op.Sum(static one => one.Group.Latency.Mean * one.Group.Latency.Count) / 1e9));

    /// <summary>Prints the table, what it cost, and what limited it; writes the report that was asked for.</summary>
    public int Tell(string title, bool isLocal)
    {
        run.Terminal.Progress.Dispose();
        OpLogs.Tell(run, Summary);
        var load = _load ?? throw new InvalidOperationException("the end of the measurement was not noted");
        foreach (var (op, bytes, seconds) in Alone())
        {
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    json.WriteString("alone", op);
                    json.WriteNumber("bytes_per_second", Math.Round(bytes / seconds));
                });
            }
            else
            {
                run.Terminal.Line(string.Create(CultureInfo.InvariantCulture,
                    $"{op,-7} {bytes / seconds / (1 << 20):0.0} MiB/s while it ran"));
            }
        }
        double gigabytes = Summary.Groups.Sum(static one => one.Group.Bytes) / 1e9, operations = Math.Max(1, Summary.Rows);
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteString("bench", title);
                json.WriteNumber("seconds", Math.Round(load.Seconds, 6));
                json.WriteNumber("cpu_seconds", Math.Round(load.Cpu, 6));
                if (gigabytes > 0)
                    json.WriteNumber("cpu_seconds_per_gb", Math.Round(load.Cpu / gigabytes, 6));
                json.WriteNumber("cpu_seconds_per_operation", load.Cpu / operations);
                json.WriteNumber("cpu_share", Math.Round(load.Share, 4));
                json.WriteNumber("machine_busy", Math.Round(load.MachineBusy, 4));
                if (load.Device is not null)
                {
                    json.WriteString("device", load.Device);
                    json.WriteNumber("device_busy", Math.Round(load.DeviceBusy, 4));
                }
                json.WriteString("limit", load.Limit(isLocal));
            });
        }
        else
        {
            run.Terminal.Line(string.Create(CultureInfo.InvariantCulture,
                $"CPU     {load.Cpu:0.00} s in {load.Seconds:0.00} s, {load.Share:0%} of {load.Cores} cores")
                + (gigabytes > 0 ? string.Create(CultureInfo.InvariantCulture, $"; {load.Cpu / gigabytes:0.000} s for each GB") : "")
                + string.Create(CultureInfo.InvariantCulture, $"; {load.Cpu / operations * 1e6:0.0} us for each operation"));
            run.Terminal.Line($"limit   {load.Limit(isLocal)}");
        }
        if (run.Text("report") is { } page)
            OpReport.Write(page, title, Summary);
        return run.Outcome;
    }
}
