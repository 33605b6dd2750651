using System.Buffers.Binary;
using S3dlio.Hashing;

namespace S3dlio.Cli.Records;

/// <summary>The frame of a record in a TFRecord file: length (8 bytes), its checksum, payload, its checksum.</summary>
static class TfRecordFrame
{
    public const int HeadLength = 12, TailLength = 4;

    public static void WriteHead(Span<byte> head, int length)
    {
        BinaryPrimitives.WriteInt64LittleEndian(head, length);
        WriteChecksum(head[8..], head[..8]);
    }

    public static void WriteChecksum(Span<byte> target, ReadOnlySpan<byte> data) =>
        BinaryPrimitives.WriteUInt32LittleEndian(target, Masked(Crc32C.Compute(data)));

    /// <summary>Whether four bytes are the checksum of others.</summary>
    public static bool IsChecksum(ReadOnlySpan<byte> told, ReadOnlySpan<byte> data) =>
        BinaryPrimitives.ReadUInt32LittleEndian(told) == Masked(Crc32C.Compute(data));

    /// <summary>TensorFlow turns a CRC and adds a constant, so that the CRC of bytes that hold CRCs is none of them.</summary>
    static uint Masked(uint crc) => ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}
