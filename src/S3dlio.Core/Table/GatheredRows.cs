using System.Runtime.InteropServices;

namespace S3dlio.Table;

/// <summary>Rows of several pages, as a checkpoint has them, that come into one page.</summary>
sealed class GatheredRows(RowLayout layout)
{
    readonly long[] _keys = new long[layout.RowsPerPage];
    readonly byte[] _rows = new byte[layout.RowsPerPage * layout.Stride];

    public long Page { get; set; } = -1;

    public int Count { get; private set; }

    public bool HasRoom(int rows) => Count + rows <= layout.RowsPerPage;

    public void Add(long key, ReadOnlySpan<byte> row)
    {
        _keys[Count] = key;
        row.CopyTo(_rows.AsSpan(Count++ * layout.Stride));
    }

    /// <summary>Keys and rows, as a page has them.</summary>
    public void CopyTo(Span<byte> buffer)
    {
        MemoryMarshal.AsBytes(_keys.AsSpan(0, Count)).CopyTo(buffer[RowLayout.HeaderBytes..]);
        _rows.AsSpan(0, Count * layout.Stride).CopyTo(buffer[RowLayout.RowsOffsetOf(Count)..]);
    }

    public void Clear() => (Page, Count) = (-1, 0);
}
