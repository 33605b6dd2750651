using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

public sealed partial class HybridStore
{
    /// <summary>Bytes of a stream that are gathered for the journal; longer ones go to the store itself.</summary>
    const int MostGathered = 8 << 20;

    /// <summary>Bytes of a key, and of a part of it, that every store can keep.</summary>
    const int MostKey = 1024, MostName = 255;

    /// <summary>Bytes that the journal leaves free where the options do not say.</summary>
    const long LeastFree = 256L << 20;

    WriteBack? _back;
    CacheDirectory? _backOf;
    string? _prefix;

    bool WritesBack => Options.Mode is CacheMode.Back or CacheMode.Offline;

    bool IsOffline => Options.Mode == CacheMode.Offline;

    /// <summary>The object, as the innermost store calls it.</summary>
    string Full(string key) => (_prefix ??= Backing.DeepestOf("x").Key[..^1]) + key;

    /// <summary>The writes of all processes that wait; null where there are none and none are to come.</summary>
    WriteBack? Back()
    {
        var directory = Directory();
        if (_back is { } known && _backOf == directory)
            return known;
        string root = $"{directory.Path}/journal";
        if (!WritesBack && Interop.Status(root, follow: false, out _) != 0)
            return null;
        lock (_gate)
        {
            if (_back is not null && _backOf == directory)
                return _back;
            WriteBack back;
            try
            {
                back = WriteBack.Shared(directory, root, Backing.DeepestOf("x").Store);
            }
            catch (StoreException error) when (!IsOffline && error.Kind is ErrorKind.Unavailable or ErrorKind.OutOfSpace)
            {
                // a device that is full or dead: writes go to the store
                directory.Judge(Errno.EIO);
                return null;
            }
            Begin(back, directory);
            return back;
        }
    }

    /// <summary>Uses these journals; tests give those of another process.</summary>
    internal void Begin(WriteBack back) => Begin(back, Directory());

    void Begin(WriteBack back, CacheDirectory directory)
    {
        back.Forget = full => Forget(directory, EntryId.OfMeta(IdentityOf(full)));
        back.Keep = (full, written, bytes) => KeepWritten(directory, IdentityOf(full), written, default, [LargeMemory.From(bytes)]);
        back.TakeTurn = (keys, cancel) => directory.Flights.TakeAllAsync(keys.Select(full => EntryId.OfTurn(IdentityOf(full))), cancel);
        if (WritesBack)
        {
            back.HasRoom = length => LocalDisk.Shared.FreeSpace(Options.Directory) - length >= (Options.MinFree ?? LeastFree);
            back.MostWaiting = Options.JournalSize;
        }
        if (Options.Mode == CacheMode.Back)
        {
            back.AdoptNow();
            back.Start();
        }
        (_back, _backOf) = (back, directory);

        byte[] IdentityOf(string full) => ObjectVersion.IdentityOf(back.Store.Origin, back.Store.Root.Child(full));
    }

    /// <summary>What of a put's options a journal can keep.</summary>
    static bool CanWait(PutOptions options) =>
        options is { Overwrite: true, IfMatch: null, Attributes: null, Tags: null, Permissions: null }
        && (options.ContentType is null || IsPlain(options.ContentType))
        && (options.Metadata is null || options.Metadata.All(static pair => IsPlain(pair.Key) && IsPlain(pair.Value)));

    /// <summary>What some stores refuse is theirs to refuse, before it is acknowledged.</summary>
    static bool IsPlain(string text) => text.Length is > 0 and < 1024 && text.All(static c => c is >= ' ' and < '\x7f');

    /// <summary>
    /// What not every store can keep is the store's to refuse too: files have no longer names, Azure drops dots at the end of a part and
    /// takes a backslash for a slash.
    /// </summary>
    static bool IsKeptByAll(string key) => System.Text.Encoding.UTF8.GetByteCount(key) <= MostKey
        && key.All(static c => c is >= ' ' and not '\\' and not '\x7f')
        && key.Split('/').All(static part => System.Text.Encoding.UTF8.GetByteCount(part) <= MostName && !part.EndsWith('.'));

