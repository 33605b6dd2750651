using System.Globalization;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Cli.Records;
using S3dlio.Log;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary><c>log</c>: what durable logs hold, and their care.</summary>
static partial class Logs
{
    static readonly Positional Path = new("PATH", "the log: a folder here or in a store");
    static readonly Positional LocalPath = new("PATH", "the log: a folder on this machine");

    static readonly Option[] Range =
    [
        Option.Of("from", '\0', "N", "the first record; -N counts from the end"),
        Option.Of("to", '\0', "N", "the first record that is left out; -N counts from the end"),
        Option.Of("count", 'n', "N", "so many records at most"),
        Option.Flag("skip-damaged", '\0', "pass over records that are damaged or missing"),
    ];

    static readonly Option[] Printed =
    [
        Option.Of("separator", '\0', "TEXT", "stands behind each record, with \\n, \\t, \\0 and \\\\ in it (\\n)"),
        Option.Flag("null", '0', "a NUL stands behind each record"),
        Option.Flag("base64", '\0', "with --json: base64 for all records, not only for those that are no UTF-8"),
    ];

    static readonly Option Form = Option.Of("form", 'f', "FORM", RecordForms.Help);

    public static readonly Verb Verb = new("log", "look into durable logs, check them, bring records in and out", null)
    {
        Verbs =
        [
            new("ls", "the logs in a folder, with their records and bytes", ListAsync)
            {
                Positionals = [new("FOLDER", "where to look, at any depth")],
                Examples = ["s3dlio log ls runs", "s3dlio log ls --json s3://bucket/logs"],
            },
            new("cat", "print records", CatAsync)
            {
                Positionals = [Path],
                Options = [.. Range, .. Printed],
                Details = "With --json a line is an object with number and text, or base64 where the bytes are no UTF-8. Every record is "
                    + "compared with its checksum; one that is damaged ends with exit code 3.",
                Examples = ["s3dlio log cat --from -10 runs/a/metrics", "s3dlio log cat --json --from 100 --to 200 s3://bucket/logs/a"],
            },
            new("tail", "print the last records, and follow", TailAsync)
            {
                Positionals = [Path],
                Options =
                [
                    Option.Of("count", 'n', "N", "so many records (10)"),
                    Option.Flag("follow", 'f', "go on with what is committed from now on"),
                    Option.Of("timeout", '\0', "TIME", "with --follow: end when nothing came for so long"),
                    .. Printed,
                ],
                Details =
                    "The log may be written by another process. Of a log in a store segments are seen when they were uploaded. Ctrl-C "
                    + "ends with exit code 130.",
                Examples = ["s3dlio log tail -f runs/a/metrics"],
            },
            new("inspect", "what the files of a log say, without its lock", InspectAsync)
            {
                Positionals = [Path],
                Details =
                    "Counts are exact, also while the log is written. Exit code 3 tells of damage that shows without reading records; "
                    + "'log verify' reads them. --json has segments, cursors and findings.",
            },
            new("verify", "read every record and compare it with its checksum", VerifyAsync)
            {
                Positionals = [Path],
                Details = "Changes nothing. Exit code 3 tells of damage, with the numbers of the records, file and offset. Of a log in a "
                    + "store the records are compared.",
            },
            new("repair", "mend what can be mended, and keep every record that can be read", RepairAsync)
            {
                Positionals = [LocalPath],
                Options =
                [
                    Common.DryRun, Option.Flag("yes", 'y', "do it"),
                    Option.Of("copy", '\0', "ADDRESS", "where the log was uploaded to: damaged segments are replaced by their copies"),
                ],
                Details = "Either --dry-run or --yes must be given. Exit code 3: something is, or would stay, damaged.",
                Examples =
                    ["s3dlio log repair --dry-run runs/a/metrics", "s3dlio log repair --yes --copy s3://bucket/logs/a runs/a/metrics"],
            },
            new("truncate", "drop the oldest records and give their room back", TruncateAsync)
            {
                Positionals = [LocalPath],
                Options =
                [
                    Option.Of("before", '\0', "N", "the first record that stays; -N counts from the end"),
                    Common.DryRun,
                ],
                Examples = ["s3dlio log truncate --before -1000000 runs/a/replay"],
            },
            new("export", "write records to a file or object", ExportAsync)
            {
                Positionals = [Path, new("OUTPUT", "the file or object, or '-'")],
                Options = [Form, .. Range, Option.Of("level", 'z', "LEVEL", "compress with zstd, 1 to 22; .zst is put behind the name"),
                    .. Printed],
                Details = "The output appears when it is whole. With the form lines a record that holds the separator is an error.",
                Examples =
                    ["s3dlio log export runs/a/metrics metrics.jsonl", "s3dlio log export -z 3 runs/a/steps s3://bucket/steps.tfrecord"],
            },
            new("import", "append the records of files, in batches that are whole or not there", ImportAsync)
            {
                Positionals = [LocalPath, new("INPUT", "files or objects, or '-'; .zst is unpacked", Many: true)],
                Options =
                [
                    Form,
                    Option.Of("batch", 'b', "N", "records of a batch (1000); after any crash all of a batch are there, or none"),
                    Option.Flag("atomic", '\0', "everything as one batch, of at most 64 MiB"),
                    Option.Of("record-size", '\0', "N", "bytes of every record, for a new log and the form raw"),
                    Option.Of("segment-size", '\0', "SIZE", "bytes of a segment file, for a new log (64MiB)"),
                    Option.Of("compress", '\0', "LEVEL", "compress frames that become smaller by it, 1 to 22"),
                    .. Printed[..2],
                ],
                Details =
                    "The log is made where there is none. Each batch is committed before the next one begins; when an input is wrong, "
                    + "the message says how many records are in.",
                Examples =
                    ["s3dlio log import runs/a/metrics metrics.jsonl", "zcat old.gz | s3dlio log import --form lines runs/a/metrics -"],
            },
            new("upload", "copy the sealed segments to a store, each once", UploadAsync)
            {
                Positionals = [LocalPath, new("DESTINATION", "a folder in a store")],
                Options = [Option.Flag("seal", '\0', "end the newest segment first, so that every record is uploaded")],
                Examples = ["s3dlio log upload --seal runs/a/metrics s3://bucket/logs/a"],
            },
        ],
    };

