using System.Buffers;
using S3dlio.Hashing;

namespace S3dlio.Storage;

/// <summary>
/// The core operations that a backend has to have, and no others: everything else (get, exists, recursive delete, upload, validation) is
/// built once over these in Transfer, so that every backend has it. Keys are relative to <see cref="Root"/>, separated by <c>/</c>, without
/// a leading one. Every failure is a <see cref="StoreException"/> or, after a cancel, an <see cref="OperationCanceledException"/>.
/// </summary>
public abstract class ObjectStore
{
    /// <summary>The address that keys are relative to.</summary>
    public abstract StoreUri Root { get; }

    /// <summary>Bytes that are copied or read from the page cache in less time than another thread takes to wake.</summary>
    public const long BriefLength = 256 << 10;

    /// <summary>Objects lie in this machine, and what is done here is done on the calling thread: what is small needs no other.</summary>
    public virtual bool IsNear => false;

    /// <summary>
    /// Whether what is done at a key is a matter of microseconds: near, and not on a file system that may wait for a server. The answer
    /// itself never waits.
    /// </summary>
    public virtual bool IsQuickAt(string key) => IsNear;

    /// <summary>Requests over a network that it makes at once; 0 for a store that makes none.</summary>
    public virtual int RequestsAtOnce => 0;

    /// <summary>Whether a put of so many bytes is a matter of microseconds: near, small, and no device waited for.</summary>
    public virtual bool IsBrief(long length, PutOptions options) => IsNear && length <= BriefLength && options.Durable is not true;

    /// <summary>What <see cref="PutOptions.Attributes"/> may name here; all else is refused.</summary>
    public virtual IReadOnlyCollection<string> WritableAttributes => ObjectAttributes.OfContent;

    /// <summary>
    /// True when both are surely the same place, so that a copy from one to the other needs no bytes to pass through here.
    /// </summary>
    public virtual bool IsSameAs(ObjectStore other) => this == other || (GetType() == other.GetType() && Root == other.Root);

    /// <summary>
    /// Each write of an object changes its ETag. False where tags are made of the content and times are whole seconds: the same bytes
    /// written again within one look as if nothing had been written.
    /// </summary>
    public virtual bool TagsEachWrite => true;

    /// <summary>True when both names are surely of one object, as the store sees it and not as they are spelled.</summary>
    /// <param name="key">The one.</param>
    /// <param name="other">Perhaps the same store, perhaps another that is the same place.</param>
    /// <param name="otherKey">The other.</param>
    /// <param name="moves">For a rename: hard links are two objects then, of which one may go.</param>
    public ValueTask<bool> IsSameObjectAsync(string key, ObjectStore other, string otherKey, bool moves, CancellationToken cancel)
    {
        var (mine, myName) = Deepest(this, key);
        var (its, itsName) = Deepest(other, otherKey);
        return mine.IsOneObjectAsync(myName, its, itsName, moves, cancel);
    }

    /// <summary>The same for a store that stands for no other.</summary>
    protected virtual ValueTask<bool> IsOneObjectAsync(
        string key, ObjectStore other, string otherKey, bool moves, CancellationToken cancel) =>
        ValueTask.FromResult(key == otherKey && IsSameAs(other));

    /// <summary>
    /// Tells objects apart that have one address at different places, such as the buckets of one name at two services. What keeps copies
    /// of objects keeps
    /// them under this and <see cref="AddressOf"/>.
    /// </summary>
    public virtual string Origin => "";

    /// <summary>The address of an object, the same whatever prefix or wrapper it is reached through.</summary>
    internal string AddressOf(string key)
    {
        var (store, name) = Deepest(this, key);
        return store.Root.Child(name);
    }

    /// <summary>The store that stands for no other, and what it calls the object.</summary>
    internal (ObjectStore Store, string Key) DeepestOf(string key) => Deepest(this, key);

    static (ObjectStore Store, string Key) Deepest(ObjectStore store, string key)
    {
        while (true)
        {
            var (within, name) = store.Innermost(key);
            if (within == store)
                return (store, name);
            (store, key) = (within, name);
        }
    }

    /// <summary>The store that this one is a part of, and what it calls the object.</summary>
    protected virtual (ObjectStore Store, string Key) Innermost(string key) => (this, key);

    /// <summary>The same, for a store that stands before this one.</summary>
    internal (ObjectStore Store, string Key) InnermostOf(string key) => Innermost(key);

