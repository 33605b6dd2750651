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

    /// <returns>Bytes written: <see cref="Length"/> of the raw length.</returns>
    public static int Write(ReadOnlySpan<byte> raw, Span<byte> target)
    {
        int length = Length(raw.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(target, SeekableFormat.FrameMagic);
        target[4] = Descriptor;
        BinaryPrimitives.WriteInt32LittleEndian(target[5..], raw.Length);
        // the whole input is hashed below while its blocks come from the cache
        uint checksum = (uint)XxHash64.Compute(raw);
        int at = HeaderLength;
        do
        {
            int count = Math.Min(raw.Length, SeekableFormat.BlockLength);
            int last = count == raw.Length ? 1 : 0;
            int header = (count << 3) | last;
            target[at] = (byte)header;
            target[at + 1] = (byte)(header >> 8);
            target[at + 2] = (byte)(header >> 16);
            raw[..count].CopyTo(target[(at + BlockHeader)..]);
            at += BlockHeader + count;
            raw = raw[count..];
        }
        while (raw.Length > 0);
        BinaryPrimitives.WriteUInt32LittleEndian(target[at..], checksum);
        return length;
    }
}