    static string LocalFolder(Invocation run, string why)
    {
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        return place.IsLocal ? place.LocalFolder
            : throw new UsageException($"{run.Arguments[0]}: {why} needs a log on this machine; copy it with 's3dlio cp -r'");
    }

    static async ValueTask<RecordLog> OpenAsync(Place place, OnDamage onDamage, CancellationToken cancel) =>
        place.IsLocal ? LogReader.Open(place.LocalFolder, onDamage) : await StoreLog.OpenAsync(place.Store, place.Prefix, onDamage, cancel);

    /// <summary>The same for changing it; record size, schema and sizes stay as the log has them.</summary>
    static LogWriter OpenWriter(string folder) =>
        LogWriter.Open(folder, new LogOptions { Create = false, ChecksSchema = false, KeepsSegmentSize = true });

    static async Task<int> ListAsync(Invocation run)
    {
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        var found = await LogCatalog.FindAsync(place.Store, place.Prefix, run.Cancel);
        if (found.Count == 0 && !await Tree.IsThereAsync(place, run.Cancel))
            throw Tree.NotFound(place);
        foreach (var one in found)
        {
            string address = place.Address(one.Prefix).TrimEnd('/');
            try
            {
                if (place.IsLocal)
                    ShowEntry(run, address, LogSurvey.Inspect((place with { Key = one.Prefix }).LocalFolder), one);
                else
                {
                    await using var log = await StoreLog.OpenAsync(place.Store, one.Prefix, OnDamage.Skip, run.Cancel);
                    ShowEntry(run, address, log.Begin, log.EndRecord, one.Segments, one.Bytes, "uploaded");
                }
            }
            catch (StoreException error)
            {
                run.Terminal.Failure(error);
            }
        }
        run.Terminal.Note($"{found.Count} log{(found.Count == 1 ? "" : "s")}");
        return run.Outcome;
    }

    static void ShowEntry(Invocation run, string address, LogInspection log, FoundLog found) =>
        ShowEntry(run, address, log.Begin, log.End, log.Segments.Count, log.Segments.Sum(static one => one.Allocated),
            !log.IsWhole ? "DAMAGED" : log.Writer is not null ? "open" : log.IsClosed ? "closed" : "not closed");

