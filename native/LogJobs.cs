using System.Runtime.InteropServices;
using S3dlio.Log;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>The operations on logs.</summary>
static class LogJobs
{
    /// <summary>Work that awaits nothing; its failure is its task's.</summary>
    static Job Now(Action<Operation, CancellationToken> body) => (operation, cancel) =>
    {
        try
        {
            body(operation, cancel);
            return Task.CompletedTask;
        }
        catch (Exception error)
        {
            return Task.FromException(error);
        }
    };

    public static Job Open(string directory, bool forWriting, LogOptions options) => Now((operation, _) =>
    {
        RecordLog log = forWriting ? LogWriter.Open(directory, options) : LogReader.Open(directory, options.OnDamage);
        var handle = new LogHandle(log, (log as LogWriter)?.Damage ?? []);
        ulong number = operation.OwnLog(handle);
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
    });

    public static Job Commit(LogWriter log) => async (operation, cancel) =>
        Number(operation, "committed", await log.CommitAsync(cancel).ConfigureAwait(false));

    public static Job Wait(RecordLog log, long number) => async (operation, cancel) =>
        Number(operation, "committed", await log.WaitAsync(number, cancel).ConfigureAwait(false));

    public static Job Truncate(LogWriter log, long number) => Now((operation, _) =>
    {
        Number(operation, "begin", log.Truncate(number));
    });

    public static Job SetCursor(RecordLog log, string name, long number) => Now((_, _) =>
    {
        log.SetCursor(name, number);
    });

    /// <param name="log">The log.</param>
    /// <param name="first">Number of the first record.</param>
    /// <param name="most">Most records that are wanted.</param>
    /// <param name="mostBytes">Bytes at which they end; the first record is always taken.</param>
    /// <param name="skip">Passes over damaged frames.</param>
    /// <param name="target">Memory that takes as many records as fit; null for memory of the operation.</param>
    public static Job Scan(RecordLog log, long first, long most, long mostBytes, bool skip, LargeMemory? target) => Now((operation, cancel) =>
    {
        var plan = log.Plan(first, most, target is null ? mostBytes : Math.Min(mostBytes, target.Length), skip);
        if (target is not null && plan.Length > target.Length)
            throw new StoreException(
                ErrorKind.InvalidArgument, log.Directory, $"record {first} has {plan.Length} bytes, the memory given for records has {target.Length}");
        Read(operation, plan, target, cancel);
    });

    public static Job ReadMany(RecordLog log, long[] numbers, LargeMemory? target) => Now((operation, cancel) =>
    {
        var plan = log.Plan(numbers);
        if (target is not null && plan.Length != target.Length)
            throw new StoreException(
                ErrorKind.InvalidArgument, log.Directory, $"the {numbers.Length} records have {plan.Length} bytes, the memory given for them has {target.Length}");
        Read(operation, plan, target, cancel);
    });

    /// <summary>The table of numbers and ends, and, without the caller's memory, the records behind it.</summary>
    static void Read(Operation operation, RecordPlan plan, LargeMemory? target, CancellationToken cancel)
    {
        int count = plan.Numbers.Count;
        long table = 2L * sizeof(long) * count, length = table + (target is null ? plan.Length : 0);
        if (table + plan.Length > int.MaxValue)
            throw new StoreException(ErrorKind.InvalidArgument, "log", $"{count} records have {plan.Length} bytes together; at most 2 GiB are read in one call");
        var memory = operation.Allocate(length).Slice(0, (int)length).Span;
        CollectionsMarshal.AsSpan(plan.Numbers).CopyTo(MemoryMarshal.Cast<byte, long>(memory));
        CollectionsMarshal.AsSpan(plan.Ends).CopyTo(MemoryMarshal.Cast<byte, long>(memory[(int)(table / 2)..]));
        plan.Read(target is null ? memory[(int)table..] : target.Slice(0, (int)plan.Length).Span, cancel);
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
