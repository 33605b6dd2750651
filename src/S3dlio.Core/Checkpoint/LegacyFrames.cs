using S3dlio.Compression;
using S3dlio.Storage;

namespace S3dlio.Checkpoint;

/// <summary>
/// Compressed shards of the original: zstd frames without a seek table, whose raw size is not recorded. They are decoded as a whole, in
/// memory; what would need more than 2 GiB of it is refused.
/// </summary>
static class LegacyFrames
{
    /// <summary>Where the frame does not say how much it holds: so many times its size, doubled until it fits.</summary>
    const int FirstRatio = 4;

    /// <summary>No honest frame holds more raw bytes for each stored one.</summary>
    const long MostRatio = 32_768;

    public static async ValueTask ReadAsync(
        ObjectStore store, ShardRecord shard, Func<long, LargeMemory> allocate, CancellationToken cancel)
    {
        string uri = store.Root.Child(shard.Key);
        ShardCheck.CompareSize(store, shard, (await store.HeadAsync(shard.Key, cancel).ConfigureAwait(false)).Size);
        var read = await CheckpointObjects.ReadAsync(store, shard.Key, Array.MaxLength, cancel).ConfigureAwait(false)
            ?? throw new StoreException(ErrorKind.NotFound, uri, "no such object");
        var raw = Decode(read.Bytes, uri);
        var target = allocate(raw.Length);
        const int piece = 1 << 20;
        for (int at = 0; at < raw.Length; at += piece)
            raw.Slice(at, Math.Min(piece, raw.Length - at)).CopyTo(target.Slice(at, Math.Min(piece, raw.Length - at)));
    }

    internal static ReadOnlyMemory<byte> Decode(byte[] stored, string uri)
    {
        if (stored.Length == 0)
            throw Fault(uri, "it is empty");
        ref byte source = ref stored[0];
        ulong told = Libzstd.FrameContentSize(ref source, (nuint)stored.Length);
        if (told == Libzstd.SizeError)
            throw Fault(uri, "it does not begin with a zstd frame");
        long most = Math.Min(Array.MaxLength, stored.Length * MostRatio);
        long capacity = told == Libzstd.SizeUnknown
            ? Math.Min(most, (long)stored.Length * FirstRatio + 1024)
            : (long)Math.Min(told, (ulong)most);
        using var context = Libzstd.Check(Libzstd.CreateDecompression());
        while (true)
        {
            byte[] raw = new byte[Math.Max(capacity, 1)];
            nuint result = Libzstd.Decompress(context, ref raw[0], (nuint)capacity, ref stored[0], (nuint)stored.Length);
            if (Libzstd.IsError(result) == 0)
                return raw.AsMemory(0, (int)result);
            // zstd has one error for what does not fit and others for what is damaged
            if (!Libzstd.Describe(result).Contains("too small", StringComparison.Ordinal))
                Libzstd.Check(result, reason => Fault(uri, reason));
            if (capacity >= most)
                throw StoreException.InvalidData(uri,
                    $"expected at most {most} raw bytes in the shard, found more; decompress it with 'zstd -d' and load it from there");
            capacity = Math.Min(most, capacity * 2);
        }
    }

    static StoreException Fault(string uri, string detail) => new(ErrorKind.InvalidData, uri, $"the compressed shard is damaged: {detail}");
}
