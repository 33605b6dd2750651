using System.Globalization;
using System.Text;
using System.Text.Json;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Cli.Reports;
using S3dlio.OpLog;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary><c>oplog</c>: what a log of operations tells.</summary>
static class OpLogs
{
    const string Reads = "Reads logs of s3dlio, of the original and of MinIO warp: parted by tabs or commas or lines of JSON, "
        + "compressed with zstd or not.";

    static readonly Option Ops =
        Option.Of("filter", '\0', "OP", "only these operations: GET, PUT, STAT, LIST, DELETE, COPY, MOVE") with { Repeats = true };

    static readonly Option Skip = Option.Of("skip", '\0', "TIME", "pass over the beginning, such as 10s of warm-up");

    static readonly Option Form = Option.Of("to", '\0', "FORM",
        "tsv, csv, jsonl, fio (iolog version 3) or chrome (trace events, for Perfetto); by default what the output's name says");

    public static readonly Verb Verb = new("oplog", "look into logs of operations, as --op-log writes them", null)
    {
        Verbs =
        [
            new("summary", "count, rate and latency by operation and size", SummaryAsync)
            {
                Positionals = [new("LOG", "the file")],
                Options = [Ops, Skip],
                Details = Reads + " Percentiles are exact to 1.6%.",
            },
            new("top", "the rows that took longest", TopAsync)
            {
                Positionals = [new("LOG", "the file")],
                Options = [Ops, Option.Of("number", 'n', "N", "so many (10)"), Option.Of("by", '\0', "WHAT",
                    "duration (default), first-byte or bytes"), Option.Flag("errors", '\0', "only failures")],
            },
            new("plot", "draw rates and latencies over time", PlotAsync)
            {
                Positionals = [new("LOG", "the file"), new("OUTPUT", "a name that ends with .html, .png or .svg")],
                Options = [Ops, Skip, Option.Of("title", '\0', "TEXT", "above the report (the log's name)")],
                Details = "The report in HTML has the tables of 'summary' too and needs no other file. Memory does not grow with the log.",
                Examples = ["s3dlio oplog plot run.tsv.zst run.html", "s3dlio oplog plot --filter GET run.tsv.zst gets.png"],
            },
            new("convert", "write a log in another form", static run => ConvertAsync(run, Rows(run)))
            {
                Positionals = [new("LOG", "the file"), new("OUTPUT", "the new file, or '-'")],
                Options = [Ops, Form],
                Examples = ["s3dlio oplog convert run.tsv.zst trace.json --to chrome"],
            },
            new("sort", "write the rows in the order of their starts", static run => ConvertAsync(run, Sorted(run)))
            {
                Positionals = [new("LOG", "the file"), new("OUTPUT", "the new file, or '-'")],
                Options = [Ops, Form],
                Details = "Rows are written when operations end, so a log is in the order of ends. All rows are held in memory, some 500 "
                    + "bytes each.",
                Examples = ["s3dlio oplog sort run.tsv.zst sorted.tsv"],
            },
        ],
    };

    static IEnumerable<OpRecord> Rows(Invocation run)
    {
        using var log = new OpLogReader(run.Arguments[0]);
        string[] wanted = [.. run.All("filter").Select(static op => op.ToUpperInvariant())];
        while (log.Read(out var record))
        {
            run.Cancel.ThrowIfCancellationRequested();
            if (wanted.Length == 0 || wanted.Contains(record.Op))
                yield return record;
        }
        if (log.WasCut)
            run.Terminal.Error($"{run.Arguments[0]}: the log ends in the midst of a block: its last rows are missing", "Note");
    }

    static OpSummary Summary(Invocation run)
    {
        var summary = new OpSummary(run.Text("skip") is { } text ? (long)Quantity.Duration(text, "--skip").TotalNanoseconds : 0);
        foreach (var row in Rows(run))
            summary.Add(row);
        return summary;
    }

    static Task<int> SummaryAsync(Invocation run)
    {
        Tell(run, Summary(run));
        return Task.FromResult(ExitCode.Good);
    }