    /// <summary>Opens an object; the reader sees one version of it, whatever happens to the name meanwhile.</summary>
    public abstract ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel);

    /// <summary>Writes a whole object, atomically: readers see the old one or the new one. The CRC32C is taken on the way.</summary>
    /// <returns>The object as stored; its checksum is always set.</returns>
    public abstract ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel);

    /// <summary>Begins an object of unknown length; it appears when the writer completes, or never.</summary>
    public abstract ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel);

    public abstract ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel);

    /// <summary>Lists the keys that begin with the text <paramref name="prefix"/>, page by page, in flat memory.</summary>
    public abstract IAsyncEnumerable<ListPage> ListAsync(string prefix, ListOptions options, CancellationToken cancel);

    /// <summary>Deletes objects; one that is not there counts as deleted.</summary>
    /// <returns>What could not be deleted.</returns>
    public abstract ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel);

    /// <summary>Deletes an object that is still the one that was seen; one that is gone counts as deleted.</summary>
    /// <returns>False, and nothing is deleted, where it is another by now.</returns>
    public virtual async ValueTask<bool> DeleteSeenAsync(string key, ObjectMeta seen, CancellationToken cancel) =>
        await HeadOrNullAsync(key, cancel).ConfigureAwait(false) is not { } now
        || (now.IsAsSeen(seen) && await DeleteMatchingAsync(key, seen, cancel).ConfigureAwait(false));

    /// <summary>
    /// Deletes an object that was as it was seen a moment ago: under its ETag as a condition, where the store has such a thing.
    /// </summary>
    /// <returns>False where it is another by now.</returns>
    protected virtual async ValueTask<bool> DeleteMatchingAsync(string key, ObjectMeta seen, CancellationToken cancel)
    {
        foreach (var failure in await DeleteAsync([key], cancel).ConfigureAwait(false))
            throw failure.Error;
        return true;
    }

    /// <summary>The object as it stands, or null.</summary>
    internal async ValueTask<ObjectMeta?> HeadOrNullAsync(string key, CancellationToken cancel)
    {
        try
        {
            return await HeadAsync(key, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.NotFound)
        {
            return null;
        }
    }

    /// <summary>Copies within the store, metadata and checksum with it, atomically as a put is.</summary>
    public abstract ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel);

    /// <summary>The same of a version that was just seen.</summary>
    protected virtual ValueTask<ObjectMeta> CopySeenAsync(
        ObjectMeta origin, string destination, PutOptions options, CancellationToken cancel) =>
        CopyAsync(origin.Key, destination, options, cancel);

    /// <summary>
    /// What a copy or a rename of an object onto itself comes to, in every store: nothing but the new description, if there is one.
    /// <see cref="CopyAsync"/> leaves all else to this.
    /// </summary>
    /// <exception cref="StoreException">AlreadyExists or Precondition, as for any other destination.</exception>
    public async ValueTask<ObjectMeta> OntoItselfAsync(string key, PutOptions options, CancellationToken cancel)
    {
        var found = await HeadAsync(key, cancel).ConfigureAwait(false);
        if (options.IfMatch is null && !options.Overwrite)
            throw StoreException.Exists(Root.Child(key));
        if (options.IfMatch is { } expected && expected != "*" && expected.Trim('"') != found.ETag?.Trim('"'))
            throw StoreException.WrittenSince(Root.Child(key), expected, found.ETag);
        return options.Describes ? await CopyAsync(key, key, options, cancel).ConfigureAwait(false) : found;
    }

    /// <summary>
    /// Moves an object within the store. The default copies, then deletes what it copied: a crash in between leaves both.
    /// </summary>
    public virtual ValueTask<ObjectMeta> RenameAsync(string source, string destination, PutOptions options, CancellationToken cancel) =>
        CopyThenDeleteAsync(source, destination, options, cancel);

    /// <summary>What <see cref="RenameAsync"/> does where a store cannot do better.</summary>
    protected async ValueTask<ObjectMeta> CopyThenDeleteAsync(
        string source, string destination, PutOptions options, CancellationToken cancel)
    {
        if (source == destination)
            return await OntoItselfAsync(destination, options, cancel).ConfigureAwait(false);
        var move = new Move(this, await HeadAsync(source, cancel).ConfigureAwait(false), this, destination);
        await move.BeginAsync(cancel).ConfigureAwait(false);
        return await move.EndAsync(
            await CopySeenAsync(move.Seen, destination, options, cancel).ConfigureAwait(false), cancel).ConfigureAwait(false);
    }

    /// <summary>Makes a directory and its parents, where the store has such a thing; elsewhere there is nothing to do.</summary>
    public virtual ValueTask MakeDirectoryAsync(string key, CancellationToken cancel)
    {
        ObjectKey.CheckPrefix(Root, key);
        return ValueTask.CompletedTask;
    }

    /// <summary>Removes the directories left empty at and below <paramref name="key"/>, where the store has such a thing.</summary>
    public virtual ValueTask RemoveDirectoryAsync(string key, CancellationToken cancel) => ValueTask.CompletedTask;

    /// <summary>
    /// Has the names in a directory on the device, those that were deleted too, so that what is done next is not there without it after a
    /// crash of the machine. Nothing where the store has no directories, and where there is no such one.
    /// </summary>
    /// <param name="key">With a slash at its end, or empty for the root.</param>
    public virtual ValueTask FlushDirectoryAsync(string key, CancellationToken cancel) => ValueTask.CompletedTask;

    /// <summary>Removes what writers that died left in a directory itself, where the store has such a thing.</summary>
    /// <param name="key">With a slash at its end, or empty for the root.</param>
    public virtual ValueTask SweepDirectoryAsync(string key, CancellationToken cancel) => ValueTask.CompletedTask;

    /// <summary>
    /// Deletes the object of that key and everything below it, where the store does so better than by its listing and
    /// <see cref="DeleteAsync"/>: where names may come to mean something else in between.
    /// </summary>
    /// <param name="path">With a <c>/</c> at its end only what is below.</param>
    /// <param name="progress">Gets the number of objects as they are deleted.</param>
    /// <param name="cancel">Ends it in between.</param>
    /// <returns>Null, and nothing was done, where the store has no way of its own.</returns>
    public virtual ValueTask<TreeDelete?> DeleteTreeAsync(string path, IProgress<long> progress, CancellationToken cancel) =>
        ValueTask.FromResult<TreeDelete?>(null);

    /// <summary>
    /// A presigned URL: it allows one method on one object without credentials until it expires. It is itself a secret.
    /// </summary>
    /// <exception cref="StoreException">InvalidArgument where the store has no such thing.</exception>
    public virtual ValueTask<string> PresignAsync(string key, PresignOptions options, CancellationToken cancel) =>
        throw StoreException.InvalidArgument(Root.Child(key), $"{Root.Scheme}:// has no presigned URLs");

    /// <summary>
    /// The unfinished uploads of keys that begin with <paramref name="prefix"/>; none where the store has no multipart uploads.
    /// </summary>
    public virtual ValueTask<IReadOnlyList<UnfinishedUpload>> ListUploadsAsync(string prefix, CancellationToken cancel) =>
        ValueTask.FromResult<IReadOnlyList<UnfinishedUpload>>([]);

    /// <summary>Throws away what was uploaded; one that is gone already counts as aborted.</summary>
    public virtual ValueTask AbortUploadAsync(UnfinishedUpload upload, CancellationToken cancel) => ValueTask.CompletedTask;

    /// <summary>True for a directory that stands there by itself, even with nothing in it.</summary>
    public virtual ValueTask<bool> IsDirectoryAsync(string key, CancellationToken cancel) => ValueTask.FromResult(false);
}

