using System.Collections.Concurrent;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>
/// A store with a cache in front of it: a directory of this machine that all processes of a user share. What was read lies there by blocks
/// of versions, so it can be missing and never wrong. docs/cache.md has what it promises.
/// </summary>
public sealed partial class HybridStore : DelegatingStore
{
    const int MostFound = 100_000;

    readonly Lock _gate = new();
    readonly ConcurrentDictionary<string, bool> _found = new(StringComparer.Ordinal);
    readonly TimeProvider _clock;
    CacheDirectory _directory;

    /// <param name="backing">Where objects are.</param>
    /// <param name="options">Where the cache is, and how it is to behave.</param>
    /// <param name="clock">Tests have one of their own.</param>
    /// <exception cref="StoreException">The directory cannot be used.</exception>
    public HybridStore(ObjectStore backing, CacheOptions options, TimeProvider? clock = null)
    {
        Backing = options.Mode == CacheMode.Offline ? new OfflineStore(backing) : backing;
        // nobody can be asked: what was kept counts
        Options = options.Mode == CacheMode.Offline ? options with { Validate = CacheValidate.Never } : options;
        _clock = clock ?? TimeProvider.System;
        _directory = CacheDirectory.Open(options.Directory);
    }

    /// <summary>The store behind the cache.</summary>
    public ObjectStore Backing { get; }

    public CacheOptions Options { get; }

    protected override ObjectStore Inner => Backing;

    /// <remarks>
    /// What was found in the cache lately is there still, and takes no longer than a file; should it not be, the call goes on elsewhere.
    /// </remarks>
    public override bool IsQuickAt(string key) =>
        (!WritesBack && Backing.IsQuickAt(key)) || (Options.Validate != CacheValidate.Always && _found.ContainsKey(key));

    /// <remarks>A put waits for a device, and reads look at the journals.</remarks>
    public override bool IsNear => !WritesBack && base.IsNear;

    public override bool IsBrief(long length, PutOptions options) => !WritesBack && base.IsBrief(length, options);

    /// <summary>The store, with a cache in front of it where its options ask for one.</summary>
    /// <param name="store">As it was opened with them.</param>
    /// <param name="options">Those of the store.</param>
    public static ObjectStore Wrap(ObjectStore store, StoreOptions options)
    {
        if (options.Cache.Count == 0 || CacheOptions.Read(options) is not { } cache)
            return store;
        // a cache that is set for all stores is meant for those that are far away
        return options.CacheIsDefault && store.IsNear ? store : new HybridStore(store, cache);
    }

    public override bool IsSameAs(ObjectStore other) =>
        this == other || Backing.IsSameAs(other is HybridStore wrapper ? wrapper.Backing : other);

    protected override (ObjectStore Store, string Key) Innermost(string key) => (Backing, key);

    public override async ValueTask<ObjectMeta> PutAsync(string key, Payload payload, PutOptions options, IProgress<long>? progress,
        CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        ObjectKey.Check(Root, key);
        if (await TryPutBackAsync(key, payload, options, progress, cancel).ConfigureAwait(false) is { } accepted)
            return accepted;
        var now = await BeforeAsync(key, options, cancel).ConfigureAwait(false);
        var written = await WritingAsync([key], () => Backing.PutAsync(key, payload, now, progress, cancel)).ConfigureAwait(false);
        if (Options.Mode == CacheMode.Through)
            KeepWritten(Directory(), Identity(written.Key), written, payload.HeadLength == 0 ? default : payload.Digest(cancel).Head,
                payload.Body);
        return written;
    }

