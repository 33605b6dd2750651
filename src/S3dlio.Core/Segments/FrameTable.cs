using System.Buffers.Binary;
using S3dlio.Hashing;

namespace S3dlio.Segments;

/// <summary>Where the records of a frame lie and what their checksums are.</summary>
sealed class FrameTable
{
    readonly uint[] _ends, _checksums;

    FrameTable(long offset, in FrameHeader header, uint[] ends, uint[] checksums)
    {
        Header = header;
        PayloadOffset = offset + FrameHeader.Length + header.TableLength;
        (_ends, _checksums) = (ends, checksums);
    }

    public FrameHeader Header { get; }

    /// <summary>In the file.</summary>
    public long PayloadOffset { get; }

    public int Count => _ends.Length;

    /// <summary>Bytes of all records together.</summary>
    public uint RawLength => _ends[^1];

    public uint Start(int index) => index == 0 ? 0 : _ends[index - 1];

    public uint End(int index) => _ends[index];

    public bool IsRecord(int index, ReadOnlySpan<byte> data) => Crc32C.Compute(data) == _checksums[index];

    public uint Checksum(int index) => _checksums[index];

    /// <summary>Reads a table whose bytes are checked already or not; null when they are not what the header promised.</summary>
    /// <param name="offset">Of the frame in its file.</param>
    /// <param name="header">Of the frame.</param>
    /// <param name="bytes">The table's.</param>
    public static FrameTable? Decode(long offset, in FrameHeader header, ReadOnlySpan<byte> bytes)
    {
        if (Crc32C.Compute(bytes) != header.TableChecksum)
            return null;
        var (ends, checksums) = (new uint[header.Count], new uint[header.Count]);
        uint before = 0;
        for (int i = 0; i < ends.Length; i++)
        {
            uint end = ends[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(i * FrameHeader.EntryLength)..]);
            if (end < before)
                return null;
            before = end;
            checksums[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[((i * FrameHeader.EntryLength) + 4)..]);
        }
        // a packed payload is no longer than what it was made of, and that is no longer than a frame may be
        bool fits = header.Type == FrameType.Packed ? before > header.PayloadLength
            && before <= FramePacking.MostLength : before == header.PayloadLength;
        return fits ? new FrameTable(offset, header, ends, checksums) : null;
    }
}
