namespace S3dlio.Storage;

/// <summary>
/// A store that forwards every call to another. Wrappers derive from it and override what they change; a test fails when a member of
/// <see cref="ObjectStore"/> is not overridden here, so that no wrapper loses behaviour that a store has.
/// </summary>
public abstract class DelegatingStore : ObjectStore
{
    /// <summary>The store that receives all calls that a derived class does not override.</summary>
    protected abstract ObjectStore Inner { get; }

    public override StoreUri Root => Inner.Root;

    public override bool IsNear => Inner.IsNear;

    public override bool IsQuickAt(string key) => Inner.IsQuickAt(key);

    public override int RequestsAtOnce => Inner.RequestsAtOnce;

    public override bool IsBrief(long length, PutOptions options) => Inner.IsBrief(length, options);

    public override string Origin => Inner.Origin;

    public override IReadOnlyCollection<string> WritableAttributes => Inner.WritableAttributes;

    public override bool IsSameAs(ObjectStore other) =>
        this == other || Inner.IsSameAs(other is DelegatingStore wrapper ? wrapper.Inner : other);

    public override ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel) =>
        Inner.OpenReadAsync(key, options, cancel);

    public override ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel) =>
        Inner.PutAsync(key, payload, options, progress, cancel);

    public override ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel) =>
        Inner.OpenWriteAsync(key, options, cancel);

    public override ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel) => Inner.HeadAsync(key, cancel);

    public override IAsyncEnumerable<ListPage> ListAsync(string prefix, ListOptions options, CancellationToken cancel) =>
        Inner.ListAsync(prefix, options, cancel);

    public override ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel) =>
        Inner.DeleteAsync(keys, cancel);

    public override bool TagsEachWrite => Inner.TagsEachWrite;

    public override ValueTask<bool> DeleteSeenAsync(string key, ObjectMeta seen, CancellationToken cancel) =>
        Inner.DeleteSeenAsync(key, seen, cancel);

    public override ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel) =>
        Inner.CopyAsync(source, destination, options, cancel);

    public override ValueTask<ObjectMeta> RenameAsync(string source, string destination, PutOptions options, CancellationToken cancel) =>
        Inner.RenameAsync(source, destination, options, cancel);

    public override ValueTask MakeDirectoryAsync(string key, CancellationToken cancel) => Inner.MakeDirectoryAsync(key, cancel);

    public override ValueTask FlushDirectoryAsync(string key, CancellationToken cancel) => Inner.FlushDirectoryAsync(key, cancel);

    public override ValueTask SweepDirectoryAsync(string key, CancellationToken cancel) => Inner.SweepDirectoryAsync(key, cancel);

    public override ValueTask RemoveDirectoryAsync(string key, CancellationToken cancel) => Inner.RemoveDirectoryAsync(key, cancel);

    public override ValueTask<TreeDelete?> DeleteTreeAsync(string path, IProgress<long> progress, CancellationToken cancel) =>
        Inner.DeleteTreeAsync(path, progress, cancel);

    public override ValueTask<string> PresignAsync(string key, PresignOptions options, CancellationToken cancel) =>
        Inner.PresignAsync(key, options, cancel);

    public override ValueTask<IReadOnlyList<UnfinishedUpload>> ListUploadsAsync(string prefix, CancellationToken cancel) =>
        Inner.ListUploadsAsync(prefix, cancel);

    public override ValueTask AbortUploadAsync(UnfinishedUpload upload, CancellationToken cancel) => Inner.AbortUploadAsync(upload, cancel);

    public override ValueTask<bool> IsDirectoryAsync(string key, CancellationToken cancel) => Inner.IsDirectoryAsync(key, cancel);
}
