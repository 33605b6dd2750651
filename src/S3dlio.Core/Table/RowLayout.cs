using System.Numerics;

namespace S3dlio.Table;

/// <summary>
/// Where the parts of a row and of a page lie. A row has its numbers, the optimizer's float32 slots, 8 bytes about its updates, in tables
/// that keep times the time of the last one, and, at its very end, a CRC32C that is right once its page is written. A page has
/// the keys of its rows, then the rows; in a file there are as many of both as the page has, so that keys can be read without the rows.
/// </summary>
sealed class RowLayout
{
    public const int PageTarget = 256 << 10, MostRowsPerPage = 4096, HeaderBytes = 64, KeyBytes = 8, MetaBytes = 8, TimeBytes = 4,
        ChecksumBytes = 4;

    public RowLayout(int dimension, RowType type, int slots, int rowsPerPage, bool hasTimes)
    {
        (Dimension, Type, Slots, RowsPerPage, HasTimes) = (dimension, type, slots, rowsPerPage, hasTimes);
        (ValueBytes, SlotsOffset, Stride) = Sizes(dimension, type, slots, hasTimes);
        MetaOffset = SlotsOffset + (4 * slots);
        PageShift = BitOperations.Log2((uint)rowsPerPage);
        RowsOffset = Rounded(HeaderBytes + (rowsPerPage * KeyBytes), 64);
        PageBytes = Rounded(RowsOffset + ((long)rowsPerPage * Stride), 64);
    }

    public int Dimension { get; }

    public RowType Type { get; }

    /// <summary>Float32 numbers that the optimizer keeps for a row.</summary>
    public int Slots { get; }

    public bool HasTimes { get; }

    /// <summary>A power of two.</summary>
    public int RowsPerPage { get; }

    public int PageShift { get; }

    /// <summary>Bytes of a row's numbers.</summary>
    public int ValueBytes { get; }

    public int SlotsOffset { get; }

    /// <summary>The step of the last update in 32 bits, then the number of updates in 16, which stays at its most.</summary>
    public int MetaOffset { get; }

    /// <summary>Of <see cref="HasTimes"/>: seconds since 1970 at the last update in 32 bits without a sign.</summary>
    public int TimeOffset => MetaOffset + MetaBytes;

    /// <summary>Bytes of a row with all that belongs to it.</summary>
    public int Stride { get; }

    /// <summary>In a page's memory; <see cref="RowsOffsetOf"/> is that in a file.</summary>
    public int RowsOffset { get; }

    public int PageBytes { get; }

    public static int SizeOf(RowType type) => type == RowType.Float32 ? 4 : 2;

    /// <summary>Of rows of this size as many as make a page of about <paramref name="target"/> bytes.</summary>
    public static int RowsFor(int dimension, RowType type, int slots, bool hasTimes, int target)
    {
        int rows = target / (Sizes(dimension, type, slots, hasTimes).Stride + KeyBytes);
        return Math.Clamp(1 << BitOperations.Log2((uint)Math.Max(rows, 1)), 1, MostRowsPerPage);
    }

    public static int RowsOffsetOf(int count) => HeaderBytes + (count * KeyBytes);

    public int FileBytes(int count) => RowsOffsetOf(count) + (count * Stride);

    static (int Values, int Slots, int Stride) Sizes(int dimension, RowType type, int slots, bool hasTimes)
    {
        int values = dimension * SizeOf(type), at = Rounded(values, 4);
        return (values, at, Rounded(at + (slots * 4) + MetaBytes + (hasTimes ? TimeBytes : 0) + ChecksumBytes, 8));
    }

    static int Rounded(long length, int to) => checked((int)((length + to - 1) / to * to));
}
