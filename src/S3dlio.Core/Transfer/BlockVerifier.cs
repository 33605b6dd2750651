using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>Verifies each block of an object that was read as a whole.</summary>
sealed class BlockVerifier(BlockChecksums blocks) : PieceVerifier
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

    /// <summary>Reads the rest of the first and of the last block of the range.</summary>
    public override async ValueTask ReadEdgesAsync(ObjectReader reader, long begin, long end, bool edges, CancellationToken cancel)
    {
        if (!edges || begin == end)
            return;
        await ReadAsync(reader, blocks.Begin(blocks.At(begin)), begin, cancel).ConfigureAwait(false);
        await ReadAsync(reader, end, blocks.End(blocks.At(end - 1)), cancel).ConfigureAwait(false);
    }

    /// <exception cref="StoreException">ChecksumMismatch: the first block that differs.</exception>
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
                throw StoreException.ChecksumMismatch(uri,
                    $"checksum mismatch over bytes {blocks.Begin(here)}..{end}: {blocks[here]} recorded when it was written, {found} "
                    + "found. The bytes are damaged; validate=False reads them unchecked", blocks.Begin(here));
        }
    }
}
