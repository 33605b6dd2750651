using System.Collections.Concurrent;

namespace S3dlio.IO;

/// <summary>
/// Threads that block in the kernel while they wait for network I/O. A blocking read is cheaper than an asynchronous one, which costs an
/// epoll event, a thread switch and a state machine on the heap. A bulk call has one such thread for each request at once. Work that waits
/// for something else (a request slot, a retry delay) continues on the thread pool.
/// </summary>
#pragma warning disable CA1001 // the semaphore lives as long as the thread that waits on it, and holds nothing native
sealed class BlockingThread
#pragma warning restore CA1001
{
    static readonly TimeSpan Linger = TimeSpan.FromSeconds(10);
    const int Idle = 0, Taken = 1, Gone = 2;

    /// <summary>Bytes. Calls are about thirty frames deep.</summary>
    const int StackLength = 1 << 20;

    static readonly ConcurrentStack<BlockingThread> Waiting = new();

    [ThreadStatic]
    static bool t_isOne;

    readonly SemaphoreSlim _wake = new(0);
    Action? _work;
    int _state = Taken;

    /// <summary>True on a thread that may block in a system call.</summary>
    public static bool IsCurrent => t_isOne;

    /// <summary>Starts <paramref name="work"/> on an idle or a new thread.</summary>
    /// <returns>Completes when the work does, on whichever thread it ends.</returns>
    public static Task Run(Func<Task> work)
    {
        var begun = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        Assign(() =>
        {
            try
            {
                begun.SetResult(work());
            }
            catch (Exception error)
            {
                begun.SetException(error);
            }
        });
        return begun.Task.Unwrap();
    }

    static void Assign(Action work)
    {
        while (Waiting.TryPop(out var idle))
        {
            if (Interlocked.CompareExchange(ref idle._state, Taken, Idle) != Idle)
                continue;
            idle._work = work;
            idle._wake.Release();
            return;
        }
        var made = new BlockingThread { _work = work };
        try
        {
            new Thread(made.Live, StackLength) { IsBackground = true, Name = "s3dlio network" }.UnsafeStart();
        }
        catch (OutOfMemoryException)
        {
            // no more threads: use the pool
            ThreadPool.UnsafeQueueUserWorkItem(static work => work(), work, preferLocal: false);
        }
    }

    void Live()
    {
        t_isOne = true;
        while (true)
        {
            _work!();
            _work = null;
            Volatile.Write(ref _state, Idle);
            Waiting.Push(this);
            if (_wake.Wait(Linger))
                continue;
            if (Interlocked.CompareExchange(ref _state, Gone, Idle) == Idle)
                return;
            // taken between the timeout and this line: the work is about to be assigned
            _wake.Wait();
        }
    }
}
