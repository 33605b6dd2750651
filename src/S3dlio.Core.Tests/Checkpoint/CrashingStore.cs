using S3dlio.Storage;

namespace S3dlio.Tests.Checkpoint;

/// <summary>
/// A process that dies at its n-th call to the store, before the call does anything or after it did: nothing gets through from there on.
/// </summary>
sealed class CrashingStore(ObjectStore inner, int point, bool after) : ObjectStore
{
    int _calls;

    /// <summary>So many calls were made.</summary>
    public int Calls => _calls;

    public bool HasCrashed { get; private set; }

    public override StoreUri Root => inner.Root;

    public override bool IsNear => inner.IsNear;

    public override ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel) =>
        RunAsync(() => inner.OpenReadAsync(key, options, cancel));

    public override ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel) =>
        RunAsync(() => inner.PutAsync(key, payload, options, progress, cancel));

    public override async ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel) =>
        new Writer(this, await RunAsync(() => inner.OpenWriteAsync(key, options, cancel)));

    public override ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel) => RunAsync(() => inner.HeadAsync(key, cancel));

    public override async IAsyncEnumerable<ListPage> ListAsync(
        string prefix, ListOptions options, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
    {
        await RunAsync(() => ValueTask.FromResult(0));
        await foreach (var page in inner.ListAsync(prefix, options, cancel))
            yield return page;
    }

    public override async ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        var failures = new List<DeleteFailure>();
        // a batch can end in the middle
        foreach (string key in keys)
            failures.AddRange(await RunAsync(() => inner.DeleteAsync([key], cancel)));
        return failures;
    }

    public override ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel) =>
        RunAsync(() => inner.CopyAsync(source, destination, options, cancel));

    async ValueTask<T> RunAsync<T>(Func<ValueTask<T>> call)
    {
        int number = Interlocked.Increment(ref _calls) - 1;
        if (number > point || HasCrashed || (number == point && !after))
        {
            HasCrashed = true;
            throw new CrashException();
        }
        var result = await call();
        if (number == point)
        {
            HasCrashed = true;
            throw new CrashException();
        }
        return result;
    }

    sealed class Writer(CrashingStore store, ObjectWriter writer) : ObjectWriter
    {
        public override long Written => writer.Written;

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel) => writer.WriteAsync(data, cancel);

        public override ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel) => store.RunAsync(() => writer.CompleteAsync(cancel));

        public override ValueTask DisposeAsync() => writer.DisposeAsync();
    }
}

/// <summary>The end of a process is no failure that anything could handle.</summary>
sealed class CrashException() : Exception("the process ended here");
