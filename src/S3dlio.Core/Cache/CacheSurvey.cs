using S3dlio.Hashing;
using S3dlio.IO;

namespace S3dlio.Cache;

/// <summary>What lies in a cache of one bucket, container or file system.</summary>
/// <param name="Root">Its address, such as <c>s3://bucket/</c>.</param>
/// <param name="Objects">Objects of which anything is kept.</param>
/// <param name="Blocks">Blocks of their bytes.</param>
/// <param name="Bytes">Of all files.</param>
public readonly record struct CacheShare(string Root, long Objects, long Blocks, long Bytes);

/// <summary>An entry that is not what it is called, or whose bytes are not those that were written.</summary>
public readonly record struct CacheDamage(string Path, string What);

/// <param name="Entries">Files that were looked at.</param>
/// <param name="Bytes">Of those.</param>
/// <param name="Damage">What is wrong; readers take each for a miss.</param>
public sealed record CacheCheck(long Entries, long Bytes, IReadOnlyList<CacheDamage> Damage);

/// <summary>Looks through the directory of a cache, also while processes use it, without knowing the stores behind it.</summary>
public static class CacheSurvey
{
    /// <summary>Waits until what this process read is kept.</summary>
    /// <returns>False where the time was over.</returns>
    public static bool Settle(TimeSpan most) => FillQueue.Shared.Drain(most);

    /// <exception cref="Storage.StoreException">NotFound: no cache lies there; or it cannot be used.</exception>
    public static void Find(string directory) => CacheDirectory.OpenExisting(directory);

    /// <summary>What is kept, by the buckets, containers and file systems that it is of.</summary>
    /// <exception cref="Storage.StoreException">NotFound: no cache lies there; or it cannot be used.</exception>
    public static IReadOnlyList<CacheShare> Count(string directory, CancellationToken cancel)
    {
        var cache = Existing(directory);
        SortedDictionary<string, (HashSet<EntryId> Objects, long Blocks, long Bytes)> shares = new(StringComparer.Ordinal);
        byte[] bytes = new byte[MetaEntry.MostLength];
        foreach (var (id, status) in cache.Entries())
        {
            cancel.ThrowIfCancellationRequested();
            // of a block the header tells, of a description all of it
            if (Read(cache, id, bytes, BlockHeader.Length) is not { } head)
                continue;
            var block = BlockHeader.Read(head);
            byte[]? identity = block?.Version.Identity;
            if (block is null)
                identity = Read(cache, id, bytes, bytes.Length) is { } whole ? MetaEntry.IdentityOf(whole) : null;
            string root = identity is null ? "" : RootOf(identity);
            var share = shares.TryGetValue(root, out var known) ? known : ([], 0, 0);
            if (identity is not null)
                share.Objects.Add(EntryId.OfMeta(identity));
            shares[root] = (share.Objects, share.Blocks + (block is null ? 0 : 1), share.Bytes + status.Size);
        }
        return [.. shares.Select(static one => new CacheShare(one.Key, one.Value.Objects.Count, one.Value.Blocks, one.Value.Bytes))];
    }

    /// <summary>Compares every byte with its checksums and every name with what it stands for.</summary>
    /// <param name="directory">The cache.</param>
    /// <param name="removes">What is damaged is removed.</param>
    /// <param name="progress">Hears of bytes.</param>
    /// <param name="cancel">Ends it in between.</param>
    /// <exception cref="Storage.StoreException">NotFound: no cache lies there; or it cannot be used.</exception>
    public static CacheCheck Check(string directory, bool removes, IProgress<long>? progress, CancellationToken cancel)
    {
        var cache = Existing(directory);
        var damage = new List<CacheDamage>();
        long entries = 0, total = 0;
        byte[] bytes = new byte[BlockHeader.Length + CacheOptions.MostBlock + 1];
        foreach (var (id, status) in cache.Entries())
        {
            cancel.ThrowIfCancellationRequested();
            if (Read(cache, id, bytes, bytes.Length) is not { } whole)
                // it was evicted a moment ago
                continue;
            entries++;
            total += whole.Length;
            progress?.Report(whole.Length);
            if (Fault(id, whole) is not { } what)
                continue;
            damage.Add(new CacheDamage(cache.PathOf(id), what));
            if (removes)
                cache.Remove(id);
        }
        if (removes && damage.Count > 0)
            cache.Queue.Recount();
        return new CacheCheck(entries, total, damage);
    }

    /// <summary>Lets go of what would be let go first, until the rest has at most so many bytes.</summary>
    public static CacheAmount Trim(string directory, long size)
    {
        var cache = Existing(directory);
        var (before, bytes) = (cache.Counters.Evicted, cache.Counters.EvictedBytes);
        cache.Queue.Trim(new CacheOptions { Directory = directory, Size = size, MinFree = 0 });
        return new CacheAmount(cache.Counters.Evicted - before, cache.Counters.EvictedBytes - bytes);
    }

    /// <summary>Removes all that is kept.</summary>
    public static CacheAmount Clear(string directory, CancellationToken cancel)
    {
        var cache = Existing(directory);
        var removed = new CacheAmount(0, 0);
        foreach (var (id, status) in cache.Entries())
        {
            cancel.ThrowIfCancellationRequested();
            cache.Remove(id);
            removed = new CacheAmount(removed.Entries + 1, removed.Bytes + status.Size);
        }
        cache.Queue.Recount();
        return removed;
    }

    static CacheDirectory Existing(string directory)
    {
        FillQueue.Shared.Drain();
        return CacheDirectory.OpenExisting(directory);
    }

    static byte[]? Read(CacheDirectory cache, EntryId id, byte[] bytes, int most)
    {
        using var handle = cache.TryOpen(id, out _);
        return handle is not null && cache.TryRead(handle, bytes.AsSpan(0, most), 0, out int count) ? bytes[..count] : null;
    }

    static string? Fault(EntryId id, ReadOnlySpan<byte> bytes)
    {
        if (MetaEntry.IdentityOf(bytes) is { } identity)
            return EntryId.OfMeta(identity) == id ? null : "it is the description of another object than its name says";
        if (BlockHeader.Read(bytes[..Math.Min(bytes.Length, BlockHeader.Length)]) is not { } found)
            return "it is neither a block nor a description, or its first bytes are damaged";
        var (version, block) = found;
        if (version.Id(block) != id)
            return "it is another block than its name says";
        int length = version.LengthOf(block);
        if (bytes.Length != BlockHeader.Length + length)
            return $"it has {bytes.Length} bytes, {BlockHeader.Length + length} were written";
        var data = bytes[BlockHeader.Length..];
        for (int piece = 0; piece < BlockHeader.Pieces(length); piece++)
        {
            int begin = piece * BlockHeader.PieceLength;
            var part = data.Slice(begin, Math.Min(BlockHeader.PieceLength, length - begin));
            if (Crc32C.Compute(part) != BlockHeader.Piece(bytes, piece))
                return $"bytes {begin} to {begin + part.Length} of block {block} of {AddressOf(version.Identity)} have another checksum";
        }
        return null;
    }

    /// <summary>See <see cref="ObjectVersion.IdentityOf"/>.</summary>
    static string AddressOf(ReadOnlySpan<byte> identity) => PathText.Decode(identity[(identity.IndexOf((byte)0) + 1)..]);

    /// <summary>Scheme and bucket, or account and container.</summary>
    static string RootOf(ReadOnlySpan<byte> identity)
    {
        string address = AddressOf(identity);
        return Storage.StoreUri.IsAddress(address) ? (Storage.StoreUri.Parse(address) with { Key = "" }).ToString() : address;
    }
}