    static void ShowEntry(Invocation run, string address, long begin, long end, int segments, long bytes, string state)
    {
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                JsonText.Address(json, "uri", address);
                json.WriteNumber("records", end - begin);
                json.WriteNumber("begin", begin);
                json.WriteNumber("end", end);
                json.WriteNumber("segments", segments);
                json.WriteNumber("bytes", bytes);
                json.WriteString("state", state.ToLowerInvariant());
            });
            return;
        }
        run.Terminal.Line(string.Create(CultureInfo.InvariantCulture,
            $"{end - begin,12} records {begin,12} to {end,-12} {Quantity.Show(bytes),10} {state,-10} {Quoted.Name(address)}"));
    }

    static async Task<int> InspectAsync(Invocation run)
    {
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        if (place.IsLocal)
            return Show(run, LogSurvey.Inspect(place.LocalFolder));
        await using var log = await StoreLog.OpenAsync(place.Store, place.Prefix, OnDamage.Skip, run.Cancel);
        var found = (await LogCatalog.FindAsync(place.Store, place.Prefix, run.Cancel)).First(one => one.Prefix == place.Prefix);
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                JsonText.Address(json, "path", run.Arguments[0]);
                json.WriteString("id", log.Id);
                json.WriteString("state", "uploaded");
                json.WriteNumber("begin", log.Begin);
                json.WriteNumber("end", log.EndRecord);
                json.WriteNumber("records", log.EndRecord - log.Begin);
                json.WriteNumber("record_size", log.RecordSize);
                json.WriteString("schema", log.Schema);
                json.WriteNumber("segments", found.Segments);
                json.WriteNumber("bytes", found.Bytes);
            });
            return run.Outcome;
        }
        Describe(run, log.Begin, log.EndRecord, found.Segments, found.Bytes, log.RecordSize, log.Schema, log.Id, "uploaded");
        return run.Outcome;
    }

    static int Show(Invocation run, LogInspection log, LogInspection? before = null)
    {
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json => LogJson.WriteMembers(json, log, before));
            return log.IsWhole ? run.Outcome : ExitCode.Differences;
        }
        Describe(
            run, log.Begin, log.End, log.Segments.Count, log.Segments.Sum(static one => one.Allocated), log.RecordSize, log.Schema, log.Id,
            log.Writer is { } writer ? $"open: {writer}" : log.IsClosed ? "closed" : "ended without a close");
        foreach (var (name, number) in log.Cursors)
            run.Terminal.Line($"cursor {Quoted.Name(name)}: {number}");
        Tell(run, log, null);
        return log.IsWhole ? run.Outcome : ExitCode.Differences;
    }

    static void Describe(
        Invocation run, long begin, long end, int segments, long bytes, int recordSize, string schema, Guid id, string state)
    {
        run.Terminal.Line($"{end - begin} records, {begin} to {end}, {(recordSize > 0 ? $"{recordSize} bytes each" : "of any length")}");
        run.Terminal.Line($"{segments} segment{(segments == 1 ? "" : "s")}, {Quantity.Show(bytes)}");
        run.Terminal.Line($"state: {Quoted.Text(state)}");
        run.Terminal.Line($"id: {id}");
        if (schema.Length > 0)
            run.Terminal.Line($"schema: {Quoted.Text(schema)}");
    }

    /// <summary>A line for each finding.</summary>
    static void Tell(Invocation run, LogInspection log, Func<FindingRepair, string>? plan)
    {
        foreach (var one in log.Findings)
        {
            string kind = one.Kind switch { FindingKind.Damage => "damaged", FindingKind.Redundant => "redundant", _ => "leftover" };
            string records = one.FirstRecord < 0 ? "" : one.EndRecord <= one.FirstRecord + 1 ? $" record {one.FirstRecord}:"
                : $" records {one.FirstRecord} to {one.EndRecord - 1}:";
            run.Terminal.Line($"{kind}: {Quoted.Name(one.Path)}{(one.Offset is { } at ? $" at byte {at}" : "")}:{records} "
                + Quoted.Text(one.What) + (plan is null ? "" : $"; {plan(one.Repair)}"));
        }
    }

    static async Task<int> VerifyAsync(Invocation run)
    {
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        if (place.IsLocal)
        {
            var log = LogSurvey.Check(place.LocalFolder, run.Cancel);
            if (run.Terminal.Json)
                return Show(run, log);
            Tell(run, log, null);
            return Judge(run, log.IsWhole, log.RecordsChecked, log.BytesChecked);
        }
        await using var far = await StoreLog.OpenAsync(place.Store, place.Prefix, OnDamage.Skip, run.Cancel);
        var report = await RecordCheck.RunAsync(far, run.Terminal.Progress, run.Cancel);
        foreach (var one in report.Damage)
        {
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    json.WriteString("kind", "damage");
                    json.WriteNumber("first_record", one.First);
                    json.WriteNumber("end_record", one.End);
                    json.WriteString("what", one.What);
                });
            }
            else
            {
                run.Terminal.Line(
                    $"damaged: {(one.End == one.First + 1 ? $"record {one.First}" : $"records {one.First} to {one.End - 1}")}: "
                    + Quoted.Text(one.What));
            }
        }
        bool isWhole = report.Damage.Count == 0;
        if (!run.Terminal.Json)
            return Judge(run, isWhole, report.Records, report.Bytes);
        run.Terminal.Object(json =>
        {
            JsonText.Address(json, "path", run.Arguments[0]);
            json.WriteNumber("records_checked", report.Records);
            json.WriteNumber("bytes_checked", report.Bytes);
            json.WriteBoolean("whole", isWhole);
        });
        return isWhole ? run.Outcome : ExitCode.Differences;
    }

    static int Judge(Invocation run, bool isWhole, long records, long bytes)
    {
        run.Terminal.Progress.Dispose();
        run.Terminal.Note($"{(isWhole ? "whole" : "DAMAGED")}: {records} records, {Quantity.Show(bytes)} read");
        return isWhole ? run.Outcome : ExitCode.Differences;
    }

    static async Task<int> RepairAsync(Invocation run)
    {
        string folder = LocalFolder(run, "log repair");
        if (run.Has("dry-run") == run.Has("yes"))
            throw new UsageException("log repair: say --dry-run to see what it would do, or --yes to do it");
        var copy = run.Text("copy") is { } address ? run.Stores.Open(address, wildcards: false) : null;
        if (run.Has("dry-run"))
        {
            var plan = await LogRepair.PlanAsync(folder, copy?.Store, copy?.Prefix ?? "", run.Cancel);
            if (run.Terminal.Json)
                return Show(run, plan);
            Tell(run, plan, static repair => repair switch
            {
                FindingRepair.Opening => "the next opening for writing sees to it",
                FindingRepair.Header => "its header would be written anew",
                FindingRepair.Footer => "its footer would be written anew",
                FindingRepair.Seal => "the segment would be ended, so that the log opens; the damaged numbers stay missing",
                FindingRepair.Copy => "the segment would be replaced by its copy",
                _ => "nothing can be done: the bytes are nowhere else",
            });
            run.Terminal.Note(plan.IsWhole ? "whole: nothing to repair" : $"{plan.Findings.Count} findings; nothing was changed");
            return plan.IsWhole ? run.Outcome : ExitCode.Differences;
        }
        var (before, after) = await LogRepair.RunAsync(folder, copy?.Store, copy?.Prefix ?? "", run.Cancel);
        if (run.Terminal.Json)
            return Show(run, after, before);
        Tell(run, after, null);
        run.Terminal.Note($"{before.Findings.Count} findings before, {after.Findings.Count} after");
        return after.IsWhole ? run.Outcome : ExitCode.Differences;
    }

    static Task<int> TruncateAsync(Invocation run)
    {
        string folder = LocalFolder(run, "log truncate");
        long before = run.Number("before")
            ?? throw new UsageException("log truncate: say the first record that stays, with --before");
        long begin, end, room = 0;
        if (run.Has("dry-run"))
        {
            var found = LogSurvey.Inspect(folder);
            (begin, end) = (found.Begin, found.End);
            before = before < 0 ? Math.Max(begin, end + before) : before;
            Check(folder, before, end);
        }
        else
        {
            using var log = OpenWriter(folder);
            (begin, end) = (log.Begin, log.EndRecord);
            before = before < 0 ? Math.Max(begin, end + before) : before;
            room = log.Reclaimable(before);
            before = log.Truncate(before);
            log.Close();
        }
        before = Math.Max(begin, before);
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("truncated", before - begin);
                json.WriteNumber("begin", before);
                json.WriteNumber("end", end);
                if (run.Has("dry-run"))
                    json.WriteBoolean("dry_run", true);
                else
                    json.WriteNumber("bytes_freed", room);
            });
        }
        else if (run.Has("dry-run"))
        {
            run.Terminal.Line($"would drop {before - begin} records, {begin} to {before - 1}; {end - before} would stay");
        }
        else
        {
            run.Terminal.Note($"dropped {before - begin} records, {Quantity.Show(room)} freed; the log begins at record {before}");
        }
        return Task.FromResult(run.Outcome);
    }

    static void Check(string folder, long before, long end)
    {
        if (before > end)
            throw new StoreException(ErrorKind.InvalidArgument, folder,
                $"truncate before record {before}: only the {end} committed records can be truncated");
    }

    static async Task<int> UploadAsync(Invocation run)
    {
        string folder = LocalFolder(run, "log upload");
        var target = run.Stores.Open(run.Arguments[1], wildcards: false);
        if (run.Has("seal"))
        {
            using var log = OpenWriter(folder);
            log.Seal();
            log.Close();
        }
        run.Terminal.Progress.Start();
        var done = await LogUpload.RunAsync(folder, target.Store, target.Prefix, run.Terminal.Progress, run.Cancel);
        run.Terminal.Progress.Dispose();
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("uploaded", done.Uploaded);
                json.WriteNumber("bytes", done.Bytes);
                json.WriteNumber("end", done.End);
            });
        }
        else
        {
            run.Terminal.Note($"uploaded {done.Uploaded} segments, {Quantity.Show(done.Bytes)}; records before {done.End} are there");
        }
        return run.Outcome;
    }
}
