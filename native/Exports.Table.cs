using System.Runtime.InteropServices;
using S3dlio.Storage;
using S3dlio.Table;

namespace S3dlio.Native;

/// <summary>Embedding tables.</summary>
static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_open_begin")]
    public static int TableOpenBegin(byte* uri, byte* options, ulong* outOperation) => Begin(outOperation, () =>
    {
        string directory = LocalDirectory(uri, "table");
        return TableJobs.Open(directory, TableSettings.Read(Json(options), directory));
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_info")]
    public static int TableInfo(ulong table, long* outRows, long* outVersion, long* outStep) => Guard.Run(() =>
    {
        Arguments.Out(outRows, "out_rows");
        Arguments.Out(outVersion, "out_version");
        Arguments.Out(outStep, "out_step");
        var rows = Table(table);
        (*outRows, *outVersion, *outStep) = (rows.Count, rows.Version, rows.Step);
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_lookup")]
    public static int TableLookup(ulong table, long* keys, nuint count, void* data, ulong length, byte* outFound,
        int* outDone) => Guard.Run(() =>
    {
        Arguments.Out(outDone, "out_done");
        *outDone = 0;
        var rows = Table(table);
        long some = Keys(keys, count);
        Rows(data, length, some, rows.RowBytes, "data");
        if (length <= BriefRows)
        {
            var found = outFound is null ? [] : new Span<byte>(outFound, (int)some);
            *outDone = rows.TryLookup(new ReadOnlySpan<long>(keys, (int)some), new Span<byte>(data, (int)length), found) ? 1 : 0;
        }
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_lookup_begin")]
    public static int TableLookupBegin(
        ulong table, long* keys, nuint count, void* data, ulong length, byte* outFound, ulong* outOperation) => Begin(outOperation, () =>
        {
            var rows = Table(table);
            long some = Keys(keys, count);
            Rows(data, length, some, rows.RowBytes, "data");
            return TableJobs.LookupAll(rows, keys, some, (byte*)data, outFound);
        });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_apply")]
    public static int TableApply(ulong table, byte* session, long serial, int skip, long* keys, nuint count, float* gradients, ulong length,
        long* outSerial, int* outSkipped) => Guard.Run(() =>
        {
            Arguments.Out(outSerial, "out_serial");
            Arguments.Out(outSkipped, "out_skipped");
            var rows = Table(table);
            var batch = Batch(session, serial, skip);
            int some = Gradients(rows, keys, count, gradients, length);
            bool done = rows.Apply(batch.Session, batch.Serial, new(keys, some), new(gradients, some * rows.Options.Dimension),
                batch.OnReplay, CancellationToken.None, out *outSerial);
            *outSkipped = done ? 0 : 1;
            return Guard.Ok;
        });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_apply_begin")]
    public static int TableApplyBegin(ulong table, byte* session, long serial, int skip, long* keys, nuint count, float* gradients,
        ulong length, ulong* outOperation) => Begin(outOperation, () =>
        {
            var rows = Table(table);
            return TableJobs.Apply(rows, Batch(session, serial, skip), keys, Gradients(rows, keys, count, gradients, length), gradients);
        });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_upsert_begin")]
    public static int TableUpsertBegin(ulong table, byte* session, long serial, int skip, long* keys, nuint count, void* data, ulong length,
        ulong* outOperation) => Begin(outOperation, () =>
        {
            var rows = Table(table);
            int some = Whole(rows, Keys(keys, count), rows.RowBytes);
            Rows(data, length, some, rows.RowBytes, "data");
            return (TableJobs.Upsert(rows, Batch(session, serial, skip), keys, some, (byte*)data), length <= BriefRows);
        });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_delete_begin")]
    public static int TableDeleteBegin(ulong table, byte* session, long serial, int skip, long* keys, nuint count, ulong* outOperation) =>
        Begin(outOperation, () =>
        {
            var rows = Table(table);
            int some = Whole(rows, Keys(keys, count), sizeof(long));
            return (TableJobs.Delete(rows, Batch(session, serial, skip), keys, some), some <= BriefRecords);
        });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_contains")]
    public static int TableContains(ulong table, long* keys, nuint count, byte* outFound) => Guard.Run(() =>
    {
        var rows = Table(table);
        int some = Whole(rows, Keys(keys, count), sizeof(long));
        if (some > 0)
            Arguments.Out(outFound, "out_found");
        rows.Contains(new(keys, some), new(outFound, some));
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_prefetch_begin")]
    public static int TablePrefetchBegin(ulong table, long* keys, nuint count, ulong* outOperation) => Begin(outOperation, () =>
    {
        var rows = Table(table);
        return TableJobs.Prefetch(rows, keys, Whole(rows, Keys(keys, count), sizeof(long)));
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_session_serial")]
    public static int TableSessionSerial(ulong table, byte* session, long* outSerial) => Guard.Run(() =>
    {
        Arguments.Out(outSerial, "out_serial");
        *outSerial = Table(table).SessionSerial(Session(session));
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_sessions_begin")]
    public static int TableSessionsBegin(ulong table, ulong* outOperation) => Begin(outOperation, () =>
        Waits(TableJobs.Sessions(Table(table))));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_checkpoint_begin")]
    public static int TableCheckpointBegin(ulong table, ulong store, byte* key, nuint keyLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
        {
            var rows = Table(table);
            var (waits, keep) = (true, 0);
            foreach (var option in OptionReader.Read(Json(options), rows.Directory))
            {
                (waits, keep) = option.Name switch
                {
                    "wait" => (option.AsBool(), keep),
                    "keep" => (waits, (int)option.AsInteger(0, int.MaxValue)),
                    _ => throw option.Unknown(["wait", "keep"]),
                };
            }
            if (store == 0 && keyLength > 0)
                throw Arguments.Wrong("key", "is given without a store");
            return store == 0 ? TableTransferJobs.Checkpoint(rows, waits, null, "", keep)
                : TableTransferJobs.Checkpoint(rows, waits, Store(store), Prefix(key, keyLength), keep);
        });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_checkpoints_begin")]
    public static int TableCheckpointsBegin(byte* uri, ulong store, byte* key, nuint keyLength,
        ulong* outOperation) => Begin(outOperation, () =>
    {
        if (store == 0)
            return TableTransferJobs.List(LocalDirectory(uri, "table"));
        var from = Store(store);
        return uri is null ? TableTransferJobs.List(from, Prefix(key, keyLength))
            : throw Arguments.Wrong("uri", "is given beside a store; one of them is taken");
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_recover_begin")]
    public static int TableRecoverBegin(
        ulong store, byte* key, nuint keyLength, byte* uri, byte* options, ulong* outOperation) => Begin(outOperation, () =>
    {
        var (from, directory) = (Store(store), LocalDirectory(uri, "table"));
        long version = 0;
        foreach (var option in OptionReader.Read(Json(options), directory))
            version = option.Name == "version" ? option.AsInteger(0, long.MaxValue) : throw option.Unknown(["version"]);
        return TableTransferJobs.Recover(from, Prefix(key, keyLength), version, directory);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_scan_open_begin")]
    public static int TableScanOpenBegin(ulong table, ulong* outOperation) => Begin(outOperation, () => TableJobs.OpenScan(Table(table)));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_scan_next_begin")]
    public static int TableScanNextBegin(ulong scan, nuint most, ulong* outOperation) => Begin(outOperation, () =>
    {
        var rows = Handles.Get<TableScanHandle>(scan, "scan");
        return most > 0 && most <= (nuint)(MostMemory / (sizeof(long) + rows.RowBytes)) ? TableJobs.Next(rows, (int)most)
            : throw Arguments.Wrong("most", $"is {most}; 1 to {MostMemory / (sizeof(long) + rows.RowBytes)} rows are read at once");
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_scan_close")]
    public static int TableScanClose(ulong scan) => Guard.Run(() =>
        Handles.Remove<TableScanHandle>(scan, "scan", out var item) ? Call(() => Jobs.Close(item!)) : Guard.Ok);

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_compact_begin")]
    public static int TableCompactBegin(ulong table, double live, ulong* outOperation) => Begin(outOperation, () =>
        live is >= 0 and <= 1 ? TableJobs.Compact(Table(table), live)
            : throw Arguments.Wrong("live", $"is {live}; a share from 0 to 1 is taken"));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_evict_begin")]
    public static int TableEvictBegin(ulong table, byte* options, ulong* outOperation) => Begin(outOperation, () =>
    {
        var rows = Table(table);
        var (rule, wantsKeys) = TableSettings.ReadEviction(Json(options), rows.Directory);
        return TableJobs.Evict(rows, rule, wantsKeys);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_stats_begin")]
    public static int TableStatsBegin(ulong table, ulong* outOperation) => Begin(outOperation, () => TableJobs.Statistics(Table(table)));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_inspect_begin")]
    public static int TableInspectBegin(byte* uri, byte* options, ulong* outOperation) => Begin(outOperation, () =>
    {
        string directory = LocalDirectory(uri, "table");
        bool checks = false;
        foreach (var option in OptionReader.Read(Json(options), directory))
            checks = option.Name == "check" ? option.AsBool() : throw option.Unknown(["check"]);
        return TableJobs.Inspect(directory, checks);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_table_close")]
    public static int TableClose(ulong table) => Guard.Run(() =>
        Handles.Remove<TableHandle>(table, "table", out var item) ? Call(() => Jobs.Close(item!)) : Guard.Ok);

    /// <summary>Bytes of rows up to which a lookup is done by the thread that asks.</summary>
    const ulong BriefRows = 16 << 20;

    /// <summary>Bytes that a scan allocates at once.</summary>
    const int MostMemory = 1 << 30;

    static EmbeddingTable Table(ulong id) => Handles.Get<TableHandle>(id, "table").Table;

    static TableJobs.Batch Batch(byte* session, long serial, int skip) =>
        new(Session(session), serial, skip == 0 ? OnReplay.Raise : OnReplay.Skip);

    static string Session(byte* session) =>
        Arguments.Text(session, "session") is { Length: > 0 } name ? name
            : throw Arguments.Wrong("session", "is empty; a session has a name of 1 to 64 bytes");

    static long Keys(long* keys, nuint count)
    {
        Arguments.Memory(keys, (ulong)count <= Arguments.MaxMemory / sizeof(long) ? (ulong)count * sizeof(long) : ulong.MaxValue, "keys");
        return (long)count;
    }

    static void Rows(void* data, ulong length, long count, long bytes, string name)
    {
        Arguments.Memory(data, length, name);
        // the count is at most MaxMemory / 8 and a row has at most 256 KiB: their product fits
        if ((Int128)length != (Int128)count * bytes)
            throw Arguments.Wrong("length", $"is {length}; {count} rows of {bytes} bytes have {(Int128)count * bytes}");
    }

    static int Gradients(EmbeddingTable table, long* keys, nuint count, float* gradients, ulong length)
    {
        int some = Whole(table, Keys(keys, count), table.Options.Dimension);
        Rows(gradients, length, some, (long)table.Options.Dimension * sizeof(float), "gradients");
        return some;
    }

    /// <summary>Of a batch that is applied as one, which a span has to hold.</summary>
    static int Whole(EmbeddingTable table, long count, int each) => count <= int.MaxValue / Math.Max(1, each) ? (int)count
        : throw new StoreException(ErrorKind.InvalidArgument, table.Directory,
            $"a batch has at most {int.MaxValue / Math.Max(1, each)} keys, found {count}; give them in several");
}
