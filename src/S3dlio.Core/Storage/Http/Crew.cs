namespace S3dlio.Storage.Http;

/// <summary>Runs numbered pieces of work, several at a time. The first failure stops the rest, and nothing returns before all have ended.</summary>
static class Crew
{
    public static async Task RunAsync(int count, int workers, Func<int, CancellationToken, Task> work, CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        int next = -1;
        Exception? first = null;
        async Task Worker()
        {
            try
            {
                for (int i; (i = Interlocked.Increment(ref next)) < count;)
                {
                    stop.Token.ThrowIfCancellationRequested();
                    await work(i, stop.Token).ConfigureAwait(false);
                }
            }
            catch (Exception error)
            {
                // the others end with a cancel of our making, which is not what the caller should hear
                Interlocked.CompareExchange(ref first, error, null);
                await stop.CancelAsync().ConfigureAwait(false);
            }
        }
        var tasks = new Task[Math.Max(1, Math.Min(workers, count))];
        for (int i = 0; i < tasks.Length; i++)
            tasks[i] = Task.Run(Worker, CancellationToken.None);
        await Task.WhenAll(tasks).ConfigureAwait(false);
        if (first is OperationCanceledException && cancel.IsCancellationRequested)
            throw new OperationCanceledException(cancel);
        if (first is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
    }
}
