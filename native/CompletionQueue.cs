using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace S3dlio.Native;

/// <summary>The operations that ended, in that order, and an eventfd that says so to the event loop of the caller.</summary>
sealed partial class CompletionQueue(int eventFd) : IDisposable
{
    readonly ConcurrentQueue<ulong> _ended = [];
    readonly Lock _gate = new();
    bool _closed;

    public void Add(ulong operation)
    {
        _ended.Enqueue(operation);
        lock (_gate)
        {
            // the caller may have closed the descriptor after the queue, and its number may name another file by now
            if (!_closed)
                // a full counter refuses more and is readable all the same; nothing else can be done about any failure here
                _ = write(eventFd, 1, sizeof(ulong));
        }
    }

    public bool TryTake(out ulong operation) => _ended.TryDequeue(out operation);

    public void Dispose()
    {
        lock (_gate)
            _closed = true;
    }

    [LibraryImport("libc")]
    private static partial nint write(int fd, in ulong count, nuint length);
}
