namespace S3dlio.Segments;

/// <summary>Which frame of a segment holds a record. One thread adds, any number look.</summary>
sealed class FrameIndex
{
    readonly Lock _gate = new();
    long[] _first = new long[16], _offset = new long[16];
    int _count;

    public int Count
    {
        get
        {
            lock (_gate)
                return _count;
        }
    }

    public void Add(long firstRecord, long offset)
    {
        lock (_gate)
        {
            if (_count == _first.Length)
            {
                Array.Resize(ref _first, 2 * _count);
                Array.Resize(ref _offset, 2 * _count);
            }
            (_first[_count], _offset[_count]) = (firstRecord, offset);
            _count++;
        }
    }

    public (long FirstRecord, long Offset) this[int index]
    {
        get
        {
            lock (_gate)
                return (_first[index], _offset[index]);
        }
    }

    /// <summary>The last frame that begins at or before the record, -1 when there is none.</summary>
    public int Find(long record)
    {
        lock (_gate)
        {
            int at = Array.BinarySearch(_first, 0, _count, record);
            return at >= 0 ? at : ~at - 1;
        }
    }
}