    public override ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        ObjectKey.Check(Root, key);
        return WritesBack && CanWait(options) && (IsOffline || IsKeptByAll(Full(key)))
            ? new(new GatheringWriter(this, key, options, IsOffline ? WriteBack.MostJournaled : MostGathered))
            : OpenThroughAsync(key, options, cancel);
    }

    async ValueTask<ObjectWriter> OpenThroughAsync(string key, PutOptions options, CancellationToken cancel)
    {
        var now = await BeforeAsync(key, options, cancel).ConfigureAwait(false);
        ObjectWriter writer = new Writer(this, key, await Backing.OpenWriteAsync(key, now, cancel).ConfigureAwait(false));
        return _back is null ? writer : new LateWriter(this, key, writer);
    }

    public override async ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        if (WritesBack)
            return await DeleteBackAsync(keys, cancel).ConfigureAwait(false);
        foreach (string key in _back is null && Back() is null ? [] : keys)
            await BeforeAsync(key, PutOptions.Default, cancel).ConfigureAwait(false);
        return await WritingAsync(keys, () => Backing.DeleteAsync(keys, cancel)).ConfigureAwait(false);
    }

    public override async ValueTask<bool> DeleteSeenAsync(string key, ObjectMeta seen, CancellationToken cancel)
    {
        await BeforeAsync(key, PutOptions.Default, cancel).ConfigureAwait(false);
        if (seen.ETag is { } tag && _back is { } back && back.Tags.Real(Full(key), tag) is var real && real != tag)
        {
            // what was told of it before the store had it differs in more than the tag
            if (await Backing.HeadOrNullAsync(key, cancel).ConfigureAwait(false) is not { } now)
                return true;
            if (now.ETag != real || now.Size != seen.Size)
                return false;
            seen = now;
        }
        return await WritingAsync([key], () => Backing.DeleteSeenAsync(key, seen, cancel)).ConfigureAwait(false);
    }

    public override async ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel)
    {
        if (IsOffline)
            return await CopyOfflineAsync(source, destination, options, cancel).ConfigureAwait(false);
        await BeforeAsync(source, PutOptions.Default, cancel).ConfigureAwait(false);
        var now = await BeforeAsync(destination, options, cancel).ConfigureAwait(false);
        return Told(destination,
            await WritingAsync([destination], () => Backing.CopyAsync(source, destination, now, cancel)).ConfigureAwait(false));
    }

    public override async ValueTask<ObjectMeta> RenameAsync(string source, string destination, PutOptions options, CancellationToken cancel)
    {
        if (IsOffline)
        {
            var moved = await CopyOfflineAsync(source, destination, options, cancel).ConfigureAwait(false);
            if (source != destination)
                await DeleteAsync([source], cancel).ConfigureAwait(false);
            return moved;
        }
        await BeforeAsync(source, PutOptions.Default, cancel).ConfigureAwait(false);
        var now = await BeforeAsync(destination, options, cancel).ConfigureAwait(false);
        return Told(destination,
            await WritingAsync([source, destination], () => Backing.RenameAsync(source, destination, now, cancel)).ConfigureAwait(false));
    }

    /// <remarks>Whoever has the address asks the store.</remarks>
    public override async ValueTask<string> PresignAsync(string key, PresignOptions options, CancellationToken cancel)
    {
        await BeforeAsync(key, PutOptions.Default, cancel).ConfigureAwait(false);
        return await Backing.PresignAsync(key, options, cancel).ConfigureAwait(false);
    }

    /// <remarks>Directories go when what was in them is gone.</remarks>
    public override async ValueTask RemoveDirectoryAsync(string key, CancellationToken cancel)
    {
        if (Backing.IsNear)
            await BeforeAllAsync(key, cancel).ConfigureAwait(false);
        await Backing.RemoveDirectoryAsync(key, cancel).ConfigureAwait(false);
    }

    public override async ValueTask<TreeDelete?> DeleteTreeAsync(string path, IProgress<long> progress, CancellationToken cancel)
    {
        await BeforeAllAsync(path.TrimEnd('/'), cancel).ConfigureAwait(false);
        var directory = Directory();
        try
        {
            directory.Tokens.ChangeAll();
            return await Backing.DeleteTreeAsync(path, progress, cancel).ConfigureAwait(false);
        }
        finally
        {
            directory.Tokens.ChangeAll();
        }
    }

    /// <summary>
    /// Runs what changes objects. What others keep of them counts for nothing before it begins and again when it has ended: what was asked
    /// in
    /// between may be of either version.
    /// </summary>
    async ValueTask<T> WritingAsync<T>(IReadOnlyList<string> keys, Func<ValueTask<T>> write)
    {
        var directory = Directory();
        Change(directory, keys);
        try
        {
            return await write().ConfigureAwait(false);
        }
        finally
        {
            Change(directory, keys);
        }
    }

    /// <summary>An object came from the cache.</summary>
    internal void Found(string key)
    {
        if (Options.Validate == CacheValidate.Always || !_found.TryAdd(key, true))
            return;
        if (_found.Count > MostFound)
            _found.Clear();
    }

    void Change(CacheDirectory directory, IReadOnlyList<string> keys)
    {
        foreach (string key in keys)
        {
            if (TryIdentity(key) is { } identity)
                Forget(directory, EntryId.OfMeta(identity));
        }
    }

    /// <summary>What is known of an object counts for nothing.</summary>
    internal void Forget(CacheDirectory directory, string key) => Forget(directory, EntryId.OfMeta(Identity(key)));

    internal static void Forget(CacheDirectory directory, EntryId meta)
    {
        // both: one of them may fail
        directory.Tokens.Change(meta);
        directory.Remove(meta);
    }

    byte[] Identity(string key)
    {
        ObjectKey.Check(Root, key);
        return ObjectVersion.IdentityOf(Backing.Origin, Backing.AddressOf(key));
    }

    /// <summary>Null for what no object can be called; the store says so itself.</summary>
    byte[]? TryIdentity(string key)
    {
        try
        {
            return Identity(key);
        }
        catch (StoreException)
        {
            return null;
        }
    }

    /// <summary>The directory, made anew where somebody took it away.</summary>
    CacheDirectory Directory()
    {
        var directory = Volatile.Read(ref _directory);
        if (directory.IsCurrent)
            return directory;
        lock (_gate)
        {
            try
            {
                if (!_directory.IsCurrent)
                    Volatile.Write(ref _directory, CacheDirectory.Open(Options.Directory));
            }
            catch (StoreException)
            {
                // the old one serves: nothing is found there, and nothing can be kept
                _directory.Judge(IO.Errno.EIO);
            }
            return _directory;
        }
    }
}
