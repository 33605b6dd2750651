using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>An object of a call over many.</summary>
/// <param name="Store">Where it is.</param>
/// <param name="Key">Its key there.</param>
public readonly record struct ObjectRef(ObjectStore Store, string Key)
{
    public string Uri => Store.Root.Child(Key);
}

/// <summary>Calls over many objects: some at a time, in order in the result, each failure kept with its object while the rest goes on.</summary>
public static class Bulk
{
    /// <summary>A call with more requests at once than this has none of the threads that wait for them.</summary>
    const int MostPatient = 256;

    /// <summary>Runs <paramref name="item"/> for 0 … count-1, at most <paramref name="inFlight"/> at once.</summary>
    /// <param name="count">How many.</param>
    /// <param name="inFlight">At once.</param>
    /// <param name="requests">Requests over the network that can be under way at once: so many threads wait for them; 0 where none do.</param>
    /// <param name="item">What is done for each.</param>
    /// <param name="uri">What each is called.</param>
    /// <param name="cancel">The caller's.</param>
    /// <returns>For each index what it failed with, or null.</returns>
    /// <exception cref="OperationCanceledException">The caller cancelled; nothing runs any more.</exception>
    public static async Task<StoreException?[]> RunAsync(
        int count, int inFlight, int requests, Func<int, CancellationToken, ValueTask> item, Func<int, string> uri, CancellationToken cancel)
    {
        var failures = new StoreException?[count];
        int next = -1;
        async Task Work(CancellationToken stop)
        {
            for (int i; (i = Interlocked.Increment(ref next)) < count;)
            {
                stop.ThrowIfCancellationRequested();
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
            }
        }
        int workers = Math.Min(inFlight, count);
        if (requests > 0 && workers > 1)
            // more would wait for a place among the requests, and no thread of these waits for that
            workers = Math.Min(workers, requests);
        await Together.RunAsync(workers, patient: requests > 0 && workers <= MostPatient, Work, cancel).ConfigureAwait(false);
        return failures;
    }

    /// <summary>Reads whole objects, decompressed where asked for, each into memory that <paramref name="allocate"/> gives for its index and size.</summary>
    public static Task<StoreException?[]> GetAsync(
        IReadOnlyList<ObjectRef> objects, int inFlight, Decompress mode, Func<int, long, LargeMemory> allocate, bool validate, ITransferProgress progress, CancellationToken cancel)
    {
        progress.Begin(objects.Count);
        return RunAsync(objects.Count, inFlight, Requests(objects), async (i, stop) =>
        {
            await ObjectRead.WholeAsync(objects[i].Store, objects[i].Key, mode, size => allocate(i, size), new Validation(null, validate), Silent.Instance, stop).ConfigureAwait(false);
            progress.Report(1);
        }, i => objects[i].Uri, cancel);
    }

    /// <summary>Writes whole objects from the caller's memory.</summary>
    public static Task<StoreException?[]> PutAsync(
        IReadOnlyList<ObjectRef> objects, IReadOnlyList<LargeMemory> data, ObjectMeta?[] results, int inFlight, PutOptions options, ITransferProgress progress, CancellationToken cancel)
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
        IReadOnlyList<ObjectRef> sources, IReadOnlyList<ObjectRef> destinations, ObjectMeta?[] results, int inFlight, PutOptions options, ITransferProgress progress, CancellationToken cancel)
    {
        progress.Begin(sources.Count);
        return RunAsync(sources.Count, inFlight, 0, async (i, stop) =>
        {
            var (from, to) = (sources[i], destinations[i]);
            results[i] = await ObjectCopy.CopyAsync(from.Store, from.Key, to.Store, to.Key, options, Silent.Instance, stop).ConfigureAwait(false);
            progress.Report(1);
        }, i => sources[i].Uri, cancel);
    }

    static int Requests(IReadOnlyList<ObjectRef> objects) => objects.Count == 0 ? 0 : objects[0].Store.RequestsAtOnce;

    /// <summary>Calls over many objects count objects, not their bytes.</summary>
    sealed class Silent : ITransferProgress
    {
        public static readonly Silent Instance = new();

        public void Begin(long total)
        {
            // see above
        }

        public void Report(long value)
        {
            // see above
        }
    }
}
