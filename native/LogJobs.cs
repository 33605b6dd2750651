using System.Runtime.InteropServices;
using S3dlio.Log;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>The operations on logs.</summary>
static class LogJobs
{
    public static Job Open(string directory, bool forWriting, LogOptions options) => Jobs.Now((operation, _) =>
        Opened(operation, forWriting ? LogWriter.Open(directory, options) : LogReader.Open(directory, options.OnDamage)));

    public static Job OpenStore(ObjectStore store, string prefix, OnDamage onDamage) => async (operation, cancel) =>
        Opened(operation, await StoreLog.OpenAsync(store, prefix, onDamage, cancel).ConfigureAwait(false));

    static void Opened(Operation operation, RecordLog log)
    {
        var handle = new LogHandle(log, (log as LogWriter)?.Damage ?? []);
        ulong number = operation.OwnOpened(handle);
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("log", number);
            json.WriteString("id", log.Id);
            json.WriteString("schema", log.Schema);
            json.WriteNumber("record_size", log.RecordSize);
            json.WriteStartArray("damage");
            foreach (string one in handle.Damage)
                json.WriteStringValue(one);
            json.WriteEndArray();
            json.WriteEndObject();
        }));
    }

    public static Job Inspect(string directory, bool checks) => Jobs.Now((operation, cancel) =>
        operation.SetJson(MetaJson.Write(checks ? LogSurvey.Check(directory, cancel) : LogSurvey.Inspect(directory))));

    /// <summary>Checks, and repairs unless <paramref name="dry"/>.</summary>
    public static Job Repair(string directory, ObjectStore? copy, string prefix, bool dry) => async (operation, cancel) =>
    {
        if (dry)
        {
            operation.SetJson(MetaJson.Write(await LogRepair.PlanAsync(directory, copy, prefix, cancel).ConfigureAwait(false)));
            return;
        }
        var (before, after) = await LogRepair.RunAsync(directory, copy, prefix, cancel).ConfigureAwait(false);
        operation.SetJson(MetaJson.Write(after, before));
    };

    public static Job Upload(string directory, ObjectStore store, string prefix) => async (operation, cancel) =>
    {
        var done = await LogUpload.RunAsync(directory, store, prefix, operation, cancel).ConfigureAwait(false);
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("uploaded", done.Uploaded);
            json.WriteNumber("bytes", done.Bytes);
            json.WriteNumber("end", done.End);
            json.WriteEndObject();
        }));
    };

    public static Job Seal(LogWriter log) => Jobs.Now((operation, _) =>
    {
        log.Seal();
        Number(operation, "committed", log.Committed);
    });

    public static Job Statistics(RecordLog log) => Jobs.Now((operation, _) => operation.SetJson(MetaJson.Write(log)));

    public static Job Commit(LogWriter log) => async (operation, cancel) =>
        Number(operation, "committed", await log.CommitAsync(cancel).ConfigureAwait(false));

    public static Job Wait(RecordLog log, long number) => async (operation, cancel) =>
        Number(operation, "committed", await log.WaitAsync(number, cancel).ConfigureAwait(false));

    public static Job Truncate(LogWriter log, long number) => Jobs.Now((operation, _) =>
    {
        Number(operation, "begin", log.Truncate(number));
    });

    public static Job SetCursor(RecordLog log, string name, long number) => Jobs.Now((_, _) =>
    {
        log.SetCursor(name, number);
    });

    /// <param name="log">The log.</param>
    /// <param name="first">Number of the first record.</param>
    /// <param name="most">Most records that are wanted.</param>
    /// <param name="mostBytes">Bytes at which they end; the first record is always taken.</param>
    /// <param name="skip">Passes over damaged frames.</param>
    /// <param name="target">Memory that takes as many records as fit; null for memory of the operation.</param>
    public static Job Scan(RecordLog log, long first, long most, long mostBytes, bool skip, LargeMemory? target) =>
        async (operation, cancel) =>
    {
        var plan = await log.PlanAsync(first, most, target is null ? mostBytes : Math.Min(mostBytes, target.Length), skip, cancel)
            .ConfigureAwait(false);
        if (target is not null && plan.Length > target.Length)
            throw new StoreException(
                ErrorKind.InvalidArgument, log.Directory,
                $"record {first} has {plan.Length} bytes, the memory given for records has {target.Length}");
        await ReadAsync(operation, log, plan, target, cancel).ConfigureAwait(false);
    };

    public static Job ReadMany(RecordLog log, long[] numbers, LargeMemory? target) => async (operation, cancel) =>
    {
        var plan = await log.PlanAsync(numbers, cancel).ConfigureAwait(false);
        if (target is not null && plan.Length != target.Length)
            throw new StoreException(
                ErrorKind.InvalidArgument, log.Directory,
                $"the {numbers.Length} records have {plan.Length} bytes, the memory given for them has {target.Length}");
        await ReadAsync(operation, log, plan, target, cancel).ConfigureAwait(false);
    };

    /// <summary>The table of numbers and ends, and, without the caller's memory, the records behind it.</summary>
    static async ValueTask ReadAsync(Operation operation, RecordLog log, RecordPlan plan, LargeMemory? target, CancellationToken cancel)
    {
        int count = plan.Numbers.Count;
        long table = 2L * sizeof(long) * count, length = table + (target is null ? plan.Length : 0);
        if (table + plan.Length > int.MaxValue)
            throw new StoreException(
                ErrorKind.InvalidArgument, "log", $"{count} records have {plan.Length} bytes together; at most 2 GiB are read in one call");
        var memory = operation.Allocate(length).Slice(0, (int)length);
        CollectionsMarshal.AsSpan(plan.Numbers).CopyTo(MemoryMarshal.Cast<byte, long>(memory.Span));
        CollectionsMarshal.AsSpan(plan.Ends).CopyTo(MemoryMarshal.Cast<byte, long>(memory.Span[(int)(table / 2)..]));
        await log.ReadAsync(plan, target is null ? memory[(int)table..] : target.Slice(0, (int)plan.Length), cancel).ConfigureAwait(false);
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("count", count);
            json.WriteNumber("length", plan.Length);
            json.WriteNumber("next", plan.Next);
            json.WriteEndObject();
        }));
    }

    static void Number(Operation operation, string name, long value) => operation.SetJson(MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber(name, value);
        json.WriteEndObject();
    }));
}
