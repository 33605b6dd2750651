namespace S3dlio.Storage;

/// <summary>A store whose keys are those of another below a prefix: what <c>memory://name/some/prefix</c> opens.</summary>
sealed class PrefixStore(ObjectStore inner, string prefix) : DelegatingStore
{
    readonly string _prefix = prefix.EndsWith('/') ? prefix : prefix + "/";

    public override StoreUri Root { get; } = StoreUri.Parse(inner.Root.Child(prefix.EndsWith('/') ? prefix : prefix + "/"));

    protected override ObjectStore Inner => inner;

    public override bool IsSameAs(ObjectStore other) =>
        this == other || (other is PrefixStore { } same && Root == same.Root && inner.IsSameAs(same.Inner));

    public override ValueTask<bool> DeleteSeenAsync(string key, ObjectMeta seen, CancellationToken cancel) =>
        inner.DeleteSeenAsync(Full(key), seen, cancel);

    protected override (ObjectStore Store, string Key) Innermost(string key) => (inner, Full(key));

    public override async ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel) =>
        new Reader(this, await inner.OpenReadAsync(Full(key), options, cancel).ConfigureAwait(false));

    public override async ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel) =>
        Below(await inner.PutAsync(Full(key), payload, options, progress, cancel).ConfigureAwait(false));

    public override async ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel) =>
        new Writer(this, await inner.OpenWriteAsync(Full(key), options, cancel).ConfigureAwait(false));

    public override async ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel) =>
        Below(await inner.HeadAsync(Full(key), cancel).ConfigureAwait(false));

    public override async IAsyncEnumerable<ListPage> ListAsync(
        string prefix, ListOptions options, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
    {
        var whole = options.StartAfter is null ? options : options with { StartAfter = _prefix + options.StartAfter };
        // the pattern is meant for the key as this store names it
        whole = whole with { Pattern = null };
        await foreach (var page in inner.ListAsync(_prefix + prefix, whole, cancel).ConfigureAwait(false))
        {
            // an object named as the prefix itself marks a directory; here it has no name
            var objects = page.Objects.Where(found => found.Key.Length > _prefix.Length).Select(Below);
            if (options.Pattern is not null)
                objects = objects.Where(found => options.Pattern.IsMatch(found.Key));
            var below = new ListPage([.. objects], [.. page.Prefixes.Select(Strip)]);
            if (below.Objects.Count + below.Prefixes.Count > 0)
                yield return below;
        }
    }

    public override async ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        var failures = await inner.DeleteAsync([.. keys.Select(Listed)], cancel).ConfigureAwait(false);
        return failures.Count == 0 ? failures : [.. failures.Select(failure => failure with { Key = Strip(failure.Key) })];
    }

    public override async ValueTask<ObjectMeta> CopyAsync(
        string source, string destination, PutOptions options, CancellationToken cancel) =>
        Below(await inner.CopyAsync(Full(source), Full(destination), options, cancel).ConfigureAwait(false));

    public override async ValueTask<ObjectMeta> RenameAsync(
        string source, string destination, PutOptions options, CancellationToken cancel) =>
        Below(await inner.RenameAsync(Full(source), Full(destination), options, cancel).ConfigureAwait(false));

    public override ValueTask MakeDirectoryAsync(string key, CancellationToken cancel) => inner.MakeDirectoryAsync(_prefix + key, cancel);

    public override ValueTask FlushDirectoryAsync(string key, CancellationToken cancel) => inner.FlushDirectoryAsync(_prefix + key, cancel);

    public override ValueTask SweepDirectoryAsync(string key, CancellationToken cancel) => inner.SweepDirectoryAsync(_prefix + key, cancel);

    public override ValueTask RemoveDirectoryAsync(string key, CancellationToken cancel) =>
        inner.RemoveDirectoryAsync(_prefix + key, cancel);

    public override bool IsQuickAt(string key) => inner.IsQuickAt(_prefix + key);

    public override ValueTask<TreeDelete?> DeleteTreeAsync(string path, IProgress<long> progress, CancellationToken cancel) =>
        inner.DeleteTreeAsync(_prefix + path, progress, cancel);

    public override ValueTask<string> PresignAsync(string key, PresignOptions options, CancellationToken cancel) =>
        inner.PresignAsync(Full(key), options, cancel);

    public override async ValueTask<IReadOnlyList<UnfinishedUpload>> ListUploadsAsync(string prefix, CancellationToken cancel) =>
        [.. (await inner.ListUploadsAsync(_prefix + prefix, cancel).ConfigureAwait(false)).Select(
                found => found with { Key = found.Key[_prefix.Length..] })];

    public override ValueTask AbortUploadAsync(UnfinishedUpload upload, CancellationToken cancel) =>
        inner.AbortUploadAsync(upload with { Key = Full(upload.Key) }, cancel);

    public override ValueTask<bool> IsDirectoryAsync(string key, CancellationToken cancel) => inner.IsDirectoryAsync(_prefix + key, cancel);

    string Full(string key)
    {
        ObjectKey.Check(Root, key);
        return _prefix + key;
    }

    string Listed(string key)
    {
        ObjectKey.CheckListed(Root, key);
        return _prefix + key;
    }

    string Strip(string key) => key[_prefix.Length..];

    ObjectMeta Below(ObjectMeta meta) => meta with { Key = Strip(meta.Key) };

    sealed class Reader(PrefixStore store, ObjectReader reader) : DelegatingReader(reader)
    {
        public override ObjectMeta Meta { get; } = store.Below(reader.Meta);
    }

    sealed class Writer(PrefixStore store, ObjectWriter writer) : DelegatingWriter(writer)
    {
        public override async ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel) =>
            store.Below(await base.CompleteAsync(cancel).ConfigureAwait(false));
    }
}
