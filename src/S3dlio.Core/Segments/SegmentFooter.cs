using System.Buffers.Binary;
using S3dlio.Hashing;

namespace S3dlio.Segments;

/// <summary>What stands at the end of a sealed segment: a frame whose payload is the index of all others and a summary.</summary>
sealed record SegmentFooter
{
    public const int EntryLength = 16, SummaryLength = 64;

    static ReadOnlySpan<byte> Magic => "S3DLSEAL"u8;

    public required long Offset { get; init; }

    public required long FirstRecord { get; init; }

    /// <summary>The number of the first record of the next segment.</summary>
    public required long EndRecord { get; init; }

    public required long FirstTime { get; init; }

    public required long LastTime { get; init; }

    /// <summary>CRC32C of all bytes of the file before the footer.</summary>
    public required uint BodyChecksum { get; init; }

    public static long LengthFor(int frames) => FrameHeader.Length + ((long)frames * EntryLength) + SummaryLength;

    /// <summary>The footer as a frame: header, index, summary.</summary>
    public byte[] ToBytes(FrameIndex index, in FrameHeader like, uint seed)
    {
        int count = index.Count;
        var bytes = new byte[LengthFor(count)];
        var payload = bytes.AsSpan(FrameHeader.Length);
        for (int i = 0; i < count; i++)
        {
            var (first, offset) = index[i];
            BinaryPrimitives.WriteInt64LittleEndian(payload[(i * EntryLength)..], first);
            BinaryPrimitives.WriteInt64LittleEndian(payload[((i * EntryLength) + 8)..], offset);
        }
        var summary = payload[(count * EntryLength)..];
        Magic.CopyTo(summary);
        BinaryPrimitives.WriteInt64LittleEndian(summary[8..], Offset);
        BinaryPrimitives.WriteInt64LittleEndian(summary[16..], FirstRecord);
        BinaryPrimitives.WriteInt64LittleEndian(summary[24..], EndRecord);
        BinaryPrimitives.WriteInt64LittleEndian(summary[32..], FirstTime);
        BinaryPrimitives.WriteInt64LittleEndian(summary[40..], LastTime);
        BinaryPrimitives.WriteUInt32LittleEndian(summary[56..], BodyChecksum);
        BinaryPrimitives.WriteUInt32LittleEndian(summary[60..], Crc32C.Append(seed, summary[..60]));
        (like with
        {
            Type = FrameType.Footer,
            FirstRecord = EndRecord,
            Count = count,
            PayloadLength = (uint)payload.Length,
            TableChecksum = Crc32C.Compute(payload),
        }).Write(bytes, seed);
        return bytes;
    }

    /// <summary>Reads a summary; false when these are not the last bytes of a sealed segment of this store.</summary>
    public static bool TryReadSummary(ReadOnlySpan<byte> summary, uint seed, out SegmentFooter? footer)
    {
        footer = null;
        if (summary.Length != SummaryLength || !summary.StartsWith(Magic)
            || Crc32C.Append(seed, summary[..60]) != BinaryPrimitives.ReadUInt32LittleEndian(summary[60..]))
            return false;
        footer = new SegmentFooter
        {
            Offset = BinaryPrimitives.ReadInt64LittleEndian(summary[8..]),
            FirstRecord = BinaryPrimitives.ReadInt64LittleEndian(summary[16..]),
            EndRecord = BinaryPrimitives.ReadInt64LittleEndian(summary[24..]),
            FirstTime = BinaryPrimitives.ReadInt64LittleEndian(summary[32..]),
            LastTime = BinaryPrimitives.ReadInt64LittleEndian(summary[40..]),
            BodyChecksum = BinaryPrimitives.ReadUInt32LittleEndian(summary[56..]),
        };
        return true;
    }

    /// <summary>The index of a footer's payload; null when it is not in order.</summary>
    public static FrameIndex? ReadIndex(ReadOnlySpan<byte> entries)
    {
        var index = new FrameIndex();
        var (record, place) = (-1L, (long)SegmentHeader.Length - 1);
        for (; entries.Length >= EntryLength; entries = entries[EntryLength..])
        {
            long first = BinaryPrimitives.ReadInt64LittleEndian(entries), offset = BinaryPrimitives.ReadInt64LittleEndian(entries[8..]);
            if (first <= record || offset <= place)
                return null;
            (record, place) = (first, offset);
            index.Add(first, offset);
        }
        return index;
    }
}
