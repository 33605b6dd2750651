using System.Buffers.Binary;
using System.Security.Cryptography;
using S3dlio.Hashing;

namespace S3dlio.Storage.Remote;

/// <summary>A byte range of a payload, piece by piece in the caller's memory.</summary>
sealed class PayloadPart
{
    readonly List<ReadOnlyMemory<byte>> _pieces = [];
    readonly List<(int Segment, long Offset)> _places = [];

    /// <summary>
    /// Bytes [<paramref name="offset"/>, offset + <paramref name="length"/>) of the payload; those of the head come from
    /// <paramref name="head"/>.
    /// </summary>
    public PayloadPart(Payload payload, ReadOnlyMemory<byte> head, long offset, long length)
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

    public PayloadPart(ReadOnlyMemory<byte> bytes)
    {
        Length = bytes.Length;
        Add(-1, 0, bytes);
    }

    public long Length { get; }

    public IReadOnlyList<ReadOnlyMemory<byte>> Pieces => _pieces;

    /// <summary>The segment that each piece lies in (-1 for the head), and where it begins there.</summary>
    public IReadOnlyList<(int Segment, long Offset)> Places => _places;

    /// <summary>CRC32C of each piece, and what guards the transfer, in one pass while each block is in the cache.</summary>
    public PartHash Hash(TransferHash transfer, CancellationToken cancel)
    {
        const int blockLength = 128 << 10;
        var checksums = new Checksum[_pieces.Count];
        var whole = Checksum.Empty;
        ulong crc64 = 0;
#pragma warning disable CA5351 // MD5 guards against damage here, not against forgery
        using var digest = transfer switch
        {
            TransferHash.Sha256 => IncrementalHash.CreateHash(HashAlgorithmName.SHA256),
            TransferHash.Md5 => IncrementalHash.CreateHash(HashAlgorithmName.MD5),
            _ => null,
        };
#pragma warning restore CA5351
        for (int i = 0; i < _pieces.Count; i++)
        {
            var bytes = _pieces[i].Span;
            while (bytes.Length > 0)
            {
                cancel.ThrowIfCancellationRequested();
                var block = bytes[..Math.Min(blockLength, bytes.Length)];
                checksums[i] = checksums[i].Append(block);
                digest?.AppendData(block);
                if (transfer == TransferHash.Crc64)
                    crc64 = Crc64.Append(crc64, block);
                bytes = bytes[block.Length..];
            }
            whole = Checksum.Combine(whole, checksums[i], _pieces[i].Length);
        }
        string? text = transfer switch
        {
            TransferHash.Sha256 => Convert.ToHexStringLower(digest!.GetHashAndReset()),
            TransferHash.Md5 => Convert.ToBase64String(digest!.GetHashAndReset()),
            TransferHash.Crc64 => PartHash.ToBase64(crc64),
            _ => null,
        };
        return new PartHash(whole, checksums, text);
    }

    void Add(int segment, long offset, ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length == 0)
            return;
        _pieces.Add(bytes);
        _places.Add((segment, offset));
    }
}

/// <summary>What is sent with a body so that the server can check it, besides CRC32C.</summary>
enum TransferHash
{
    None,
    Sha256,
    Md5,
    Crc64,
}

/// <param name="Whole">CRC32C of all pieces together.</param>
/// <param name="Pieces">CRC32C of each.</param>
/// <param name="Transfer">SHA-256 in hexadecimal, MD5 or CRC-64 in base64; null where none was asked for.</param>
readonly record struct PartHash(Checksum Whole, Checksum[] Pieces, string? Transfer)
{
    /// <summary>A CRC-64 as Azure writes it: eight bytes, little-endian.</summary>
    internal static string ToBase64(ulong crc64)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, crc64);
        return Convert.ToBase64String(bytes);
    }
}
