using System.Buffers.Binary;
using System.Text;
using S3dlio.Hashing;

namespace S3dlio.Segments;

/// <summary>The first 4096 bytes of a segment file; docs/formats.md has every byte.</summary>
sealed record SegmentHeader
{
    public const int Length = 4096, MostJson = 2048, Version = 1;

    /// <summary>Incompatible features that this version knows; a reader refuses a file that needs another.</summary>
    public const uint KnownFeatures = PackedFrames;

    /// <summary>Frames may be compressed.</summary>
    public const uint PackedFrames = 1;

    const int JsonOffset = 96, ChecksumOffset = Length - 4;

    static ReadOnlySpan<byte> Magic => "S3DLSEG1"u8;

    /// <summary>Of the store: all its files have the same.</summary>
    public required Guid Store { get; init; }

    /// <summary>0 for the first segment of the store, one more for each that follows.</summary>
    public required long Number { get; init; }

    public required long FirstRecord { get; init; }

    /// <summary>Logical address of the file's byte 0; addresses never repeat in a store's life.</summary>
    public required long BaseAddress { get; init; }

    /// <summary>Of <see cref="KnownFeatures"/>, those that a reader of the file must know.</summary>
    public uint Features { get; init; }

    /// <summary>Nanoseconds since 1970.</summary>
    public required long Created { get; init; }

    /// <summary>Frames begin at multiples of so many bytes, a power of two from 8.</summary>
    public required int Alignment { get; init; }

    /// <summary>Bytes of every record, 0 where they differ.</summary>
    public required int RecordSize { get; init; }

    /// <summary>CRC32C of the footer of the segment before, 0 in the first.</summary>
    public required uint PreviousFooter { get; init; }

    /// <summary>What the records are, for those who read them; UTF-8, at most 2 KiB.</summary>
    public required string Json { get; init; }

    /// <summary>Where the checksums of the store's frames begin.</summary>
    public uint Seed => SeedOf(Store);

    /// <summary>The time for headers and frames: nanoseconds since 1970.</summary>
    public static long Now() => (DateTime.UtcNow.Ticks - DateTime.UnixEpoch.Ticks) * 100;

    public static uint SeedOf(Guid store) => Crc32C.Compute(store.ToByteArray(bigEndian: true));

    public byte[] ToBytes()
    {
        var bytes = new byte[Length];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(10), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), Length);
        Store.TryWriteBytes(bytes.AsSpan(16), bigEndian: true, out _);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(32), Features);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(40), Number);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(48), FirstRecord);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(56), BaseAddress);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(64), Created);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(72), Alignment);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(76), RecordSize);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(80), PreviousFooter);
        int json = Encoding.UTF8.GetBytes(Json, bytes.AsSpan(JsonOffset, MostJson));
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(84), json);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(ChecksumOffset), Crc32C.Compute(bytes.AsSpan(0, ChecksumOffset)));
        return bytes;
    }

    /// <exception cref="SegmentException">Not such a file, damaged, or of a version that this one cannot read.</exception>
    public static SegmentHeader Parse(ReadOnlySpan<byte> bytes, string path)
    {
        if (bytes.Length < Length)
            throw Damaged(path, $"a segment's header has {Length} bytes, the file has only {bytes.Length}");
        bool isMagic = bytes.StartsWith(Magic);
        bool isWhole = Crc32C.Compute(bytes[..ChecksumOffset]) == BinaryPrimitives.ReadUInt32LittleEndian(bytes[ChecksumOffset..]);
        if (!isMagic)
            throw isWhole || !bytes.StartsWith("S3DL"u8) && bytes.ContainsAnyExcept((byte)0)
                ? new SegmentException(SegmentFault.Foreign, path, "this is no segment file: it does not begin with S3DLSEG1", 0)
                : Damaged(path, "the segment's header is damaged: it does not begin with S3DLSEG1");
        int least = BinaryPrimitives.ReadUInt16LittleEndian(bytes[10..]);
        uint features = BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]);
        if (isWhole && least > Version)
            throw Newer(path, $"the file asks for a reader of format version {least} or newer, this one reads up to {Version}");
        if (!isWhole)
            throw Damaged(path, "the segment's header is damaged: its checksum is wrong");
        if ((features & ~KnownFeatures) != 0)
            throw Newer(path, $"the file uses features (0x{features:x}) that this version does not know");
        int json = BinaryPrimitives.ReadInt32LittleEndian(bytes[84..]);
        int alignment = BinaryPrimitives.ReadInt32LittleEndian(bytes[72..]);
        var header = new SegmentHeader
        {
            Store = new Guid(bytes.Slice(16, 16), bigEndian: true),
            Features = features,
            Number = BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]),
            FirstRecord = BinaryPrimitives.ReadInt64LittleEndian(bytes[48..]),
            BaseAddress = BinaryPrimitives.ReadInt64LittleEndian(bytes[56..]),
            Created = BinaryPrimitives.ReadInt64LittleEndian(bytes[64..]),
            Alignment = alignment,
            RecordSize = BinaryPrimitives.ReadInt32LittleEndian(bytes[76..]),
            PreviousFooter = BinaryPrimitives.ReadUInt32LittleEndian(bytes[80..]),
            Json = json is >= 0 and <= MostJson ? Encoding.UTF8.GetString(bytes.Slice(JsonOffset, json)) : "",
        };
        bool isSane = json is >= 0 and <= MostJson && alignment is >= 8 and <= 1 << 20 && (alignment & (alignment - 1)) == 0
            && header is { Number: >= 0, FirstRecord: >= 0, RecordSize: >= 0, BaseAddress: >= 0 and < 1L << 60 };
        return isSane ? header : throw Damaged(path, "the segment's header has a field out of its range");
    }

    static SegmentException Damaged(string path, string detail) => new(SegmentFault.Damaged, path, detail, 0);

    static SegmentException Newer(string path, string detail) =>
        new(SegmentFault.Newer, path, detail + "; read it with a newer version of this library", 0);
}
