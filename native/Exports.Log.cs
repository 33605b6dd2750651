using System.Runtime.InteropServices;
using S3dlio.Log;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>Durable logs of records.</summary>
static unsafe partial class Exports
{
    static readonly string[] KnownLog =
        ["mode", "record_size", "schema", "check_schema", "segment_size", "buffer_size", "commit_align", "on_damage", "create",
        "compression", "commit_after_ms", "commit_bytes", "retain_bytes", "retain_records", "retain_seconds"];

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_open_begin")]
    public static int LogOpenBegin(byte* uri, byte* options, ulong* outOperation) => Begin(outOperation, () =>
    {
        string address = Arguments.Text(uri, "uri"), directory = LocalDirectory(uri, "log");
        bool forWriting = false;
        var chosen = new LogOptions();
        foreach (var option in OptionReader.Read(Json(options), address))
        {
            if (option.Name == "mode")
            {
                forWriting = option.AsChoice("r", "a") == "a";
                continue;
            }
            chosen = option.Name switch
            {
                "record_size" => chosen with { RecordSize = (int)option.AsInteger(0, LogWriter.MostRecord) },
                "schema" => chosen with { Schema = option.AsText() },
                "check_schema" => chosen with { ChecksSchema = option.AsBool() },
                "segment_size" => chosen with { SegmentSize = option.AsInteger(LogOptions.LeastSegment, LogOptions.MostSegment) },
                "buffer_size" => chosen with { BufferSize = (int)option.AsInteger(4096, 1 << 30) },
                "commit_align" => chosen with { Alignment = (int)option.AsInteger(8, 1 << 20) },
                "on_damage" => chosen with { OnDamage = AsOnDamage(option) },
                "compression" => chosen with { Compression = (int)option.AsInteger(0, 22) },
                "commit_after_ms" => chosen with { CommitAfter = (int)option.AsInteger(0, 86_400_000) },
                "commit_bytes" => chosen with { CommitBytes = option.AsInteger(0, long.MaxValue) },
                "retain_bytes" => chosen with { RetainBytes = option.AsInteger(0, long.MaxValue) },
                "retain_records" => chosen with { RetainRecords = option.AsInteger(0, long.MaxValue) },
                "retain_seconds" => chosen with { RetainAge = TimeSpan.FromSeconds(option.AsInteger(0, int.MaxValue)) },
                "create" => chosen with { Create = option.AsBool() },
                _ => throw option.Unknown(KnownLog),
            };
        }
        return LogJobs.Open(directory, forWriting, chosen);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_open_store_begin")]
    public static int LogOpenStoreBegin(ulong store, byte* key, nuint keyLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
    {
        var (from, prefix) = (Store(store), Prefix(key, keyLength));
        var onDamage = OnDamage.Raise;
        foreach (var option in OptionReader.Read(Json(options), from.Root.Child(prefix)))
            onDamage = option.Name == "on_damage" ? AsOnDamage(option) : throw option.Unknown(["on_damage"]);
        return LogJobs.OpenStore(from, prefix, onDamage);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_inspect_begin")]
    public static int LogInspectBegin(byte* uri, byte* options, ulong* outOperation) => Begin(outOperation, () =>
    {
        string directory = LocalDirectory(uri, "log");
        bool checks = false;
        foreach (var option in OptionReader.Read(Json(options), directory))
            checks = option.Name == "check" ? option.AsBool() : throw option.Unknown(["check"]);
        return LogJobs.Inspect(directory, checks);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_repair_begin")]
    public static int LogRepairBegin(byte* uri, ulong copyStore, byte* key, nuint keyLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
    {
        var copy = copyStore == 0 ? null : Store(copyStore);
        string directory = LocalDirectory(uri, "log");
        bool dry = true;
        foreach (var option in OptionReader.Read(Json(options), directory))
            dry = option.Name == "dry_run" ? option.AsBool() : throw option.Unknown(["dry_run"]);
        return LogJobs.Repair(directory, copy, copy is null ? "" : Prefix(key, keyLength), dry);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_upload_begin")]
    public static int LogUploadBegin(byte* uri, ulong store, byte* key, nuint keyLength, ulong* outOperation) => Begin(outOperation, () =>
    {
        var to = Store(store);
        return LogJobs.Upload(LocalDirectory(uri, "log"), to, Prefix(key, keyLength));
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_seal_begin")]
    public static int LogSealBegin(ulong log, ulong* outOperation) => Begin(outOperation, () => LogJobs.Seal(Log(log).Writer));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_stats_begin")]
    public static int LogStatsBegin(ulong log, ulong* outOperation) => Begin(outOperation, () => LogJobs.Statistics(Log(log).Log));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_append")]
    public static int LogAppend(ulong log, void* data, ulong length, long* outNumber) => Guard.Run(() =>
    {
        Arguments.Out(outNumber, "out_number");
        var writer = Log(log).Writer;
        *outNumber = writer.Append((ReadOnlyMemory<byte>)Records(data, length));
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_append_batch")]
    public static int LogAppendBatch(ulong log, void* data, ulong length, long* ends, nuint count, long* outFirst) => Guard.Run(() =>
    {
        Arguments.Out(outFirst, "out_first");
        var writer = Log(log).Writer;
        var places = new ReadOnlySpan<long>(ends, Arguments.Count(ends, count, "ends"));
        *outFirst = writer.AppendBatch(Records(data, length), places);
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_commit")]
    public static int LogCommit(ulong log, long* outCommitted) => Guard.Run(() =>
    {
        Arguments.Out(outCommitted, "out_committed");
        *outCommitted = Log(log).Writer.TryCommit(out long durable) ? durable : -1;
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_commit_begin")]
    public static int LogCommitBegin(ulong log, ulong* outOperation) => Begin(outOperation, () => Waits(LogJobs.Commit(Log(log).Writer)));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_wait_begin")]
    public static int LogWaitBegin(ulong log, long number, ulong* outOperation) => Begin(outOperation, () =>
        number >= 0 ? Waits(LogJobs.Wait(Log(log).Log, number)) : throw Arguments.Wrong("number", $"is {number}; numbers begin at 0"));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_info")]
    public static int LogInfo(ulong log, long* outBegin, long* outEnd, long* outCommitted, int* outEnded) => Guard.Run(() =>
    {
        Arguments.Out(outBegin, "out_begin");
        Arguments.Out(outEnd, "out_end");
        Arguments.Out(outCommitted, "out_committed");
        Arguments.Out(outEnded, "out_ended");
        var records = Log(log).Log;
        var reader = records as LogReader;
        reader?.Refresh();
        (*outBegin, *outEnd, *outCommitted, *outEnded) =
            (records.Begin, records.EndRecord, records.Committed, reader is { IsEnded: true } ? 1 : 0);
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_scan_begin")]
    public static int LogScanBegin(
        ulong log, long first, long most, long mostBytes, void* data, ulong length, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
        {
            var records = Log(log).Log;
            if (most < 0 || mostBytes < 0)
                throw Arguments.Wrong(most < 0 ? "most" : "most_bytes", "is negative");
            bool skip = false;
            foreach (var option in OptionReader.Read(Json(options), records.Directory))
                skip = option.Name == "skip_damaged" ? option.AsBool() : throw option.Unknown(["skip_damaged"]);
            var target = Arguments.Memory(data, length, "data");
            var job = LogJobs.Scan(records, first, most, Math.Min(mostBytes, int.MaxValue / 2), skip, data is null ? null : target);
            return (job, most <= BriefRecords && mostBytes <= ObjectStore.BriefLength);
        });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_read_begin")]
    public static int LogReadBegin(ulong log, long* numbers, nuint count, void* data, ulong length, ulong* outOperation) =>
        Begin(outOperation, () =>
    {
        var records = Log(log).Log;
        var wanted = new ReadOnlySpan<long>(numbers, Arguments.Count(numbers, count, "numbers")).ToArray();
        var target = Arguments.Memory(data, length, "data");
        return (LogJobs.ReadMany(records, wanted, data is null ? null : target), wanted.Length <= BriefRecords);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_truncate_begin")]
    public static int LogTruncateBegin(ulong log, long number, ulong* outOperation) =>
        Begin(outOperation, () => LogJobs.Truncate(Log(log).Writer, number));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_reclaimable")]
    public static int LogReclaimable(ulong log, long number, long* outBytes) => Guard.Run(() =>
    {
        Arguments.Out(outBytes, "out_bytes");
        *outBytes = Log(log).Writer.Reclaimable(number);
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_cursor_get")]
    public static int LogCursorGet(ulong log, byte* name, long* outNumber) => Guard.Run(() =>
    {
        Arguments.Out(outNumber, "out_number");
        *outNumber = Log(log).Log.Cursor(Arguments.Text(name, "name"));
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_cursor_set_begin")]
    public static int LogCursorSetBegin(ulong log, byte* name, long number, ulong* outOperation) => Begin(outOperation, () =>
        LogJobs.SetCursor(Log(log).Log, Arguments.Text(name, "name"), number));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_log_close")]
    public static int LogClose(ulong log) => Guard.Run(() =>
        Handles.Remove<LogHandle>(log, "log", out var item) ? Call(() => Jobs.Close(item!)) : Guard.Ok);

    /// <summary>Reads of so many records at most are done by the thread that asks.</summary>
    const int BriefRecords = 64;

    /// <summary>Work that waits without a thread, so that none need be woken to begin it.</summary>
    static (Job Work, bool Brief) Waits(Job work) => (work, true);

    /// <summary>Of a log or table.</summary>
    static string LocalDirectory(byte* uri, string noun)
    {
        string address = Arguments.Text(uri, "uri");
        string directory = address.StartsWith("file://", StringComparison.Ordinal) ? address["file://".Length..] : address;
        return directory is ['/', ..] && !directory.Contains('\0')
            ? directory
            : throw new StoreException(
                ErrorKind.InvalidArgument, address,
                $"a {noun} is a directory of a local file system: give an absolute path or file:///path");
    }

    /// <summary>Of the keys of the objects of a log or table.</summary>
    static string Prefix(byte* key, nuint keyLength)
    {
        string prefix = Key(key, keyLength);
        return prefix is "" or [.., '/'] ? prefix : prefix + "/";
    }

    static OnDamage AsOnDamage(NamedOption option) =>
        option.AsChoice("raise", "skip", "cut") switch { "skip" => OnDamage.Skip, "cut" => OnDamage.Cut, _ => OnDamage.Raise };

    static LogHandle Log(ulong id) => Handles.Get<LogHandle>(id, "log");

    static Memory<byte> Records(void* data, ulong length)
    {
        var memory = Arguments.Memory(data, length, "data");
        return length <= LogWriter.MostRecord ? memory.Slice(0, (int)length)
            : throw Arguments.Wrong("length", $"is {length}; at most {LogWriter.MostRecord} are taken");
    }
}
