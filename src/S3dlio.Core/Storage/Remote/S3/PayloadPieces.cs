using System.Security.Cryptography;
using S3dlio.Hashing;

namespace S3dlio.Storage.Remote.S3;

/// <summary>A stretch of a payload as the caller's memory, piece by piece.</summary>
sealed class PayloadPieces
{
    readonly List<ReadOnlyMemory<byte>> _pieces = [];
    readonly List<(int Segment, long Offset)> _places = [];

    /// <summary>Bytes [<paramref name="offset"/>, offset + <paramref name="length"/>) of the payload; those of the head come from <paramref name="head"/>.</summary>
    public PayloadPieces(Payload payload, ReadOnlyMemory<byte> head, long offset, long length)
    {
        Length = length;
        long end = offset + length;
        if (offset < payload.HeadLength)
            Add(-1, offset, head[(int)offset..(int)Math.Min(end, payload.HeadLength)]);
        long start = payload.HeadLength;
        for (int i = 0; i < payload.Body.Count && start < end; i++)
        {
            var segment = payload.Body[i];
            for (long from = Math.Max(offset, start), to = Math.Min(end, start + segment.Length); from < to;)
            {
                int count = (int)Math.Min(to - from, 1 << 30);
                Add(i, from - start, segment.Slice(from - start, count));
                from += count;
            }
            start += segment.Length;
        }
    }

    public PayloadPieces(ReadOnlyMemory<byte> bytes)
    {
        Length = bytes.Length;
        Add(-1, 0, bytes);
    }

    public long Length { get; }

    public IReadOnlyList<ReadOnlyMemory<byte>> Pieces => _pieces;

    /// <summary>The segment that a piece lies in, -1 for the head.</summary>
    public int Segment(int piece) => _places[piece].Segment;

    /// <summary>Where a piece begins in its segment.</summary>
    public long Offset(int piece) => _places[piece].Offset;

    public ReadOnlyMemory<byte> Piece(int piece) => _pieces[piece];

    /// <summary>CRC32C of each piece, and SHA-256 of all where it is wanted, in one pass while each block is in the cache.</summary>
    public PieceHash Hash(bool sign, CancellationToken cancel)
    {
        const int blockLength = 128 << 10;
        var checksums = new Checksum[_pieces.Count];
        var whole = Checksum.Empty;
        using var sha = sign ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
        for (int i = 0; i < _pieces.Count; i++)
        {
            var bytes = _pieces[i].Span;
            while (bytes.Length > 0)
            {
                cancel.ThrowIfCancellationRequested();
                var block = bytes[..Math.Min(blockLength, bytes.Length)];
                checksums[i] = checksums[i].Append(block);
                sha?.AppendData(block);
                bytes = bytes[block.Length..];
            }
            whole = Checksum.Combine(whole, checksums[i], _pieces[i].Length);
        }
        return new PieceHash(whole, checksums, sha is null ? null : Convert.ToHexStringLower(sha.GetHashAndReset()));
    }

    void Add(int segment, long offset, ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length == 0)
            return;
        _pieces.Add(bytes);
        _places.Add((segment, offset));
    }
}

/// <param name="Whole">CRC32C of all pieces together.</param>
/// <param name="Pieces">CRC32C of each.</param>
/// <param name="Sha256">In hexadecimal, where it was wanted.</param>
readonly record struct PieceHash(Checksum Whole, Checksum[] Pieces, string? Sha256);
