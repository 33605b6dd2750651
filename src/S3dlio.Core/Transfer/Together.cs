using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>Runs workers side by side: the first failure stops the others, and nothing returns before all of them let go of their buffers.</summary>
static class Together
{
    public static Task RunAsync(int workers, Func<CancellationToken, Task> work, CancellationToken cancel) =>
        RunAsync(workers, patient: false, work, cancel);

    /// <param name="workers">How many.</param>
    /// <param name="patient">On threads that may wait for the network, not on the pool's.</param>
    /// <param name="work">Each of them.</param>
    /// <param name="cancel">The caller's.</param>
    public static async Task RunAsync(int workers, bool patient, Func<CancellationToken, Task> work, CancellationToken cancel)
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
            tasks[i] = patient ? PatientThread.Run(Guarded) : Task.Run(Guarded, CancellationToken.None);
        // this thread is the first worker: one hop fewer
        tasks[0] = patient ? PatientThread.Run(Guarded) : Guarded();
        await Task.WhenAll(tasks).ConfigureAwait(false);
        if (first is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
    }
}
