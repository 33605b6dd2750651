using System.Runtime.CompilerServices;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>A store that is not asked: every call that would reach it fails and says so.</summary>
sealed class OfflineStore(ObjectStore inner) : DelegatingStore
{
    protected override ObjectStore Inner => inner;

    protected override (ObjectStore Store, string Key) Innermost(string key) => (inner, key);

    public override ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel) =>
        throw NotHere(key, cancel);

    public override ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel) =>
        throw NeedsStore(key, cancel);

    public override ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel) =>
        throw NeedsStore(key, cancel);

    public override ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel) => throw NotHere(key, cancel);

    public override async IAsyncEnumerable<ListPage> ListAsync(
        string prefix, ListOptions options, [EnumeratorCancellation] CancellationToken cancel)
    {
        ObjectKey.CheckPrefix(Root, prefix);
        options.Check(Root);
        await ValueTask.CompletedTask.ConfigureAwait(false);
        cancel.ThrowIfCancellationRequested();
        yield break;
    }

    public override ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel) =>
        throw NeedsStore(keys.Count > 0 ? keys[0] : "", cancel);

    public override ValueTask<bool> DeleteSeenAsync(string key, ObjectMeta seen, CancellationToken cancel) => throw NeedsStore(key, cancel);

    public override ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel) =>
        throw NeedsStore(source, cancel);

    public override ValueTask<ObjectMeta> RenameAsync(string source, string destination, PutOptions options, CancellationToken cancel) =>
        throw NeedsStore(source, cancel);

    public override ValueTask MakeDirectoryAsync(string key, CancellationToken cancel)
    {
        ObjectKey.CheckPrefix(Root, key);
        return ValueTask.CompletedTask;
    }

    public override ValueTask FlushDirectoryAsync(string key, CancellationToken cancel) => ValueTask.CompletedTask;

    public override ValueTask SweepDirectoryAsync(string key, CancellationToken cancel) => ValueTask.CompletedTask;

    public override ValueTask RemoveDirectoryAsync(string key, CancellationToken cancel) => ValueTask.CompletedTask;

    public override ValueTask<TreeDelete?> DeleteTreeAsync(string path, IProgress<long> progress, CancellationToken cancel) =>
        ValueTask.FromResult<TreeDelete?>(null);

    public override ValueTask<IReadOnlyList<UnfinishedUpload>> ListUploadsAsync(string prefix, CancellationToken cancel) =>
        throw NeedsStore(prefix, cancel);

    public override ValueTask AbortUploadAsync(UnfinishedUpload upload, CancellationToken cancel) => throw NeedsStore("", cancel);

    public override ValueTask<bool> IsDirectoryAsync(string key, CancellationToken cancel) => ValueTask.FromResult(false);

    StoreException NotHere(string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        return new StoreException(ErrorKind.Unavailable, Root.Child(key),
            "it is neither in the cache nor among the writes that wait, and the cache's mode is \"offline\": the store is not asked."
            + " Read it in another mode first, or open the store with cache_mode=\"read\" or \"back\"");
    }

    StoreException NeedsStore(string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        return new StoreException(ErrorKind.Unavailable, Root.Child(key),
            "this needs an answer of the store, and the cache's mode is \"offline\": puts without conditions and deletions wait in the"
            + " journal, everything else needs cache_mode=\"back\", \"read\" or \"through\"");
    }
}
