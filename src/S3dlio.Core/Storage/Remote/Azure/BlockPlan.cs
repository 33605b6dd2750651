using S3dlio.Hashing;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>
/// A payload's body cut into blocks that hold as many small segments as fit, each piece in the caller's memory. Their checksums come in any
/// order and are put together by segment.
/// </summary>
sealed class BlockPlan
{
    readonly Payload _payload;
    readonly List<PayloadBlock> _pieces = [];
    readonly List<(int First, int Count)> _blocks = [];
    readonly Checksum[] _checksums;

    public BlockPlan(Payload payload, int blockLength)
    {
        _payload = payload;
        long filled = 0;
        int first = 0;
        foreach (var piece in payload.Blocks(blockLength))
        {
            if (filled + piece.Bytes.Length > blockLength)
            {
                _blocks.Add((first, _pieces.Count - first));
                (first, filled) = (_pieces.Count, 0);
            }
            _pieces.Add(piece);
            filled += piece.Bytes.Length;
        }
        if (_pieces.Count > first)
            _blocks.Add((first, _pieces.Count - first));
        _checksums = new Checksum[_pieces.Count];
    }

    public int Count => _blocks.Count;

    public ReadOnlyMemory<byte>[] Pieces(int block)
    {
        var (first, count) = _blocks[block];
        var pieces = new ReadOnlyMemory<byte>[count];
        for (int i = 0; i < count; i++)
            pieces[i] = _pieces[first + i].Bytes;
        return pieces;
    }

    /// <summary>Takes note of a block's checksums.</summary>
    public void Note(int block, Checksum[] pieces) => pieces.CopyTo(_checksums, _blocks[block].First);

    /// <summary>Checksums of the object's blocks, cut where its pieces are.</summary>
    public BlockChecksums? Blocks(PayloadDigest digest)
    {
        var stretches = new List<(long, Checksum)>(_pieces.Count + 1) { (digest.Head.Length, Checksum.Of(digest.Head.Span)) };
        for (int i = 0; i < _pieces.Count; i++)
            stretches.Add((_pieces[i].Bytes.Length, _checksums[i]));
        return BlockChecksums.Join(stretches);
    }

    /// <summary>Head and checksum of the whole, once every block's are known.</summary>
    public PayloadDigest Digest()
    {
        var segments = new Checksum[_payload.Body.Count];
        for (int i = 0; i < _pieces.Count; i++)
        {
            ref var segment = ref segments[_pieces[i].Segment];
            segment = Checksum.Combine(segment, _checksums[i], _pieces[i].Bytes.Length);
        }
        return _payload.Digest(segments);
    }
}
