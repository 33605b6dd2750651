using System.Runtime.InteropServices;

namespace S3dlio.Table;

/// <summary>
/// Rows that were read from files, by their place there. What lies at a place never changes, so nothing is ever outdated. A place has two
/// ways; of the two the one that was used longer ago makes room. One thread at a time.
/// </summary>
sealed unsafe class RowCache : IDisposable
{
    const int Ways = 2;

    readonly int _stride;
    readonly long _sets;
    long* _places;
    byte* _recent;
    byte* _rows;

    public RowCache(long bytes, int stride)
    {
        _stride = stride;
        _sets = Math.Max(1, bytes / ((Ways * (stride + sizeof(long))) + 1));
        _places = (long*)NativeMemory.Alloc((nuint)(_sets * Ways), sizeof(long));
        for (long i = 0; i < _sets * Ways; i++)
            _places[i] = KeyIndex.None;
        _recent = (byte*)NativeMemory.AllocZeroed((nuint)_sets);
        _rows = (byte*)NativeMemory.Alloc((nuint)(_sets * Ways), (nuint)stride);
    }

    public long Bytes => _sets * ((Ways * (_stride + sizeof(long))) + 1);

    /// <summary>The row, until the next <see cref="Add"/>; null when it is not here.</summary>
    public byte* Find(long place)
    {
        long set = SetOf(place);
        for (int way = 0; way < Ways; way++)
        {
            if (_places[(set * Ways) + way] != place)
                continue;
            _recent[set] = (byte)way;
            return Row(set, way);
        }
        return null;
    }

    public void Add(long place, ReadOnlySpan<byte> row)
    {
        if (Find(place) != null)
            return;
        long set = SetOf(place);
        int way = 1 - _recent[set];
        _places[(set * Ways) + way] = place;
        _recent[set] = (byte)way;
        row.CopyTo(new Span<byte>(Row(set, way), _stride));
    }

    public void Dispose()
    {
        NativeMemory.Free(_places);
        NativeMemory.Free(_recent);
        NativeMemory.Free(_rows);
        _places = null;
        _recent = null;
        _rows = null;
    }

    long SetOf(long place) => (long)(KeyIndex.Hash(place) % (ulong)_sets);

    byte* Row(long set, int way) => _rows + (((set * Ways) + way) * _stride);
}
