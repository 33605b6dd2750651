namespace S3dlio.Compression;

/// <summary>
/// Numbers of the formats: zstd frames (RFC 8878), the seek table of zstd's contrib/seekable_format, and our record between the last data
/// frame and the table. docs/formats.md describes the bytes.
/// </summary>
public static class SeekableFormat
{
    /// <summary>Raw bytes of every frame but the last. Half of it costs 0.5% more space on text; twice it saves less.</summary>
    public const int FrameLength = 4 << 20;

    /// <summary>The most frames that are written and read: 16 TiB at our frames' length, and 100 MiB of table in memory.</summary>
    public const int MaxFrames = 1 << 22;

    /// <summary>The most raw bytes of one frame that are read: what one read of a few bytes may have to hold in memory.</summary>
    public const int MaxFrameLength = 128 << 20;

    /// <summary>Raw bytes that one compressed byte can stand for: a block of 4 bytes repeats one byte 128 Ki times.</summary>
    public const long MaxRatio = (128 << 10) / 4;

    /// <summary>Where a key ends that names a compressed object.</summary>
    public const string Suffix = ".zst";

    public const int DefaultLevel = 3;

    internal const uint FrameMagic = 0xFD2FB528, TableMagic = 0x184D2A5E, RecordMagic = 0x184D2A5D, FooterMagic = 0x8F92EAB1;

    /// <summary>Magic number and length of a skippable frame.</summary>
    internal const int SkippableHeader = 8;

    /// <summary>Number of frames, descriptor, magic number.</summary>
    internal const int FooterLength = 9;

    /// <summary>Skippable frames (RFC 8878, 3.1.2) begin with one of sixteen numbers.</summary>
    internal const uint SkippableMagic = 0x184D2A50, SkippableMask = 0xFFFFFFF0;

    /// <summary>In the byte behind a frame's magic number: its content's hash comes last.</summary>
    internal const byte FrameChecksumFlag = 0x04;

    internal const byte ChecksumsFlag = 0x80, ReservedFlags = 0x7C;

    /// <summary>"s3dlio" and the version as a 16-bit number.</summary>
    internal static ReadOnlySpan<byte> RecordName => "s3dlio"u8;

    internal const ushort RecordVersion = 1;

    /// <summary>Everything of the record but one CRC for each data frame.</summary>
    internal const int RecordFixed = SkippableHeader + 8 + 8 + 4 + 4 + 4;

    internal const int BlockLength = 128 << 10;

    /// <summary>
    /// The most bytes that frame data of that length take, compressed by anybody: blocks that do not shrink are stored as they are.
    /// </summary>
    internal static long Bound(long raw) => raw + (raw >> 8) + 1024;

    /// <summary>The key of a compressed object: the suffix is there once.</summary>
    public static string Name(string key) => key.EndsWith(Suffix, StringComparison.Ordinal) ? key : key + Suffix;

    internal static int CheckLevel(int level) => level is >= Libzstd.MinLevel and <= Libzstd.MaxLevel
        ? level
        : throw new ArgumentOutOfRangeException(nameof(level), level, $"compression levels are {Libzstd.MinLevel} to {Libzstd.MaxLevel}");
}
