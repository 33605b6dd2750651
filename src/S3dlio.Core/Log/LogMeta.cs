using System.Buffers.Binary;
using System.Text;
using S3dlio.Segments;

namespace S3dlio.Log;

/// <summary>
/// What the file META holds: where the log begins, and how far it was durable when META was written, which is at every open, roll,
/// truncation and close, never at a commit.
/// </summary>
sealed record LogMeta
{
    public const string FileName = "META";

    const ushort Version = 1;
    const int FixedLength = 128;

    public required Guid Store { get; init; }

    public required long Begin { get; init; }

    /// <summary>First record of the segment that holds the log's beginning, and the offset of the frame in it.</summary>
    public required long BeginSegment { get; init; }

    public required long BeginOffset { get; init; }

    public required long NewestSegment { get; init; }

    public required long EndRecord { get; init; }

    public required long EndAddress { get; init; }

    /// <summary>How often the log was opened for writing.</summary>
    public required long Epoch { get; init; }

    /// <summary>The writer closed it: the newest segment ends at <see cref="EndAddress"/> and nothing of it is in doubt.</summary>
    public required bool IsClean { get; init; }

    public required long SegmentSize { get; init; }

    public required int Alignment { get; init; }

    public required int RecordSize { get; init; }

    public required string Schema { get; init; }

    public byte[] ToBytes()
    {
        var schema = Encoding.UTF8.GetBytes(Schema);
        var bytes = new byte[FixedLength + schema.Length];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, Version);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2), Version);
        bytes[4] = IsClean ? (byte)1 : (byte)0;
        Store.TryWriteBytes(bytes.AsSpan(16), bigEndian: true, out _);
        long[] numbers = [Begin, BeginSegment, BeginOffset, NewestSegment, EndRecord, EndAddress, Epoch, SegmentSize];
        for (int i = 0; i < numbers.Length; i++)
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(32 + (8 * i)), numbers[i]);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(96), Alignment);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(100), RecordSize);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(104), schema.Length);
        schema.CopyTo(bytes.AsSpan(FixedLength));
        return bytes;
    }

    /// <exception cref="SegmentException">Its checksum is right and it is no META that this version can read.</exception>
    public static LogMeta Parse(ReadOnlySpan<byte> bytes, string path)
    {
        if (bytes.Length < FixedLength)
            throw new SegmentException(
                SegmentFault.Foreign, path, $"META has {bytes.Length} bytes of content, expected {FixedLength} or more");
        int least = BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]);
        if (least > Version)
            throw new SegmentException(
                SegmentFault.Newer, path,
                $"META asks for a reader of format version {least} or newer, this one reads up to {Version}; use a newer version of this "
                    + "library");
        int schema = BinaryPrimitives.ReadInt32LittleEndian(bytes[104..]);
        if (schema < 0 || schema > bytes.Length - FixedLength)
            throw new SegmentException(SegmentFault.Foreign, path, "META's schema is longer than META");
        var numbers = new long[8];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = BinaryPrimitives.ReadInt64LittleEndian(bytes[(32 + (8 * i))..]);
        var meta = new LogMeta
        {
            Store = new Guid(bytes.Slice(16, 16), bigEndian: true),
            Begin = numbers[0],
            BeginSegment = numbers[1],
            BeginOffset = numbers[2],
            NewestSegment = numbers[3],
            EndRecord = numbers[4],
            EndAddress = numbers[5],
            Epoch = numbers[6],
            SegmentSize = numbers[7],
            IsClean = bytes[4] != 0,
            Alignment = BinaryPrimitives.ReadInt32LittleEndian(bytes[96..]),
            RecordSize = BinaryPrimitives.ReadInt32LittleEndian(bytes[100..]),
            Schema = Encoding.UTF8.GetString(bytes.Slice(FixedLength, schema)),
        };
        bool isSane = numbers.All(number => number >= 0) && meta.Begin >= meta.BeginSegment && meta.BeginOffset >= SegmentHeader.Length
            && meta.SegmentSize is >= LogOptions.LeastSegment and <= LogOptions.MostSegment;
        return isSane ? meta : throw new SegmentException(SegmentFault.Foreign, path, "META has a field out of its range");
    }
}
