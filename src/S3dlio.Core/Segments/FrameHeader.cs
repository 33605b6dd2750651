using System.Buffers.Binary;
using S3dlio.Hashing;

namespace S3dlio.Segments;

enum FrameType : byte
{
    /// <summary>Records.</summary>
    Data = 1,

    /// <summary>Nothing but a newer <see cref="FrameHeader.SyncedTo"/>.</summary>
    Proof = 2,

    /// <summary>The index at the end of a sealed segment.</summary>
    Footer = 3,

    /// <summary>Records whose payload is one zstd frame; table and checksums are of the records as they were given.</summary>
    Packed = 4,
}

/// <summary>
/// The 64 bytes before a record table. It says at which address it stands, so one that lies elsewhere is known as misplaced, and how far
/// the store was durable when it was built, so what is broken below that address is damage and not the torn end of a crash.
/// </summary>
readonly record struct FrameHeader
{
    public const int Length = 64, EntryLength = 8;

    public FrameType Type { get; init; }

    /// <summary>Of this header's first byte.</summary>
    public long Address { get; init; }

    /// <summary>Number of the first record; of the next one to come in a frame without records.</summary>
    public long FirstRecord { get; init; }

    /// <summary>Every byte below this address was durable when the frame was built.</summary>
    public long SyncedTo { get; init; }

    public uint PayloadLength { get; init; }

    /// <summary>Records of a data frame, entries of a footer's index.</summary>
    public int Count { get; init; }

    /// <summary>CRC32C of the record table; of the whole payload in a footer.</summary>
    public uint TableChecksum { get; init; }

    /// <summary>How often the store had been opened for writing. It never falls along a store.</summary>
    public long Epoch { get; init; }

    /// <summary>Nanoseconds since 1970 when the frame was closed.</summary>
    public long Time { get; init; }

    public bool HasRecords => Type is FrameType.Data or FrameType.Packed;

    public long TableLength => HasRecords ? (long)Count * EntryLength : 0;

    /// <summary>Bytes of the whole frame, padding included.</summary>
    public long FrameLength(int alignment) => Padded(Length + TableLength + PayloadLength, alignment);

    public static long Padded(long length, int alignment) => (length + alignment - 1) & -(long)alignment;

    public void Write(Span<byte> bytes, uint seed)
    {
        bytes[4] = (byte)Type;
        bytes[5..8].Clear();
        BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], Address);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], FirstRecord);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[24..], SyncedTo);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[32..], PayloadLength);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[36..], Count);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[40..], (uint)TableLength);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[44..], TableChecksum);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[48..], Epoch);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[56..], Time);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Crc32C.Append(seed, bytes[4..Length]));
    }

    /// <summary>False unless these are the bytes of a frame that was written at this address of this store.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, uint seed, long address, out FrameHeader header)
    {
        header = default;
        if (bytes.Length < Length || BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]) != address
            || Crc32C.Append(seed, bytes[4..Length]) != BinaryPrimitives.ReadUInt32LittleEndian(bytes))
            return false;
        header = new FrameHeader
        {
            Type = (FrameType)bytes[4],
            Address = address,
            FirstRecord = BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            SyncedTo = BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            PayloadLength = BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]),
            Count = BinaryPrimitives.ReadInt32LittleEndian(bytes[36..]),
            TableChecksum = BinaryPrimitives.ReadUInt32LittleEndian(bytes[44..]),
            Epoch = BinaryPrimitives.ReadInt64LittleEndian(bytes[48..]),
            Time = BinaryPrimitives.ReadInt64LittleEndian(bytes[56..]),
        };
        // a checksum of 32 bits is no proof against bytes that somebody made: sizes are checked by themselves
        return header.Type is >= FrameType.Data and <= FrameType.Packed && header is { Count: >= 0, FirstRecord: >= 0, Epoch: >= 0 }
            && BinaryPrimitives.ReadUInt32LittleEndian(bytes[40..]) == header.TableLength
            && header.FirstRecord <= long.MaxValue - header.Count
            && (!header.HasRecords || header.Count > 0)
            && (header.Type != FrameType.Footer
                || header.PayloadLength == ((long)header.Count * SegmentFooter.EntryLength) + SegmentFooter.SummaryLength);
    }
}
