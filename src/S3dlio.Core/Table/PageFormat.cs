using System.Buffers.Binary;
using S3dlio.Hashing;

namespace S3dlio.Table;

enum PageKind : byte
{
    /// <summary>Keys and rows.</summary>
    Rows = 1,

    /// <summary>Keys that were deleted, and the locations from which on a row of theirs is a new one.</summary>
    Deletions = 2,

    /// <summary>How often keys without a row were seen, in place of keys; of several those with the highest number count.</summary>
    Sightings = 3,
}

/// <summary>The first 64 bytes of a page in a file; docs/formats.md has every byte.</summary>
readonly record struct PageHeader
{
    const uint Magic = 0x31475054;

    public required PageKind Kind { get; init; }

    public required int Shard { get; init; }

    /// <summary>Of the shard; of sightings the moment that their checkpoint ends, of deletions 0.</summary>
    public required long Number { get; init; }

    public required int Count { get; init; }

    /// <summary>Bytes of a row; of a page of deletions 0.</summary>
    public required int Stride { get; init; }

    public required uint KeysChecksum { get; init; }

    /// <summary>Of the locations in a page of deletions; 0 in others, whose rows have their own.</summary>
    public required uint LocationsChecksum { get; init; }

    /// <summary>
    /// Up to which the page has changes; each checkpoint ends one. Of several pages of a number the latest counts; 0 in pages that no other
    /// replaces.
    /// </summary>
    public uint Moment { get; init; }

    public void Write(Span<byte> bytes, uint seed)
    {
        bytes[..RowLayout.HeaderBytes].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[8..], (ushort)Shard);
        bytes[10] = (byte)Kind;
        BinaryPrimitives.WriteInt32LittleEndian(bytes[12..], Count);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], Number);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[24..], Stride);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[28..], KeysChecksum);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[32..], LocationsChecksum);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[36..], Moment);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], Crc32C.Append(seed, bytes[8..RowLayout.HeaderBytes]));
    }

    /// <summary>False unless these are the bytes of a page's header of this table.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, uint seed, out PageHeader header)
    {
        header = default;
        if (bytes.Length < RowLayout.HeaderBytes || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic
            || Crc32C.Append(seed, bytes[8..RowLayout.HeaderBytes]) != BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..])
            || bytes[10] is < (byte)PageKind.Rows or > (byte)PageKind.Sightings)
            return false;
        header = new PageHeader
        {
            Kind = (PageKind)bytes[10],
            Shard = BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]),
            Count = BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]),
            Number = BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            Stride = BinaryPrimitives.ReadInt32LittleEndian(bytes[24..]),
            KeysChecksum = BinaryPrimitives.ReadUInt32LittleEndian(bytes[28..]),
            LocationsChecksum = BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]),
            Moment = BinaryPrimitives.ReadUInt32LittleEndian(bytes[36..]),
        };
        return header is { Count: > 0, Number: >= 0, Stride: >= 0 };
    }

    /// <summary>The checksum at the end of a row: also of the place where the row belongs, so that another's is no row.</summary>
    public static uint RowChecksum(ReadOnlySpan<byte> row, uint seed, int shard, long location) =>
        Crc32C.Append(seed ^ (uint)KeyIndex.Hash(location + ((long)shard << 48)), row[..^RowLayout.ChecksumBytes]);

    public static bool IsRow(ReadOnlySpan<byte> row, uint seed, int shard, long location) =>
        RowChecksum(row, seed, shard, location) == BinaryPrimitives.ReadUInt32LittleEndian(row[^RowLayout.ChecksumBytes..]);
}
