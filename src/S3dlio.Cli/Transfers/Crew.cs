using System.Threading.Channels;
using S3dlio.Cli.CommandLine;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Transfers;

/// <summary>
/// Does something for each of many objects, some at a time, while more are found: memory does not grow with their number.
/// </summary>
static class Crew
{
    /// <param name="run">Whose jobs, failures and cancel these are.</param>
    /// <param name="requests">See <see cref="ObjectStore.RequestsAtOnce"/>; the largest of the stores.</param>
    /// <param name="items">What is found; when finding fails, what was found before is still done.</param>
    /// <param name="work">What is done. A <see cref="StoreException"/> counts as a failure and is printed.</param>
    /// <returns>Whether everything was found.</returns>
    public static async Task<bool> RunAsync<T>(Invocation run, int requests, IAsyncEnumerable<T> items, Func<T, CancellationToken,
        ValueTask> work)
    {
        int jobs = run.Jobs;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(run.Cancel);
        var queue = Channel.CreateBounded<T>(new BoundedChannelOptions(Math.Max(1024, 4 * jobs)) { SingleWriter = true });
        bool whole = false;
        async Task Find()
        {
            try
            {
                await foreach (var item in items.WithCancellation(stop.Token))
                    await queue.Writer.WriteAsync(item, stop.Token);
                whole = true;
                run.Terminal.Progress.KnowsAll();
            }
            catch (StoreException error)
            {
                run.Terminal.Failure(error);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // the workers hear of it themselves
            }
            finally
            {
                queue.Writer.Complete();
            }
        }
        var finding = Task.Run(Find, CancellationToken.None);
        var failures = await Bulk.RunAsync(jobs, jobs, requests, async (_, cancel) =>
        {
            while (await queue.Reader.WaitToReadAsync(cancel))
            {
                while (queue.Reader.TryRead(out var item))
                {
                    cancel.ThrowIfCancellationRequested();
                    try
                    {
                        await work(item, cancel);
                    }
                    catch (StoreException error)
                    {
                        run.Terminal.Failure(error);
                    }
                }
            }
        }, static _ => "s3dlio", run.Cancel);
        // a worker that ended by a fault of ours has left the rest to the others; were it all of them, nobody empties the queue
        await stop.CancelAsync();
        await finding;
        foreach (var fault in failures)
        {
            if (fault is not null)
                run.Terminal.Failure(fault);
        }
        return whole;
    }
}
