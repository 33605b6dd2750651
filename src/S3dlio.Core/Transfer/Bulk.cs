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
    /// <param name="cancel">Cancels all items.</param>
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