    async ValueTask<ObjectMeta?> TryPutBackAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        if (!WritesBack || !CanWait(options) || payload.Length > WriteBack.MostJournaled || Back() is not { } back)
            return null;
        string full = Full(key);
        ObjectKey.Check(back.Store.Root, full);
        if (!IsOffline && !IsKeptByAll(full))
            return null;
        if (payload.Length > WriteJournal.MostInline)
            await ThreadSwitch.ToPoolAsync();
        var accepted = await back.PutAsync(full, payload, options, !IsOffline, progress, cancel).ConfigureAwait(false);
        if (accepted is null && IsOffline)
            throw new StoreException(ErrorKind.OutOfSpace, Root.Child(key),
                "the journal cannot take the write, and the cache's mode is \"offline\": nothing was acknowledged. Free space in the"
                + " cache's directory, raise cache_journal_size, or open the store with cache_mode=\"back\"");
        return accepted?.Meta(key);
    }

    /// <summary>What waits for an object goes first; the tag that this process was told becomes the store's own.</summary>
    async ValueTask<PutOptions> BeforeAsync(string key, PutOptions options, CancellationToken cancel)
    {
        if (Back() is not { } back || IsOffline)
            return options;
        string full = Full(key);
        if (!WritesBack && back.Find(full) is not null)
            back.Start();
        if (options.Barrier)
            await back.SettleBeforeAsync(full, cancel).ConfigureAwait(false);
        else
            await back.SettleAsync(full, cancel).ConfigureAwait(false);
        return back.Tags.Real(full, options.IfMatch) is var real && real != options.IfMatch ? options with { IfMatch = real } : options;
    }

    /// <summary>The same of everything below a text.</summary>
    async ValueTask BeforeAllAsync(string prefix, CancellationToken cancel)
    {
        if (Back() is not { } back || IsOffline)
            return;
        string full = Full(prefix);
        if (!WritesBack && back.Waiting(full).Count > 0)
            back.Start();
        await back.SettleAsync(one => one.Record.Key.StartsWith(full, StringComparison.Ordinal), cancel).ConfigureAwait(false);
    }

    /// <summary>A description with the tag that this process was told when it wrote the object.</summary>
    ObjectMeta Told(string key, ObjectMeta meta) =>
        _back is { } back && back.Tags.Known(Full(key), meta.ETag) is var tag && tag != meta.ETag ? meta with { ETag = tag } : meta;

    StoreException Gone(string key) => new(ErrorKind.NotFound, Root.Child(key), "no such object: it was deleted");

    /// <summary>The object that waits to be written, open; null where the store is to be asked.</summary>
    JournalReader? OpenWaiting(WriteBack back, string key, ReadOptions options)
    {
        string uri = Root.Child(key), full = Full(key);
        while (back.Find(full) is { } write)
        {
            if (write.Record.Kind == JournalKind.Delete)
                throw Gone(key);
            if (options.IfMatch is { } expected && expected != "*" && expected.Trim('"') != write.Tag)
                throw new StoreException(ErrorKind.Precondition, uri,
                    $"expected ETag {expected}, found {write.Tag}: the object was written since");
            if (JournalReader.TryOpen(write, key, uri) is { } reader)
                return reader;
            // done meanwhile: what took its place, or the store
        }
        return null;
    }

    async ValueTask<IReadOnlyList<DeleteFailure>> DeleteBackAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (Back() is { } back)
        {
            foreach (string key in keys)
                ObjectKey.Check(Root, key);
            bool canWait = IsOffline || keys.All(key => IsKeptByAll(Full(key)));
            if (keys.Count == 0 || (canWait && await back.DeleteAsync([.. keys.Select(Full)], !IsOffline, cancel).ConfigureAwait(false)))
                return [];
            if (!IsOffline)
            {
                var wanted = keys.Select(Full).ToHashSet(StringComparer.Ordinal);
                await back.SettleAsync(one => wanted.Contains(one.Record.Key), cancel).ConfigureAwait(false);
            }
        }
        return await WritingAsync(keys, () => Backing.DeleteAsync(keys, cancel)).ConfigureAwait(false);
    }

    /// <summary>A copy that reads here and waits in the journal.</summary>
    async ValueTask<ObjectMeta> CopyOfflineAsync(string source, string destination, PutOptions options, CancellationToken cancel)
    {
        if (source == destination && CanWait(options) && options.ContentType is null && options.Metadata is null)
            return await HeadAsync(source, cancel).ConfigureAwait(false);
        var reader = await OpenReadAsync(source, ReadOptions.Default, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            if (reader.Meta.Size > WriteBack.MostJournaled || !CanWait(options))
                return await Backing.CopyAsync(source, destination, options, cancel).ConfigureAwait(false);
            var bytes = new byte[reader.Meta.Size];
            await reader.ReadAsync(0, bytes, cancel).ConfigureAwait(false);
            return await PutAsync(destination, new Payload(bytes), options with
            {
                ContentType = options.ContentType ?? reader.Meta.ContentType,
                Metadata = options.Metadata ?? (reader.Meta.Metadata.Count > 0 ? reader.Meta.Metadata : null),
            }, null, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>Waits until what was acknowledged below a text is at the store.</summary>
    /// <param name="prefix">Of keys; empty for all of this store.</param>
    /// <param name="timeout">Null: as long as it takes.</param>
    /// <param name="left">Hears how many writes are left.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>What is left: parked, or not sent in time.</returns>
    public async ValueTask<WaitingWrites> FlushAsync(string prefix, TimeSpan? timeout, Action<long>? left, CancellationToken cancel)
    {
        ObjectKey.CheckPrefix(Root, prefix);
        if (Back() is not { } back)
            return new WaitingWrites([], 0, 0, 0, TimeSpan.Zero);
        if (!IsOffline)
            back.Start();
        await ThreadSwitch.ToPoolAsync();
        return Summary(back, await back.FlushAsync(Full(prefix), timeout, left, cancel).ConfigureAwait(false));
    }

    /// <summary>What was acknowledged below a text, by any process, and is not at the store.</summary>
    public WaitingWrites Waiting(string prefix)
    {
        ObjectKey.CheckPrefix(Root, prefix);
        return Back() is { } back ? Summary(back, back.Waiting(Full(prefix))) : new WaitingWrites([], 0, 0, 0, TimeSpan.Zero);
    }

    /// <summary>Tries parked writes below a text again, or gives them up: then what they were to write is lost.</summary>
    /// <returns>How many.</returns>
    public async ValueTask<int> UnparkAsync(string prefix, bool isGivenUp)
    {
        ObjectKey.CheckPrefix(Root, prefix);
        if (Back() is not { } back)
            return 0;
        if (!IsOffline)
            back.Start();
        await ThreadSwitch.ToPoolAsync();
        return (await back.UnparkAsync(Full(prefix), isGivenUp).ConfigureAwait(false)).Count;
    }

    static WaitingWrites Summary(WriteBack back, List<PendingWrite> writes)
    {
        var now = DateTimeOffset.UtcNow;
        var found = writes.Select(one => new WaitingWrite(back.Store.Root.Child(one.Record.Key), one.Record.Kind == JournalKind.Delete,
            one.Record.Size, one.Record.Time, one.Parked is not null, one.Attempts, one.Parked ?? one.LastError)).ToArray();
        return new WaitingWrites(found, found.Length, found.Sum(static one => one.Size), found.Count(static one => one.IsParked),
            found.Length == 0 ? TimeSpan.Zero : now - found.Min(static one => one.Time));
    }
}

/// <summary>A write that was acknowledged and is not at the store.</summary>
/// <param name="Uri">The object.</param>
/// <param name="IsDelete">It is to be deleted.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Time">When it was acknowledged.</param>
/// <param name="IsParked">The store refused it; it waits for somebody to look.</param>
/// <param name="Attempts">How often this process tried.</param>
/// <param name="Error">Why it is not there.</param>
public sealed record WaitingWrite(
    string Uri, bool IsDelete, long Size, DateTimeOffset Time, bool IsParked, int Attempts, StoreException? Error);

/// <summary>What waits.</summary>
/// <param name="Writes">Oldest first.</param>
/// <param name="Count">How many.</param>
/// <param name="Bytes">Of them.</param>
/// <param name="Parked">How many of them are parked.</param>
/// <param name="Age">Of the oldest.</param>
public sealed record WaitingWrites(IReadOnlyList<WaitingWrite> Writes, int Count, long Bytes, int Parked, TimeSpan Age);
