using System.Runtime.InteropServices;

namespace S3dlio.Native;

/// <summary>How event loops wait.</summary>
static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_queue_open")]
    public static int QueueOpen(int eventFd, ulong* outQueue) => Guard.Run(() =>
    {
        Arguments.Out(outQueue, "out_queue");
        *outQueue = 0;
        if (eventFd < 0)
            throw Arguments.Wrong("event_fd", $"is {eventFd}; an open descriptor of eventfd(2) is wanted");
        *outQueue = Handles.Add(new CompletionQueue(eventFd));
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_op_notify")]
    public static int OpNotify(ulong operation, ulong queue) => Guard.Run(() =>
    {
        var op = Op(operation);
        var told = Handles.Get<CompletionQueue>(queue, "queue");
        op.WhenEnded(() => told.Add(operation));
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_queue_take")]
    public static int QueueTake(ulong queue, nuint count, ulong* outOperations, ulong* outCount) => Guard.Run(() =>
    {
        Arguments.Out(outCount, "out_count");
        *outCount = 0;
        var from = Handles.Get<CompletionQueue>(queue, "queue");
        int most = Arguments.Count(outOperations, count, "out_ops");
        while (*outCount < (ulong)most && from.TryTake(out ulong ended))
            outOperations[(*outCount)++] = ended;
        return Guard.Ok;
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_queue_close")]
    public static int QueueClose(ulong queue) => Guard.Run(() =>
    {
        if (Handles.Remove<CompletionQueue>(queue, "queue", out var closed))
            closed!.Dispose();
        return Guard.Ok;
    });
}
