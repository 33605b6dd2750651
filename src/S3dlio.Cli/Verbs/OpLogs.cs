using System.Globalization;
using System.Text;
using System.Text.Json;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
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

    static readonly Option Form = Option.Of("to", '\0', "FORM",
        "tsv, csv, jsonl, fio (iolog version 3) or chrome (trace events, for Perfetto); by default what the output's name says");

    public static readonly Verb Verb = new("oplog", "look into logs of operations, as --op-log writes them", null)
    {
        Verbs =
        [
            new("summary", "count, rate and latency by operation and size", SummaryAsync)
            {
                Positionals = [new("LOG", "the file")],
                Options = [Ops, Option.Of("skip", '\0', "TIME", "pass over the beginning, such as 10s of warm-up")],
                Details = Reads + " Percentiles are exact to 1.6%.",
            },
            new("top", "the rows that took longest", TopAsync)
            {
                Positionals = [new("LOG", "the file")],
                Options = [Ops, Option.Of("number", 'n', "N", "so many (10)"), Option.Of("by", '\0', "WHAT",
                    "duration (default), first-byte or bytes"), Option.Flag("errors", '\0', "only failures")],
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

    static readonly (string Name, long Most)[] Sizes =
    [
        ("0", 0), ("1 B-8 KiB", 8L << 10), ("8-64 KiB", 64L << 10), ("64 KiB-1 MiB", 1L << 20), ("1-8 MiB", 8L << 20),
            ("8-64 MiB", 64L << 20), ("64 MiB-1 GiB", 1L << 30), (">1 GiB", long.MaxValue),
    ];

    sealed class Group
    {
        public LatencyHistogram Latency { get; } = new();

        public LatencyHistogram FirstByte { get; } = new();

        public long Objects, Bytes, Errors;
    }

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

    static Task<int> SummaryAsync(Invocation run)
    {
        var groups = new SortedDictionary<(string Op, int Size), Group>();
        var failures = new Dictionary<string, long>(StringComparer.Ordinal);
        long skip = run.Text("skip") is { } text ? (long)Quantity.Duration(text, "--skip").TotalNanoseconds : 0;
        long first = long.MaxValue, last = 0, begin = 0, rows = 0;
        foreach (var row in Rows(run))
        {
            begin = begin == 0 ? row.Start : begin;
            // rows come in the order of their ends: an early one may have begun before the first
            if (skip > 0 && row.Start - begin < skip)
                continue;
            rows++;
            first = Math.Min(first, row.Start);
            last = Math.Max(last, row.End);
            int size = Array.FindIndex(Sizes, known => row.Bytes <= known.Most);
            if (!groups.TryGetValue((row.Op, size), out var group))
                groups[(row.Op, size)] = group = new Group();
            group.Objects += row.Objects;
            if (row.Error.Length > 0)
            {
                group.Errors++;
                string kind = row.Error.Split(':')[0];
                failures[kind] = failures.GetValueOrDefault(kind) + 1;
                continue;
            }
            group.Bytes += row.Bytes;
            group.Latency.Add(row.Duration);
            if (row.FirstByte is { } byteTime)
                group.FirstByte.Add(byteTime - row.Start);
        }
        double seconds = rows == 0 ? 0 : Math.Max(1e-9, (last - first) / 1e9);
        if (run.Terminal.Json)
        {
            foreach (var ((op, size), group) in groups)
                run.Terminal.Object(json => Write(json, op, Sizes[size].Name, group, seconds));
            run.Terminal.Object(json =>
            {
                json.WriteNumber("rows", rows);
                json.WriteNumber("seconds", seconds);
                json.WriteStartObject("errors");
                foreach (var (kind, count) in failures)
                    json.WriteNumber(kind, count);
                json.WriteEndObject();
            });
            return Task.FromResult(ExitCode.Good);
        }
        run.Terminal.Line(
            $"{"op",-7}{"size",-14}{"count",10}{"errors",8}{"op/s",10}{"MiB/s",10}{"p50",10}{"p90",10}{"p99",10}{"p99.9",10}{"max",10}"
            + $"{"first p50",11}");
        foreach (var ((op, size), group) in groups)
        {
            var latency = group.Latency;
            run.Terminal.Line(string.Create(CultureInfo.InvariantCulture,
                $"{Quoted.Name(op),-7}{Sizes[size].Name,-14}{latency.Count + group.Errors,10}{group.Errors,8}")
                + string.Create(CultureInfo.InvariantCulture,
                    $"{(latency.Count + group.Errors) / seconds,10:0.0}{group.Bytes / seconds / (1 << 20),10:0.00}")
                + $"{Time(latency, 50),10}{Time(latency, 90),10}{Time(latency, 99),10}{Time(latency, 99.9),10}{Short(latency.Max),10}"
                + $"{Time(group.FirstByte, 50),11}");
        }
        foreach (var (kind, count) in failures.OrderByDescending(static one => one.Value))
            run.Terminal.Line($"error {Quoted.Name(kind)}: {count}");
        run.Terminal.Note(string.Create(CultureInfo.InvariantCulture, $"{rows} operations in {seconds:0.000} s"));
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

    static void Write(Utf8JsonWriter json, string op, string size, Group group, double seconds)
    {
        json.WriteString("op", op);
        json.WriteString("size", size);
        json.WriteNumber("count", group.Latency.Count + group.Errors);
        json.WriteNumber("errors", group.Errors);
        json.WriteNumber("objects", group.Objects);
        json.WriteNumber("bytes", group.Bytes);
        json.WriteNumber("ops_per_second", Math.Round((group.Latency.Count + group.Errors) / seconds, 3));
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
        Stream output;
        try
        {
            output = target == "-" ? Console.OpenStandardOutput() : File.Create(target);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StoreException(ErrorKind.InvalidArgument, target, error.Message, cause: error);
        }
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
