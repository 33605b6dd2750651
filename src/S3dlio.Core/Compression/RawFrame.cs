using System.Buffers.Binary;
using S3dlio.Hashing;

namespace S3dlio.Compression;

/// <summary>A zstd frame of raw blocks (RFC 8878, 3.1.1): data as it is, in the format that every decoder reads.</summary>
static class RawFrame
{
    const int HeaderLength = 9, BlockHeader = 3, ChecksumLength = 4;

    // content size in 4 bytes, single segment, checksum
    const byte Descriptor = 0x80 | 0x20 | 0x04;

    public static int Length(int raw) => HeaderLength + (Math.Max(1, (raw + SeekableFormat.BlockLength - 1) / SeekableFormat.BlockLength) * BlockHeader) + raw + ChecksumLength;

    /// <summary>Writes a frame, with all its checksums taken block by block while the block lies in the core's own cache.</summary>
    /// <returns>What the table holds of it; its length is <see cref="Length"/> of the raw length.</returns>
    public static FrameInfo Write(ReadOnlySpan<byte> raw, Span<byte> target)
    {
        int rawLength = raw.Length;
        BinaryPrimitives.WriteUInt32LittleEndian(target, SeekableFormat.FrameMagic);
        target[4] = Descriptor;
        BinaryPrimitives.WriteInt32LittleEndian(target[5..], rawLength);
        var (whole, frame) = (Checksum.Empty, Checksum.Of(target[..HeaderLength]));
        var hasher = new XxHash64.Hasher();
        uint hash;
        int at = HeaderLength;
        while (true)
        {
            int count = Math.Min(raw.Length, SeekableFormat.BlockLength);
            bool last = count == raw.Length;
            int header = (count << 3) | (last ? 1 : 0);
            target[at] = (byte)header;
            target[at + 1] = (byte)(header >> 8);
            target[at + 2] = (byte)(header >> 16);
            frame = frame.Append(target.Slice(at, BlockHeader));
            at += BlockHeader;
            var block = raw[..count];
            block.CopyTo(target[at..]);
            var found = Checksum.Of(block);
            (whole, frame) = (Checksum.Combine(whole, found, count), Checksum.Combine(frame, found, count));
            at += count;
            if (last)
            {
                hash = (uint)hasher.Finish(block);
                break;
            }
            hasher.Append(block);
            raw = raw[count..];
        }
        BinaryPrimitives.WriteUInt32LittleEndian(target[at..], hash);
        return new FrameInfo(at + ChecksumLength, rawLength, hash, frame.Append(target.Slice(at, ChecksumLength)), whole);
    }
}
