using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>Hashes what is read of an object block by block, in any order and from any thread, and compares each block that came whole.</summary>
sealed class BlockCheck(BlockChecksums blocks) : ReadCheck
{
    readonly SortedDictionary<long, (int Length, Checksum Checksum)> _pieces = [];
    readonly Lock _gate = new();

    public override Checksum Append(Checksum before, long offset, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            int length = (int)Math.Min(bytes.Length, blocks.End(blocks.At(offset)) - offset);
            var found = Checksum.Of(bytes[..length]);
            before = Checksum.Combine(before, found, length);
            lock (_gate)
                _pieces[offset] = (length, found);
            offset += length;
            bytes = bytes[length..];
        }
        return before;
    }

    /// <summary>Where the block begins that holds the byte at <paramref name="offset"/>.</summary>
    public long BeginBefore(long offset) => blocks.Begin(blocks.At(offset));

    /// <summary>Where the block ends that holds the byte before <paramref name="offset"/>.</summary>
    public long EndBehind(long offset) => blocks.End(blocks.At(offset - 1));

    /// <summary>Reads a stretch for its checksum alone.</summary>
    public async ValueTask ReadAsync(ObjectReader reader, long begin, long end, CancellationToken cancel)
    {
        if (begin == end)
            return;
        var buffer = new byte[(int)Math.Min(reader.Hints.PartSize, end - begin)];
        while (begin < end)
        {
            var part = buffer.AsMemory(0, (int)Math.Min(buffer.Length, end - begin));
            await reader.ReadAsync(begin, part, cancel).ConfigureAwait(false);
            Append(Checksum.Empty, begin, part.Span);
            begin += part.Length;
        }
    }

    /// <exception cref="StoreException">ChecksumMismatch, of the first block that came whole and is another.</exception>
    public override void Check(string uri)
    {
        long end = -1;
        int block = -1;
        var found = Checksum.Empty;
        foreach (var (offset, (length, checksum)) in _pieces)
        {
            int here = blocks.At(offset);
            bool begins = offset == blocks.Begin(here);
            if (!begins && (here != block || offset != end))
            {
                // the block's beginning was not read
                block = -1;
                continue;
            }
            found = begins ? checksum : Checksum.Combine(found, checksum, length);
            (block, end) = (here, offset + length);
            if (end == blocks.End(here) && found != blocks[here])
                throw new StoreException(ErrorKind.ChecksumMismatch, uri,
                    $"checksum mismatch over bytes {blocks.Begin(here)}..{end}: {blocks[here]} recorded when it was written, {found} found. The bytes are damaged; validate=False reads them unchecked", blocks.Begin(here));
        }
    }
}
