using System.Buffers.Binary;
using S3dlio.Hashing;

namespace S3dlio.Compression;

/// <summary>
/// A zstd frame of raw blocks (RFC 8878, 3.1.1): data as it is, in the format that every decoder reads. Only what lies around the data is
/// made here, the marks: the frame's header, one of each block, and the hash. The data itself is written from where it is.
/// </summary>
static class RawFrame
{
    const int HeaderLength = 9, BlockHeader = 3, ChecksumLength = 4;

    /// <summary>
    /// Bytes that are hashed in one way and then in the other: they come from the core's first cache the second time. A multiple of a
    /// stripe of XXH64.
    /// </summary>
    const int HashLength = 16 << 10;

    // content size in 4 bytes, single segment, checksum
    const byte Descriptor = 0x80 | 0x20 | 0x04;

    /// <summary>Bytes of the frame's marks.</summary>
    public static int MarksLength(int raw) => HeaderLength + (Blocks(raw) * BlockHeader) + ChecksumLength;

    public static int Length(int raw) => MarksLength(raw) + raw;

    /// <summary>Writes the marks and takes all checksums, in one passage over the data.</summary>
    /// <param name="raw">The frame's content.</param>
    /// <param name="marks">Room for <see cref="MarksLength"/> bytes, in the order in which they lie in the frame.</param>
    /// <returns>What the table holds of the frame.</returns>
    public static FrameInfo Mark(ReadOnlySpan<byte> raw, Span<byte> marks)
    {
        int rawLength = raw.Length;
        BinaryPrimitives.WriteUInt32LittleEndian(marks, SeekableFormat.FrameMagic);
        marks[4] = Descriptor;
        BinaryPrimitives.WriteInt32LittleEndian(marks[5..], rawLength);
        var (whole, frame) = (Checksum.Empty, Checksum.Of(marks[..HeaderLength]));
        var hasher = new XxHash64.Hasher();
        for (int at = HeaderLength; ; at += BlockHeader)
        {
            int count = Math.Min(raw.Length, SeekableFormat.BlockLength);
            bool last = count == raw.Length;
            int header = (count << 3) | (last ? 1 : 0);
            var mark = marks.Slice(at, BlockHeader);
            mark[0] = (byte)header;
            mark[1] = (byte)(header >> 8);
            mark[2] = (byte)(header >> 16);
            var found = Hash(ref hasher, raw[..count], out var rest);
            (whole, frame) = (Checksum.Combine(whole, found, count), Checksum.Combine(frame.Append(mark), found, count));
            raw = raw[count..];
            if (!last)
                continue;
            uint hash = (uint)hasher.Finish(rest);
            var end = marks.Slice(at + BlockHeader, ChecksumLength);
            BinaryPrimitives.WriteUInt32LittleEndian(end, hash);
            return new FrameInfo(Length(rawLength), rawLength, hash, frame.Append(end), whole);
        }
    }

    /// <summary>The frame as the pieces that it is made of: marks and data in turns.</summary>
    public static void Gather(ReadOnlyMemory<byte> raw, ReadOnlyMemory<byte> marks, List<ReadOnlyMemory<byte>> pieces)
    {
        for (int length = HeaderLength + BlockHeader; ; length = BlockHeader)
        {
            int count = Math.Min(raw.Length, SeekableFormat.BlockLength);
            pieces.Add(marks[..length]);
            pieces.Add(raw[..count]);
            (marks, raw) = (marks[length..], raw[count..]);
            if (raw.Length == 0)
                break;
        }
        pieces.Add(marks[..ChecksumLength]);
    }

    /// <param name="hasher">Takes the block but for <paramref name="rest"/>.</param>
    /// <param name="block">Of any length.</param>
    /// <param name="rest">Its last bytes, fewer than a stripe.</param>
    static Checksum Hash(ref XxHash64.Hasher hasher, ReadOnlySpan<byte> block, out ReadOnlySpan<byte> rest)
    {
        var crc = Checksum.Empty;
        while (block.Length >= XxHash64.StripeLength)
        {
            var piece = block[..Math.Min(block.Length / XxHash64.StripeLength * XxHash64.StripeLength, HashLength)];
            crc = crc.Append(piece);
            hasher.Append(piece);
            block = block[piece.Length..];
        }
        rest = block;
        return crc.Append(block);
    }

    static int Blocks(int raw) => Math.Max(1, (raw + SeekableFormat.BlockLength - 1) / SeekableFormat.BlockLength);
}
