using System.Buffers;
using System.Text;
using S3dlio.Storage;

namespace S3dlio.Cache;

public sealed partial class HybridStore
{
    /// <summary>What the answer that opens an object brings at once: the blocks of this many bytes are fetched by who opened it.</summary>
    const int FirstAnswer = 8 << 20;

    /// <summary>How often an open looks again at what others have changed meanwhile.</summary>
    const int MostLooks = 5;

    public override async ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        ObjectKey.Check(Root, key);
        if (Back() is not { } back)
            return await OpenStoredAsync(key, options, cancel).ConfigureAwait(false);
        if (OpenWaiting(back, key, options) is { } waiting)
            return waiting;
        string full = Full(key);
        if (back.Tags.Real(full, options.IfMatch) is var real && real != options.IfMatch)
            options = options with { IfMatch = real };
        var reader = await OpenStoredAsync(key, options, cancel).ConfigureAwait(false);
        return back.Tags.Known(full, reader.Meta.ETag) is { } tag && tag != reader.Meta.ETag ? new ToldReader(reader, tag) : reader;
    }

    async ValueTask<ObjectReader> OpenStoredAsync(string key, ReadOptions options, CancellationToken cancel)
    {
        byte[] identity = Identity(key);
        var directory = Directory();
        // one answer in its order is for objects that are written all the time: they are not worth keeping
        if (options.OneAnswer || directory.IsResting || identity.Length > ObjectVersion.MostText)
            return await Backing.OpenReadAsync(key, options, cancel).ConfigureAwait(false);
        var id = EntryId.OfMeta(identity);
        long first = options.FirstLength == 0 ? -1 : options.FirstOffset / Options.BlockSize;
        var known = Load(directory, id, identity, key);
        for (int i = 0; i < MostLooks; i++)
        {
            if (known is null)
            {
                using (var flight = directory.Flights.TryBegin(id))
                {
                    // whoever fetched it may have ended between the look and this
                    if (flight is not null && (known = Load(directory, id, identity, key)) is not null)
                        continue;
                    if (flight is not null)
                        return await OpenColdAsync(directory, id, identity, key, options, null, null, cancel).ConfigureAwait(false);
                }
                await directory.Flights.WaitAsync(id, () => directory.Has(id), cancel).ConfigureAwait(false);
                known = Load(directory, id, identity, key);
                continue;
            }
            if (VersionOf(identity, known.Meta) is not { } version)
                break;
            // what is not here comes with the answer that opens the object: to ask first would cost a request, and the version may be gone
            // then
            var open = first >= 0 && first < version.Blocks ? BlockStore.TryOpen(directory, version, first) : null;
            if (open is null && first >= 0 && first < version.Blocks)
            {
                var flight = directory.Flights.TryBegin(version.Id(first));
                if (flight is not null && directory.Has(version.Id(first)))
                {
                    flight.Dispose();
                    continue;
                }
                if (flight is not null)
                    return await OpenColdAsync(directory, id, identity, key, options, version, flight, cancel).ConfigureAwait(false);
                var block = version.Id(first);
                if (!await directory.Flights.WaitAsync(block, () => directory.Has(block), cancel).ConfigureAwait(false))
                    break;
                known = Load(directory, id, identity, key);
                continue;
            }
            try
            {
                var asked = await FreshAsync(directory, id, identity, key, known, options, cancel).ConfigureAwait(false);
                if (asked.Meta.ETag != known.Meta.ETag || asked.Meta.Size != known.Meta.Size)
                {
                    known = asked;
                    continue;
                }
                var reader = new HybridReader(this, directory, version, asked, null, []) { First = open };
                open = null;
                return reader;
            }
            finally
            {
                open?.Dispose();
            }
        }
        return await OpenColdAsync(directory, id, identity, key, options, null, null, cancel).ConfigureAwait(false);
    }

    /// <summary>What is known, or what the store says where that is too old or not enough.</summary>
    /// <exception cref="StoreException">Precondition: it is not the version that the options want.</exception>
    async ValueTask<MetaEntry> FreshAsync(
        CacheDirectory directory, EntryId id, byte[] identity, string key, MetaEntry known, ReadOptions options, CancellationToken cancel)
    {
        bool isWhole = options.FirstOffset == 0 && options.FirstLength is null;
        ulong? token = directory.Tokens.Read(id);
        if (!IsFresh(known, token) || (isWhole && !known.IsWhole && !IsOffline)
            || (options.IfMatch is { } wanted && !IsTag(known.Meta, wanted)))
            known = await AskAsync(directory, id, identity, key, known, token, cancel).ConfigureAwait(false);
        return options.IfMatch is not { } expected || IsTag(known.Meta, expected) ? known
            : throw new StoreException(ErrorKind.Precondition, Root.Child(key),
                $"expected ETag {expected}, found {known.Meta.ETag}: the object was written since");
    }

    public override async ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        ObjectKey.Check(Root, key);
        if (Back() is { } back && back.Find(Full(key)) is { } write)
            return write.Record.Kind == JournalKind.Delete ? throw Gone(key) : write.Meta(key);
        return Told(key, await HeadStoredAsync(key, cancel).ConfigureAwait(false));
    }

    async ValueTask<ObjectMeta> HeadStoredAsync(string key, CancellationToken cancel)
    {
        byte[] identity = Identity(key);
        var directory = Directory();
        if (Options.Validate == CacheValidate.Always || directory.IsResting)
            return await Backing.HeadAsync(key, cancel).ConfigureAwait(false);
        var id = EntryId.OfMeta(identity);
        var known = Load(directory, id, identity, key);
        ulong? token = directory.Tokens.Read(id);
        if (known is not null && (known.IsWhole || IsOffline) && IsFresh(known, token))
            return known.Meta;
        return (await AskAsync(directory, id, identity, key, known, token, cancel).ConfigureAwait(false)).Meta;
    }

    /// <summary>Opens an object whose first bytes are not here: the answer that opens it brings them.</summary>
    /// <param name="directory">Where the cache is.</param>
    /// <param name="id">The name of the object's description.</param>
    /// <param name="identity">The object.</param>
    /// <param name="key">Its key.</param>
    /// <param name="options">Those of the call.</param>
    /// <param name="expected">The version that it had, if it is known.</param>
    /// <param name="flight">Its first block, which the caller took on to fetch; ended here or by the reader.</param>
    /// <param name="cancel">Ends the wait.</param>
    async ValueTask<ObjectReader> OpenColdAsync(
        CacheDirectory directory, EntryId id, byte[] identity, string key, ReadOptions options, ObjectVersion? expected,
        Flights.Flight? flight, CancellationToken cancel)
    {
        try
        {
            ulong? token = directory.Tokens.Read(id);
            var asked = _clock.GetUtcNow();
            var inner = await Backing.OpenReadAsync(key, options, cancel).ConfigureAwait(false);
            if (token is null || VersionOf(identity, inner.Meta) is not { } version)
                return inner;
            bool isWhole = options.FirstOffset == 0 && options.FirstLength is null;
            var entry = new MetaEntry(inner.Meta, token.Value, asked, isWhole, KnowsBlocks: inner.Meta.Blocks is not null);
            var held = new List<(long, Flights.Flight)>();
            long first = options.FirstOffset / version.BlockSize;
            if (flight is not null && expected is not null && expected.Id(first) == version.Id(first))
            {
                held.Add((first, flight));
                flight = null;
            }
            // before others can know the version
            long last = Math.Min(version.Size, options.FirstOffset + Math.Min(options.FirstLength ?? FirstAnswer, FirstAnswer));
            for (long block = first; block * version.BlockSize < last; block++)
            {
                if (directory.Flights.TryBegin(version.Id(block)) is { } begun)
                    held.Add((block, begun));
            }
            Keep(directory, id, identity, entry);
            return new HybridReader(this, directory, version, entry, inner, held);
        }
        finally
        {
            flight?.Dispose();
        }
    }

    /// <summary>Asks the store, and keeps what it says where that is news.</summary>
    async ValueTask<MetaEntry> AskAsync(
        CacheDirectory directory, EntryId id, byte[] identity, string key, MetaEntry? known, ulong? token, CancellationToken cancel)
    {
        var asked = _clock.GetUtcNow();
        Interlocked.Increment(ref directory.Counters.Validations);
        ObjectMeta now;
        try
        {
            now = await Backing.HeadAsync(key, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.NotFound)
        {
            if (known is not null)
                Forget(directory, id);
            throw;
        }
        bool isSame = known is not null && known.Meta.ETag == now.ETag && known.Meta.Size == now.Size;
        if (isSame && now.Blocks is null && known!.KnowsBlocks)
            now = now with { Blocks = known.Meta.Blocks };
        var entry = new MetaEntry(now, token ?? MetaEntry.NoToken, asked, IsWhole: true, KnowsBlocks: isSame && known!.KnowsBlocks
            || now.Blocks is not null);
        // with an answer for each open the time of the last is nobody's concern
        if (token is not null && VersionOf(identity, now) is not null
            && (!isSame || !known!.IsWhole || known.Token != token || Options.Validate != CacheValidate.Always))
            Keep(directory, id, identity, entry);
        return entry;
    }

    bool IsFresh(MetaEntry entry, ulong? token)
    {
        // kept when it was written, and nobody can be asked whether it still is so
        if (IsOffline && entry.Token == MetaEntry.NoToken)
            return true;
        if (token is null || entry.Token != token || Options.Validate == CacheValidate.Always)
            return false;
        var age = _clock.GetUtcNow() - entry.Asked;
        // a clock that was set back tells no age
        return Options.Validate == CacheValidate.Never || (age >= TimeSpan.Zero && age < Options.Ttl);
    }

    void Keep(CacheDirectory directory, EntryId id, byte[] identity, MetaEntry entry)
    {
        byte[] bytes = entry.Write(identity);
        if (bytes.Length <= MetaEntry.MostLength)
            directory.TryPublish(id, [bytes], bytes.Length, Options);
    }

    /// <summary>The checksums of an object's blocks became known.</summary>
    internal void KeepBlocks(CacheDirectory directory, ObjectMeta meta)
    {
        byte[] identity = Identity(meta.Key);
        var id = EntryId.OfMeta(identity);
        if (Load(directory, id, identity, meta.Key) is { } known && known.Meta.ETag == meta.ETag && known.Meta.Size == meta.Size)
            Keep(directory, id, identity, known with { Meta = known.Meta with { Blocks = meta.Blocks }, KnowsBlocks = true });
    }

    static MetaEntry? Load(CacheDirectory directory, EntryId id, byte[] identity, string key)
    {
        using var handle = directory.TryOpen(id, out long length);
        if (handle is null || length > MetaEntry.MostLength)
            return null;
        byte[] bytes = ArrayPool<byte>.Shared.Rent((int)length + 1);
        try
        {
            if (directory.TryRead(handle, bytes.AsSpan(0, (int)length + 1), 0, out int count)
                && MetaEntry.Read(bytes.AsSpan(0, count), identity, key) is { } entry)
            {
                directory.Queue.Touch(id);
                return entry;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
        directory.Remove(id);
        Interlocked.Increment(ref directory.Counters.Damaged);
        return null;
    }

    /// <summary>What names the version; null for one that cannot be told from others, or has no bytes.</summary>
    ObjectVersion? VersionOf(byte[] identity, ObjectMeta meta)
    {
        // a weak tag is one of several versions that mean the same
        if (meta.ETag is not { Length: > 0 } tag || tag.StartsWith("W/", StringComparison.Ordinal) || meta.Size == 0)
            return null;
        byte[] bytes = Encoding.UTF8.GetBytes(tag);
        return identity.Length + bytes.Length > ObjectVersion.MostText ? null
            : new ObjectVersion(identity, bytes, meta.Size, Options.BlockSize);
    }

    static bool IsTag(ObjectMeta meta, string expected) => expected == "*" || meta.ETag?.Trim('"') == expected.Trim('"');
}
