namespace S3dlio.Transfer;

/// <summary>Runs workers side by side: the first failure stops the others, and nothing returns before all of them let go of their buffers.</summary>
static class Together
{
    public static async Task RunAsync(int workers, Func<CancellationToken, Task> work, CancellationToken cancel)
    {
        if (workers <= 1)
        {
            await work(cancel).ConfigureAwait(false);
            return;
        }
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Exception? first = null;
        async Task Guarded()
        {
            try
            {
                await work(stop.Token).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                // the others end with a cancel of our making, which is not what the caller should hear
                Interlocked.CompareExchange(ref first, error, null);
                await stop.CancelAsync().ConfigureAwait(false);
            }
        }
        var tasks = new Task[workers];
        for (int i = 1; i < workers; i++)
            tasks[i] = Task.Run(Guarded, CancellationToken.None);
        // this thread is the first worker: one hop fewer
        tasks[0] = Guarded();
        await Task.WhenAll(tasks).ConfigureAwait(false);
        if (first is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
    }
}
