using System.Runtime.InteropServices;
using S3dlio.Storage;

namespace S3dlio.Native;

static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_op_wait")]
    public static int OpWait(ulong operation, int timeoutMilliseconds) => Guard.Run(() =>
        Op(operation).Wait(timeoutMilliseconds) ? Guard.Ok : Guard.Pending);

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_op_progress")]
    public static int OpProgress(ulong operation, long* outDone, long* outTotal) => Guard.Run(() =>
    {
        Arguments.Out(outDone, "out_done");
        Arguments.Out(outTotal, "out_total");
        var op = Op(operation);
        *outDone = op.Done;
        *outTotal = op.Total;
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_op_cancel")]
    public static int OpCancel(ulong operation) => Guard.Run(() =>
    {
        Op(operation).Cancel();
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_op_result")]
    public static int OpResult(ulong operation, ResultStruct* outResult) => Result(operation, outResult, take: true);

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_op_peek")]
    public static int OpPeek(ulong operation, ResultStruct* outResult) => Result(operation, outResult, take: false);

    static int Result(ulong operation, ResultStruct* outResult, bool take) => Guard.Run(() =>
    {
        Structs.Out(outResult, "out_result");
        var op = Op(operation);
        if (!op.Wait(0))
            return Guard.Pending;
        Structs.Give(outResult, new ResultStruct
        {
            Notices = (uint)Notices.Count,
            Json = op.Json is null ? null : op.Json.Start,
            JsonLength = op.Json is null ? 0 : (ulong)op.Json.Length - 1,
            Data = op.Data is null ? null : op.Data.Start,
            DataLength = op.Data is null ? 0 : (ulong)op.Data.Length,
            Events = (ulong)Events.Count,
        });
        if (take)
            op.TakeOpened();
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_op_free")]
    public static int OpFree(ulong operation) => Guard.Run(() =>
    {
        if (!Handles.Find<Operation>(operation, "operation", out var op))
            return Guard.Ok;
        // before the number goes: a second thread that frees it at the same time waits too
        op!.End();
        if (Handles.Remove<Operation>(operation, "operation", out _))
            op.Dispose();
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_op_abandon")]
    public static int OpAbandon(ulong operation, int timeoutMilliseconds) => Guard.Run(() =>
    {
        if (!Handles.Find<Operation>(operation, "operation", out var op))
            return Guard.Ok;
        if (!op!.End(timeoutMilliseconds))
        {
            op.Leave(() => FreeEnded(operation, op));
            return Guard.Pending;
        }
        // what frees one that was left may take long, since it may close a file: not here
        if (!op.IsLeft)
            FreeEnded(operation, op);
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_close_behind")]
    public static int CloseBehind(ulong handle) => Guard.Run(() =>
    {
        if (Handles.Remove<IAsyncDisposable>(handle, "file, writer or list", out var item))
            // the call reports no failure; what was not finalized is removed now or by a later sweep
            _ = Task.Run(() => item!.DisposeAsync().AsTask());
        return Guard.Ok;
    });

    static void FreeEnded(ulong operation, Operation op)
    {
        if (Handles.Remove<Operation>(operation, "operation", out _))
            op.Dispose();
    }

    static Operation Op(ulong id) => Handles.Get<Operation>(id, "operation");

    /// <summary>Begins an operation; the number goes out only when nothing failed before.</summary>
    static int Begin(ulong* outOperation, Func<Job> prepare) => Begin(outOperation, () => (prepare(), false));

    /// <summary>The same for work that may be brief: see <see cref="Operation.Begin"/>.</summary>
    static int Begin(ulong* outOperation, Func<(Job Work, bool Brief)> prepare) => Guard.Run(() =>
    {
        Arguments.Out(outOperation, "out_op");
        *outOperation = 0;
        var (work, brief) = prepare();
        *outOperation = Operation.Begin(work, brief);
        return Guard.Ok;
    });

    /// <summary>The same for callers that would only wait: does it, and hands the ended operation over.</summary>
    static int Call(Func<Job> prepare, Action<Operation>? result = null) => Call(() => (prepare(), true), result);

    static int Call(Func<(Job Work, bool Brief)> prepare, Action<Operation>? result = null) => Guard.Run(() =>
    {
        Operation.Run(prepare().Work, result);
        return Guard.Ok;
    });
}

/// <summary>struct s3dlio_result</summary>
[StructLayout(LayoutKind.Sequential)]
unsafe struct ResultStruct : ISizedStruct
{
    public uint StructSize;
    public uint Notices;
    public byte* Json;
    public ulong JsonLength;
    public byte* Data;
    public ulong DataLength;
    public ulong Events;

    /// <summary>Up to DataLength.</summary>
    public static int LeastSize => sizeof(ResultStruct) - sizeof(ulong);
}