    /// <summary>A line for each operation and size, and for each kind of error.</summary>
    public static void Tell(Invocation run, OpSummary summary)
    {
        double seconds = summary.Seconds;
        if (run.Terminal.Json)
        {
            foreach (var (op, size, group) in summary.Groups)
                run.Terminal.Object(json => Write(json, op, size, group, seconds));
            run.Terminal.Object(json =>
            {
                json.WriteNumber("rows", summary.Rows);
                json.WriteNumber("seconds", seconds);
                json.WriteStartObject("errors");
                foreach (var (kind, count) in summary.Failures)
                    json.WriteNumber(kind, count);
                json.WriteEndObject();
            });
            return;
        }
        run.Terminal.Line(
            $"{"op",-7}{"size",-14}{"count",10}{"errors",8}{"op/s",10}{"MiB/s",10}{"p50",10}{"p90",10}{"p99",10}{"p99.9",10}{"max",10}"
            + $"{"first p50",11}");
        foreach (var (op, size, group) in summary.Groups)
        {
            var latency = group.Latency;
            run.Terminal.Line(string.Create(CultureInfo.InvariantCulture,
                $"{Quoted.Name(op),-7}{size,-14}{group.Count,10}{group.Errors,8}")
                + string.Create(CultureInfo.InvariantCulture, $"{group.Count / seconds,10:0.0}{group.Bytes / seconds / (1 << 20),10:0.00}")
                + $"{Time(latency, 50),10}{Time(latency, 90),10}{Time(latency, 99),10}{Time(latency, 99.9),10}{Short(latency.Max),10}"
                + $"{Time(group.FirstByte, 50),11}");
        }
        foreach (var (kind, count) in summary.Failures)
            run.Terminal.Line($"error {Quoted.Name(kind)}: {count}");
        run.Terminal.Note(string.Create(CultureInfo.InvariantCulture, $"{summary.Rows} operations in {seconds:0.000} s"));
    }

    static Task<int> PlotAsync(Invocation run)
    {
        OpReport.CheckName(run.Arguments[1]);
        var summary = Summary(run);
        if (summary.Rows == 0)
            throw new StoreException(ErrorKind.NotFound, run.Arguments[0], "the log has no rows of these operations: nothing can be drawn");
        OpReport.Write(run.Arguments[1], run.Text("title") ?? Path.GetFileName(run.Arguments[0]), summary);
        run.Terminal.Note($"{summary.Rows} rows");
        return Task.FromResult(ExitCode.Good);
    }

    public static string Time(LatencyHistogram latency, double percent) => latency.Count == 0 ? "-" : Short(latency.Percentile(percent));

