using S3dlio.Storage;

namespace S3dlio.Tests.Storage;

/// <summary>A store that can be switched off: it then refuses every call, as a server that is down does.</summary>
sealed class BreakableStore(ObjectStore inner) : ObjectStore
{
    public bool IsDown { get; set; }

    /// <summary>Calls refused.</summary>
    public int Refused { get; private set; }

    public override StoreUri Root => inner.Root;

    ObjectStore Inner
    {
        get
        {
            if (!IsDown)
                return inner;
            Refused++;
            throw new StoreException(ErrorKind.Unavailable, Root.ToString(), "switched off");
        }
    }

    public override ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel) =>
        Inner.OpenReadAsync(key, options, cancel);

    public override ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel) => Inner.PutAsync(key,
        payload, options, progress, cancel);

    public override ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel) =>
        Inner.OpenWriteAsync(key, options, cancel);

    public override ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel) => Inner.HeadAsync(key, cancel);

    public override IAsyncEnumerable<ListPage> ListAsync(string prefix, ListOptions options, CancellationToken cancel) =>
        Inner.ListAsync(prefix, options, cancel);

    public override ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel) =>
        Inner.DeleteAsync(keys, cancel);

    public override ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel) =>
        Inner.CopyAsync(source, destination, options, cancel);
}
