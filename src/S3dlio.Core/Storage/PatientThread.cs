using System.Collections.Concurrent;

namespace S3dlio.Storage;

/// <summary>
/// Threads that are there to wait for the network. One that sleeps in the kernel until its answer comes costs less than an answer that is
/// announced to one thread, handed to another and resumed there: no hand-over, no state to be kept on the heap. Calls over many objects have
/// one for each request at once; what turns out to wait for something else (a place, a retry) leaves it and goes on on the pool, as everything
/// else does all the time.
/// </summary>
#pragma warning disable CA1001 // the semaphore lives as long as the thread that waits on it, and holds nothing native
sealed class PatientThread
#pragma warning restore CA1001
{
    static readonly TimeSpan Linger = TimeSpan.FromSeconds(10);
    const int Idle = 0, Taken = 1, Gone = 2;

    /// <summary>Calls are some thirty deep, and hash on the way.</summary>
    const int StackLength = 1 << 20;

    static readonly ConcurrentStack<PatientThread> Waiting = new();

    [ThreadStatic]
    static bool t_isOne;

    readonly SemaphoreSlim _wake = new(0);
    Action? _work;
    int _state = Taken;

    /// <summary>Whoever runs here may wait in a system call.</summary>
    public static bool IsCurrent => t_isOne;

    /// <summary>Begins <paramref name="work"/> on such a thread.</summary>
    /// <returns>Done when the work is, wherever it came to its end.</returns>
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
        var made = new PatientThread { _work = work };
        try
        {
            new Thread(made.Live, StackLength) { IsBackground = true, Name = "s3dlio network" }.UnsafeStart();
        }
        catch (OutOfMemoryException)
        {
            // no more threads: then as everything else does
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
            // somebody took it at the last moment
            _wake.Wait();
        }
    }
}
