using System.Buffers.Binary;
using S3dlio.Hashing;

namespace S3dlio.Cache;

/// <summary>
/// The first 4 KiB of a block's file: which block of which version it is, and the CRC32C of each 64 KiB behind it. docs/formats.md has it
/// to
/// the byte.
/// </summary>
static class BlockHeader
{
    public const int Length = 4096, PieceLength = 64 << 10;

    const int Fixed = 64;

    static ReadOnlySpan<byte> Magic => "S3DLBLK1"u8;

    public static int Pieces(int length) => (length + PieceLength - 1) / PieceLength;

    /// <summary>Writes the header of a block.</summary>
    public static void Write(Span<byte> header, ObjectVersion version, long block, int length, ReadOnlySpan<uint> pieces)
    {
        header.Clear();
        WriteSubject(header, version, block, length);
        int at = Fixed;
        foreach (uint piece in pieces)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(header[at..], piece);
            at += sizeof(uint);
        }
        version.Identity.CopyTo(header[at..]);
        version.Tag.CopyTo(header[(at + version.Identity.Length)..]);
        BinaryPrimitives.WriteUInt32LittleEndian(header[(Length - 4)..], Crc32C.Compute(header[..(Length - 4)]));
    }

    /// <summary>Whether this is the whole and undamaged header of that block.</summary>
    public static bool IsOf(ReadOnlySpan<byte> header, ObjectVersion version, long block)
    {
        int length = version.LengthOf(block);
        Span<byte> expected = stackalloc byte[Fixed];
        expected.Clear();
        WriteSubject(expected, version, block, length);
        int texts = Fixed + (Pieces(length) * sizeof(uint));
        return header.Length == Length && header[..Fixed].SequenceEqual(expected)
            && header.Slice(texts, version.Identity.Length).SequenceEqual(version.Identity)
            && header.Slice(texts + version.Identity.Length, version.Tag.Length).SequenceEqual(version.Tag)
            && BinaryPrimitives.ReadUInt32LittleEndian(header[(Length - 4)..]) == Crc32C.Compute(header[..(Length - 4)]);
    }

    public static uint Piece(ReadOnlySpan<byte> header, int piece) =>
        BinaryPrimitives.ReadUInt32LittleEndian(header[(Fixed + (piece * sizeof(uint)))..]);

    /// <summary>Which block of which version it is, for those who look through a cache. Null for what is no header of a block.</summary>
    public static (ObjectVersion Version, long Block)? Read(ReadOnlySpan<byte> header)
    {
        if (header.Length != Length || !header.StartsWith(Magic)
            || BinaryPrimitives.ReadUInt32LittleEndian(header[(Length - 4)..]) != Crc32C.Compute(header[..(Length - 4)]))
            return null;
        int blockSize = BinaryPrimitives.ReadInt32LittleEndian(header[8..]), length = BinaryPrimitives.ReadInt32LittleEndian(header[32..]);
        long size = BinaryPrimitives.ReadInt64LittleEndian(header[16..]), block = BinaryPrimitives.ReadInt64LittleEndian(header[24..]);
        int identity = BinaryPrimitives.ReadUInt16LittleEndian(header[36..]), tag = BinaryPrimitives.ReadUInt16LittleEndian(header[38..]);
        int texts = Fixed + (Pieces(Math.Max(0, length)) * sizeof(uint));
        if (length is < 0 or > CacheOptions.MostBlock || blockSize is <= 0 or > CacheOptions.MostBlock || size < 0 || block < 0
            || block > size / blockSize || texts + identity + tag > Length - sizeof(uint))
            return null;
        var version =
            new ObjectVersion(header.Slice(texts, identity).ToArray(), header.Slice(texts + identity, tag).ToArray(), size, blockSize);
        return version.LengthOf(block) == length ? (version, block) : null;
    }

    static void WriteSubject(Span<byte> header, ObjectVersion version, long block, int length)
    {
        Magic.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[8..], version.BlockSize);
        BinaryPrimitives.WriteInt64LittleEndian(header[16..], version.Size);
        BinaryPrimitives.WriteInt64LittleEndian(header[24..], block);
        BinaryPrimitives.WriteInt32LittleEndian(header[32..], length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[36..], (ushort)version.Identity.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[38..], (ushort)version.Tag.Length);
    }
}
