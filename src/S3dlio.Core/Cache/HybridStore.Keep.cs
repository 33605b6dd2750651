using S3dlio.Storage;

namespace S3dlio.Cache;

public sealed partial class HybridStore
{
    /// <summary>
    /// What is written as a stream is kept in memory until its version is known, up to so many bytes; longer ones are kept when they are
    /// read.
    /// </summary>
    const int MostStreamed = 8 << 20;

    /// <summary>
    /// Keeps what was just written: its blocks, and that there is such an object. The next reader asks the store whether it still is, if it
    /// can be asked.
    /// </summary>
    void KeepWritten(CacheDirectory directory, byte[] identity, ObjectMeta written, ReadOnlyMemory<byte> head,
        IReadOnlyList<LargeMemory> body)
    {
        if (directory.IsResting || identity.Length > ObjectVersion.MostText
            || VersionOf(identity, written) is not { } version)
            return;
        long length = head.Length + body.Sum(static part => part.Length);
        if (length != version.Size)
            return;
        for (long block = 0; block < version.Blocks; block++)
        {
            if (!BlockStore.TryKeep(directory, version, block, Cut(head, body, block * version.BlockSize, version.LengthOf(block)),
                Options))
                return;
        }
        // under no token: another may have written since
        Keep(directory, EntryId.OfMeta(identity), identity,
            new MetaEntry(written, MetaEntry.NoToken, _clock.GetUtcNow(), IsWhole: false, KnowsBlocks: false));
    }

    static List<ReadOnlyMemory<byte>> Cut(ReadOnlyMemory<byte> head, IReadOnlyList<LargeMemory> body, long start, int length)
    {
        var pieces = new List<ReadOnlyMemory<byte>>();
        long at = 0, end = start + length;
        Take(head.Length, (from, count) => head.Slice((int)from, count));
        foreach (var part in body)
            Take(part.Length, (from, count) => part.Slice(from, count));
        return pieces;

        void Take(long partLength, Func<long, int, ReadOnlyMemory<byte>> slice)
        {
            long from = Math.Max(start, at), to = Math.Min(end, at + partLength);
            if (from < to)
                pieces.Add(slice(from - at, (int)(to - from)));
            at += partLength;
        }
    }

    /// <summary>What is written appears when it is complete.</summary>
    sealed class Writer(HybridStore store, string key, ObjectWriter inner) : DelegatingWriter(inner)
    {
        MemoryStream? _written = store.Options.Mode == CacheMode.Through ? new MemoryStream() : null;

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
        {
            await base.WriteAsync(data, cancel).ConfigureAwait(false);
            Note(data);
        }

        public override async ValueTask WriteAsync(IReadOnlyList<ReadOnlyMemory<byte>> pieces, Hashing.Checksum checksum,
            CancellationToken cancel)
        {
            await base.WriteAsync(pieces, checksum, cancel).ConfigureAwait(false);
            foreach (var piece in pieces)
                Note(piece);
        }

        public override async ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel)
        {
            var written = await store.WritingAsync([key], () => base.CompleteAsync(cancel)).ConfigureAwait(false);
            if (_written is { } all)
                store.KeepWritten(store.Directory(), store.Identity(written.Key), written, default,
                    [LargeMemory.From((ReadOnlyMemory<byte>)all.GetBuffer().AsMemory(0, (int)all.Length))]);
            return written;
        }

        void Note(ReadOnlyMemory<byte> data)
        {
            if (_written is { } all && all.Length + data.Length <= MostStreamed)
                all.Write(data.Span);
            else
                _written = null;
        }
    }
}