/// <summary>One version of one object, open for reads at any place. Reads may run at the same time.</summary>
public abstract class ObjectReader : IAsyncDisposable
{
    public abstract ObjectMeta Meta { get; }

    public abstract TransferHints Hints { get; }

    /// <summary>
    /// Checksums of the object's blocks: those that came with it, or what else the store can find out. Null where there are none.
    /// </summary>
    public virtual ValueTask<BlockChecksums?> FindBlocksAsync(CancellationToken cancel) => ValueTask.FromResult(Meta.Blocks);

    /// <summary>Fills <paramref name="destination"/> from <paramref name="offset"/>; both lie within the object's size.</summary>
    /// <remarks>Fewer bytes than the size promised is <see cref="ErrorKind.InvalidData"/>, never a short answer.</remarks>
    public abstract ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel);

    /// <summary>
    /// What was read turned out not to be what was written. A reader that keeps copies of the store's bytes forgets those.
    /// </summary>
    public virtual void Distrust()
    {
    }

    /// <summary>Bytes of what was read that came from a cache of this machine; null where none stands before the store.</summary>
    public virtual long? CachedBytes => null;

    /// <summary>Segments that lie near each other are worth one read; where this is false each has one of its own anyhow.</summary>
    public virtual bool ReadsManyAtOnce => false;

    /// <summary>Fills the targets of <paramref name="segments"/>, which are in the order of their offsets and do not overlap.</summary>
    public virtual async ValueTask ReadAsync(IReadOnlyList<ReadRange> segments, CancellationToken cancel)
    {
        foreach (var segment in segments)
            await ReadAsync(segment.Offset, segment.Target, cancel).ConfigureAwait(false);
    }

    /// <summary>Reads the bytes [begin, end) piece by piece, for who looks at them and keeps none.</summary>
    internal async ValueTask ReadPiecesAsync(long begin, long end, Action<long, ReadOnlyMemory<byte>> take, CancellationToken cancel)
    {
        if (begin >= end)
            return;
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(end - begin, Hints.PartSize));
        try
        {
            while (begin < end)
            {
                var piece = buffer.AsMemory(0, (int)Math.Min(buffer.Length, end - begin));
                await ReadAsync(begin, piece, cancel).ConfigureAwait(false);
                take(begin, piece);
                begin += piece.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public abstract ValueTask DisposeAsync();
}

/// <summary>A writer of one object. Disposing it before <see cref="CompleteAsync"/> leaves nothing behind.</summary>
public abstract class ObjectWriter : IAsyncDisposable
{
    /// <summary>Bytes taken so far.</summary>
    public abstract long Written { get; }

    /// <summary>Takes the next bytes; the memory is the caller's again when the task is done.</summary>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel);

    /// <summary>
    /// The same of bytes that lie in several pieces, and whose checksum the caller has taken: a writer that needs it does not take it
    /// again.
    /// </summary>
    public virtual async ValueTask WriteAsync(IReadOnlyList<ReadOnlyMemory<byte>> pieces, Checksum checksum, CancellationToken cancel)
    {
        foreach (var piece in pieces)
            await WriteAsync(piece, cancel).ConfigureAwait(false);
    }

    /// <summary>Makes the object appear, whole.</summary>
    public abstract ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel);

    public abstract ValueTask DisposeAsync();
}
