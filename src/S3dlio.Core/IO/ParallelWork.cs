using System.Runtime.ExceptionServices;

namespace S3dlio.IO;

/// <summary>The threads that the workers of a <see cref="ParallelWork"/> call begin on.</summary>
enum WorkerThreads
{
    /// <summary>The first worker runs on the calling thread, which saves a thread switch; the others run on the thread pool.</summary>
    CallerAndPool,
    /// <summary>All workers run on the thread pool.</summary>
    Pool,
    /// <summary>All workers run on threads that may block in a system call (<see cref="BlockingThread"/>).</summary>
    Blocking,
}

/// <summary>
/// Runs work on several workers at once. The first failure cancels the others, and no call returns before all workers have ended, so that
/// none of them still uses the caller's memory.
/// </summary>
static class ParallelWork
{
    /// <summary>
    /// Runs <paramref name="item"/> for each index from 0 to <paramref name="count"/> - 1; workers take the next index when they are free.
    /// </summary>
    /// <param name="count">Number of items.</param>
    /// <param name="workers">Most items at once.</param>
    /// <param name="item">Processes one item.</param>
    /// <param name="threads">The threads that workers begin on.</param>
    /// <exception cref="OperationCanceledException"><paramref name="cancel"/> was cancelled; the exception carries that token.</exception>
    public static Task ForAsync(
        int count, int workers, Func<int, CancellationToken, ValueTask> item, CancellationToken cancel,
        WorkerThreads threads = WorkerThreads.CallerAndPool)
    {
        int next = -1;
        async Task Worker(CancellationToken stop)
        {
            for (int i; (i = Interlocked.Increment(ref next)) < count;)
            {
                stop.ThrowIfCancellationRequested();
                await item(i, stop).ConfigureAwait(false);
            }
        }
        return RunAsync(Math.Min(workers, count), Worker, cancel, threads);
    }

    /// <summary>Runs <paramref name="worker"/> on <paramref name="workers"/> workers; at least one.</summary>
    /// <exception cref="OperationCanceledException"><paramref name="cancel"/> was cancelled; the exception carries that token.</exception>
    public static async Task RunAsync(
        int workers, Func<CancellationToken, Task> worker, CancellationToken cancel, WorkerThreads threads = WorkerThreads.CallerAndPool)
    {
        if (workers <= 1 && threads != WorkerThreads.Pool)
        {
            await worker(cancel).ConfigureAwait(false);
            return;
        }
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Exception? first = null;
        async Task Guarded()
        {
            try
            {
                await worker(stop.Token).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                // the cancellation below makes the others fail as well; the caller gets the error that came first
                Interlocked.CompareExchange(ref first, error, null);
                await stop.CancelAsync().ConfigureAwait(false);
            }
        }
        var tasks = new Task[Math.Max(1, workers)];
        for (int i = threads == WorkerThreads.CallerAndPool ? 1 : 0; i < tasks.Length; i++)
            tasks[i] = threads == WorkerThreads.Blocking ? BlockingThread.Run(Guarded) : Task.Run(Guarded, CancellationToken.None);
        tasks[0] ??= Guarded();
        await Task.WhenAll(tasks).ConfigureAwait(false);
        if (first is OperationCanceledException && cancel.IsCancellationRequested)
            throw new OperationCanceledException(cancel);
        if (first is not null)
            ExceptionDispatchInfo.Throw(first);
    }
}
