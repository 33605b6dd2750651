using System.Runtime.InteropServices;
using S3dlio.Storage;
using S3dlio.Table;

namespace S3dlio.Native;

/// <summary>The operations on tables. Keys, gradients and rows are the caller's memory, valid until the operation has ended.</summary>
static unsafe class TableJobs
{
    /// <summary>Who changes a table, by which serial, and what a serial does that was applied before.</summary>
    public readonly record struct Batch(string Session, long Serial, OnReplay OnReplay);

    /// <summary>Bytes of rows that one step of a lookup fills: a span has no more than 2 GiB.</summary>
    const int MostRowBytes = 1 << 30;

    public static Job Open(string directory, TableOptions options) => Jobs.Now((operation, _) =>
    {
        var table = EmbeddingTable.Open(directory, options);
        ulong number = operation.OwnOpened(new TableHandle(table));
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("table", number);
            TableJson.WriteMembers(json, table);
            json.WriteEndObject();
        }));
    });

    public static void Lookup(EmbeddingTable table, long* keys, long count, byte* rows, byte* found, CancellationToken cancel)
    {
        for (long at = 0, step = Math.Max(1, MostRowBytes / table.RowBytes); at < count; at += step)
        {
            int some = (int)Math.Min(step, count - at);
            table.Lookup(
                new ReadOnlySpan<long>(keys + at, some), new Span<byte>(rows + at * table.RowBytes, some * table.RowBytes),
                found is null ? [] : new Span<byte>(found + at, some), cancel);
        }
    }

    public static Job LookupAll(EmbeddingTable table, long* keys, long count, byte* rows, byte* found) => Jobs.Now((_, cancel) =>
        Lookup(table, keys, count, rows, found, cancel));

    public static Job Apply(EmbeddingTable table, Batch batch, long* keys, int count, float* gradients) => Jobs.Now((operation, cancel) =>
    {
        bool done = table.Apply(
            batch.Session, batch.Serial, new(keys, count), new(gradients, count * table.Options.Dimension), batch.OnReplay,
            cancel, out long applied);
        Applied(operation, done, applied);
    });

    public static Job Upsert(EmbeddingTable table, Batch batch, long* keys, int count, byte* rows) => Jobs.Now((operation, cancel) =>
    {
        bool done = table.Upsert(
            batch.Session, batch.Serial, new(keys, count), new(rows, count * table.RowBytes), batch.OnReplay, cancel, out long applied);
        Applied(operation, done, applied);
    });

    public static Job Delete(EmbeddingTable table, Batch batch, long* keys, int count) => Jobs.Now((operation, cancel) =>
    {
        bool done = table.Delete(batch.Session, batch.Serial, new(keys, count), batch.OnReplay, cancel, out long applied, out long deleted);
        Applied(operation, done, applied, deleted);
    });

    static void Applied(Operation operation, bool done, long applied, long? deleted = null) => operation.SetJson(MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("serial", applied);
        json.WriteBoolean("skipped", !done);
        if (deleted is { } count)
            json.WriteNumber("deleted", count);
        json.WriteEndObject();
    }));

    public static Job Prefetch(EmbeddingTable table, long* keys, int count) => Jobs.Now((operation, cancel) =>
        Number(operation, "rows", table.Prefetch(new(keys, count), cancel)));

    public static Job Sessions(EmbeddingTable table) => Jobs.Now((operation, _) => operation.SetJson(MetaJson.Write(json =>
    {
        json.WriteStartObject();
        TableJson.WriteSessions(json, table.Sessions);
        json.WriteEndObject();
    })));

    public static Job Compact(EmbeddingTable table, double live) => Jobs.Now((operation, cancel) =>
        Number(operation, "bytes", table.Compact(live, cancel)));

    /// <summary>With <paramref name="wantsKeys"/> the keys are the operation's data, behind which there may be more room.</summary>
    public static Job Evict(EmbeddingTable table, EvictRule rule, bool wantsKeys) => Jobs.Now((operation, cancel) =>
    {
        var keys = wantsKeys ? new List<long>() : null;
        long evicted = table.Evict(rule, keys, cancel);
        if (keys is not null)
        {
            var memory = operation.Allocate(Math.Max(1, (long)keys.Count) * sizeof(long));
            for (int at = 0, step = MostRowBytes / sizeof(long); at < keys.Count; at += step)
            {
                int some = Math.Min(step, keys.Count - at);
                CollectionsMarshal.AsSpan(keys).Slice(at, some).CopyTo(
                    MemoryMarshal.Cast<byte, long>(memory.Slice((long)at * sizeof(long), some * sizeof(long)).Span));
            }
        }
        Number(operation, "evicted", evicted);
    });

    public static Job Statistics(EmbeddingTable table) => Jobs.Now((operation, _) => operation.SetJson(MetaJson.Write(json =>
    {
        json.WriteStartObject();
        TableJson.WriteMembers(json, table.Statistics());
        json.WriteEndObject();
    })));

    public static Job Inspect(string directory, bool checks) => Jobs.Now((operation, cancel) => operation.SetJson(MetaJson.Write(json =>
    {
        json.WriteStartObject();
        TableJson.WriteMembers(json, TableInspection.Inspect(directory, checks, cancel));
        json.WriteEndObject();
    })));

    public static Job OpenScan(EmbeddingTable table) => Jobs.Now((operation, cancel) =>
        Number(operation, "table_scan", (long)operation.OwnOpened(new TableScanHandle(table, table.Scan(cancel)))));

    /// <summary>Keys, and behind room for <paramref name="most"/> of them the rows, in the operation's memory.</summary>
    public static Job Next(TableScanHandle scan, int most) => Jobs.Now((operation, _) =>
    {
        var memory = operation.Allocate((long)most * (sizeof(long) + scan.RowBytes)).Slice(0, most * (sizeof(long) + scan.RowBytes)).Span;
        int keyBytes = most * sizeof(long);
        int count = scan.Next(MemoryMarshal.Cast<byte, long>(memory[..keyBytes]), memory[keyBytes..]);
        Number(operation, "count", count);
    });

    public static void Number(Operation operation, string name, long value) => operation.SetJson(MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber(name, value);
        json.WriteEndObject();
    }));
}