    /// <summary>Nanoseconds, for people.</summary>
    public static string Short(double nanoseconds) => nanoseconds switch
    {
        < 1e3 => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds:0} ns"),
        < 1e6 => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e3:0.0} us"),
        < 1e9 => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e6:0.00} ms"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e9:0.00} s"),
    };

    static void Write(Utf8JsonWriter json, string op, string size, OpSummary.Group group, double seconds)
    {
        json.WriteString("op", op);
        json.WriteString("size", size);
        json.WriteNumber("count", group.Count);
        json.WriteNumber("errors", group.Errors);
        json.WriteNumber("objects", group.Objects);
        json.WriteNumber("bytes", group.Bytes);
        json.WriteNumber("ops_per_second", Math.Round(group.Count / seconds, 3));
        json.WriteNumber("bytes_per_second", Math.Round(group.Bytes / seconds));
        Percentiles(json, "latency_ns", group.Latency);
        if (group.FirstByte.Count > 0)
            Percentiles(json, "first_byte_ns", group.FirstByte);
    }

    public static void Percentiles(Utf8JsonWriter json, string name, LatencyHistogram latency)
    {
        json.WriteStartObject(name);
        json.WriteNumber("count", latency.Count);
        json.WriteNumber("mean", Math.Round(latency.Mean));
        foreach (double percent in (double[])[50, 90, 95, 99, 99.9, 99.99])
            json.WriteNumber(string.Create(CultureInfo.InvariantCulture, $"p{percent}"), latency.Percentile(percent));
        json.WriteNumber("max", latency.Max);
        json.WriteEndObject();
    }

    static Task<int> TopAsync(Invocation run)
    {
        int number = run.Integer("number", 10, 1, 1_000_000);
        Func<OpRecord, long> key = run.Text("by") switch
        {
            null or "duration" => static row => row.Duration,
            "first-byte" => static row => row.FirstByte is { } first ? first - row.Start : -1,
            "bytes" => static row => row.Bytes,
            var other => throw new UsageException(NearestName.Refuse("order", other, ["bytes", "duration", "first-byte"])),
        };
        var best = new PriorityQueue<OpRecord, long>();
        foreach (var row in Rows(run))
        {
            if (run.Has("errors") && row.Error.Length == 0)
                continue;
            best.Enqueue(row, key(row));
            if (best.Count > number)
                best.Dequeue();
        }
        var rows = new Stack<OpRecord>();
        while (best.TryDequeue(out var row, out _))
            rows.Push(row);
        foreach (var row in rows)
        {
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json => Write(json, row));
            }
            else
            {
                run.Terminal.Line($"{Short(row.Duration),10} {(row.FirstByte is { } first ? Short(first - row.Start) : "-"),10} "
                    + $"{row.Bytes,12} "
                    + $"{row.Op,-7}{Quoted.Name(RemapRules.Address(row))}{(row.Error.Length > 0 ? "  " + Quoted.Text(row.Error) : "")}");
            }
        }
        return Task.FromResult(ExitCode.Good);
    }

    static void Write(Utf8JsonWriter json, OpRecord row)
    {
        json.WriteNumber("idx", row.Index);
        json.WriteNumber("thread", row.Thread);
        json.WriteString("op", row.Op);
        json.WriteString("client_id", row.ClientId);
        json.WriteNumber("n_objects", row.Objects);
        json.WriteNumber("bytes", row.Bytes);
        json.WriteString("endpoint", row.Endpoint);
        JsonText.Address(json, "file", row.File);
        json.WriteString("error", row.Error);
        json.WriteString("start", OpRow.Time(row.Start));
        if (row.FirstByte is { } first)
            json.WriteString("first_byte", OpRow.Time(first));
        json.WriteString("end", OpRow.Time(row.End));
        json.WriteNumber("duration_ns", row.Duration);
        if (row.Offset is { } offset)
            json.WriteNumber("offset", offset);
        if (row.Cached is { } cached)
            json.WriteNumber("cached", cached);
    }

    /// <summary>All of them, so that the log may be written to its own place.</summary>
    static OpRecord[] Sorted(Invocation run) => [.. Rows(run).OrderBy(static row => row.Start).ThenBy(static row => row.Index)];

    static Task<int> ConvertAsync(Invocation run, IEnumerable<OpRecord> records)
    {
        string target = run.Arguments[1];
        string form = run.Text("to")
            ?? (target.Contains(".csv", StringComparison.Ordinal) ? "csv" : target.Contains(".jsonl", StringComparison.Ordinal) ? "jsonl"
            : target.EndsWith(".json", StringComparison.Ordinal) ? "chrome" : target.Contains("fio", StringComparison.Ordinal) ? "fio"
            : "tsv");
        if (form is not ("tsv" or "csv" or "jsonl" or "fio" or "chrome"))
            throw new UsageException(NearestName.Refuse("form", form, ["chrome", "csv", "fio", "jsonl", "tsv"]));
        if (target.EndsWith(".zst", StringComparison.Ordinal))
            throw new UsageException($"{target}: what is converted is not compressed; pipe it: s3dlio oplog convert LOG - --to {form} | "
                + $"zstd > {target}");
        using var output = OutputFile.Open(target);
        using var buffered = new BufferedStream(output, 1 << 16);
        long rows = form switch
        {
            "fio" => OpConversion.Fio(records, buffered),
            "chrome" => OpConversion.Chrome(records, buffered),
            "jsonl" => Lines(records, buffered),
            _ => OpConversion.Separated(records, buffered, form == "csv" ? (byte)',' : (byte)'\t'),
        };
        if (target != "-")
            run.Terminal.Note($"{rows} rows");
        return Task.FromResult(ExitCode.Good);
    }

    static long Lines(IEnumerable<OpRecord> records, Stream output)
    {
        long rows = 0;
        using var json = new Utf8JsonWriter(output, JsonText.Options);
        foreach (var row in records)
        {
            json.WriteStartObject();
            Write(json, row);
            json.WriteEndObject();
            json.Flush();
            json.Reset();
            output.WriteByte((byte)'\n');
            rows++;
        }
        return rows;
    }
}
