using System.Threading.Channels;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>One object of a bulk call.</summary>
/// <param name="Store">The store that holds it.</param>
/// <param name="Key">Its key in that store.</param>
public readonly record struct ObjectRef(ObjectStore Store, string Key)
{
    public string Uri => Store.Root.Child(Key);
}

/// <summary>
/// Bulk calls: several objects at once, results in the order of the objects; a failure of one object does not stop the others.
/// </summary>
public static class Bulk
{
    /// <summary>A call with more requests at once than this uses no blocking threads.</summary>
    const int MostBlocking = 256;

    /// <summary>
    /// Runs <paramref name="item"/> for each index from 0 to <paramref name="count"/> - 1, at most <paramref name="inFlight"/> at once.
    /// </summary>
    /// <param name="count">Number of items.</param>
    /// <param name="inFlight">Most items at once.</param>
    /// <param name="requests">Most network requests at once; as many blocking threads wait for them. 0 where the store sends no
    /// requests.</param>
    /// <param name="item">Processes one item.</param>
    /// <param name="uri">Returns the URI of an item, for errors.</param>
    /// <returns>The error of each item; null where it succeeded.</returns>
    /// <exception cref="OperationCanceledException">The call was cancelled, and all items have ended.</exception>
    public static async Task<StoreException?[]> RunAsync(
        int count, int inFlight, int requests, Func<int, CancellationToken, ValueTask> item, Func<int, string> uri,
        CancellationToken cancel)
    {
        var failures = new StoreException?[count];
        int workers = Math.Min(inFlight, count);
        if (requests > 0 && workers > 1)
            // more workers would only wait for a free request slot, and a blocking thread must not wait for that
            workers = Math.Min(workers, requests);
        var threads = requests > 0 && workers is > 1 and <= MostBlocking ? WorkerThreads.Blocking : WorkerThreads.CallerAndPool;
        await ParallelWork.ForAsync(count, workers, async (i, stop) =>
        {
            try
            {
                await item(i, stop).ConfigureAwait(false);
            }
            catch (StoreException error)
            {
                failures[i] = error;
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                failures[i] = StoreException.Unforeseen(error, uri(i));
            }
        }, cancel, threads).ConfigureAwait(false);
        return failures;
    }

    /// <summary>
    /// Runs <paramref name="item"/> for each of many items, some at a time, while more are found: memory does not grow with their number.
    /// </summary>
    /// <param name="items">What is found; when finding fails, what was found before is still done.</param>
    /// <param name="inFlight">Most items at once.</param>
    /// <param name="requests">As for <see cref="RunAsync"/>; of several stores the largest.</param>
    /// <param name="item">Processes one item.</param>
    /// <param name="found">Called when everything has been found.</param>
    /// <param name="failed">Called for each failure, of an item or of the search, from any thread.</param>
    /// <returns>Whether everything was found.</returns>
    /// <exception cref="OperationCanceledException">The call was cancelled, and all items have ended.</exception>
    public static async Task<bool> EachAsync<T>(
        IAsyncEnumerable<T> items, int inFlight, int requests, Func<T, CancellationToken, ValueTask> item, Action found,
        Action<StoreException> failed, CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var queue = Channel.CreateBounded<T>(new BoundedChannelOptions(Math.Max(1024, 4 * inFlight)) { SingleWriter = true });
        bool whole = false;
        async Task Find()
        {
            try
            {
                await foreach (var one in items.WithCancellation(stop.Token).ConfigureAwait(false))
                    await queue.Writer.WriteAsync(one, stop.Token).ConfigureAwait(false);
                whole = true;
                found();
            }
            catch (StoreException error)
            {
                failed(error);
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
        var faults = await RunAsync(inFlight, inFlight, requests, async (_, stopped) =>
        {
            while (await queue.Reader.WaitToReadAsync(stopped).ConfigureAwait(false))
            {
                while (queue.Reader.TryRead(out var one))
                {
                    stopped.ThrowIfCancellationRequested();
                    try
                    {
                        await item(one, stopped).ConfigureAwait(false);
                    }
                    catch (StoreException error)
                    {
                        failed(error);
                    }
                }
            }
        }, static _ => "s3dlio", cancel).ConfigureAwait(false);
        // a worker that ended by a fault of ours has left the rest to the others; were it all of them, nobody empties the queue
        await stop.CancelAsync().ConfigureAwait(false);
        await finding.ConfigureAwait(false);
        foreach (var fault in faults)
        {
            if (fault is not null)
                failed(fault);
        }
        return whole;
    }

    /// <summary>
    /// Reads whole objects, decompressed where asked for, each into memory that <paramref name="allocate"/> gives for its index and size.
    /// </summary>
    public static Task<StoreException?[]> GetAsync(
        IReadOnlyList<ObjectRef> objects, int inFlight, Decompress mode, Func<int, long, LargeMemory> allocate, bool validate,
        ITransferProgress progress, CancellationToken cancel)
    {
        progress.Begin(objects.Count);
        return RunAsync(objects.Count, inFlight, Requests(objects), async (i, stop) =>
        {
            await ObjectRead.WholeAsync(
                objects[i].Store, objects[i].Key, mode, size => allocate(i, size), new Validation(null, validate), NoProgress.Instance,
                stop).ConfigureAwait(false);
            progress.Report(1);
        }, i => objects[i].Uri, cancel);
    }

    /// <summary>Writes whole objects from the caller's memory.</summary>
    public static Task<StoreException?[]> PutAsync(
        IReadOnlyList<ObjectRef> objects, IReadOnlyList<LargeMemory> data, ObjectMeta?[] results, int inFlight, PutOptions options,
        ITransferProgress progress, CancellationToken cancel)
    {
        progress.Begin(objects.Count);
        return RunAsync(objects.Count, inFlight, Requests(objects), async (i, stop) =>
        {
            results[i] = await objects[i].Store.PutAsync(objects[i].Key, new Payload([data[i]]), options, null, stop).ConfigureAwait(false);
            progress.Report(1);
        }, i => objects[i].Uri, cancel);
    }

    public static Task<StoreException?[]> HeadAsync(
        IReadOnlyList<ObjectRef> objects, ObjectMeta?[] results, int inFlight, ITransferProgress progress, CancellationToken cancel)
    {
        progress.Begin(objects.Count);
        return RunAsync(objects.Count, inFlight, Requests(objects), async (i, stop) =>
        {
            results[i] = await objects[i].Store.HeadAsync(objects[i].Key, stop).ConfigureAwait(false);
            progress.Report(1);
        }, i => objects[i].Uri, cancel);
    }

    /// <summary>Copies objects, between any stores.</summary>
    public static Task<StoreException?[]> CopyAsync(
        IReadOnlyList<ObjectRef> sources, IReadOnlyList<ObjectRef> destinations, ObjectMeta?[] results, int inFlight, PutOptions options,
        ITransferProgress progress, CancellationToken cancel)
    {
        progress.Begin(sources.Count);
        return RunAsync(sources.Count, inFlight, 0, async (i, stop) =>
        {
            var (from, to) = (sources[i], destinations[i]);
            results[i] = await ObjectCopy.CopyAsync(
                from.Store, from.Key, to.Store, to.Key, options, NoProgress.Instance, stop).ConfigureAwait(false);
            progress.Report(1);
        }, i => sources[i].Uri, cancel);
    }

    static int Requests(IReadOnlyList<ObjectRef> objects) => objects.Count == 0 ? 0 : objects[0].Store.RequestsAtOnce;
}
