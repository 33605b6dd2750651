namespace S3dlio.Segments;

/// <summary>
/// Which frame of a segment holds a record, and the tables of the frames that were read. One thread adds, any number look.
/// </summary>
sealed class FrameIndex
{
    readonly Lock _gate = new();
    Entries _entries = new(16);
    int _count;

    /// <summary>Replaced by longer ones, so that those who look take no lock.</summary>
    sealed class Entries(int room)
    {
        public readonly long[] First = new long[room], Offset = new long[room];
        public readonly FrameTable?[] Table = new FrameTable?[room];
    }

    public int Count => Volatile.Read(ref _count);

    public (long FirstRecord, long Offset) this[int index]
    {
        get
        {
            var entries = Volatile.Read(ref _entries);
            return (entries.First[index], entries.Offset[index]);
        }
    }

    public void Add(long firstRecord, long offset)
    {
        lock (_gate)
        {
            var entries = _entries;
            if (_count == entries.First.Length)
            {
                var longer = new Entries(2 * _count);
                entries.First.CopyTo(longer.First, 0);
                entries.Offset.CopyTo(longer.Offset, 0);
                entries.Table.CopyTo(longer.Table, 0);
                Volatile.Write(ref _entries, entries = longer);
            }
            (entries.First[_count], entries.Offset[_count]) = (firstRecord, offset);
            Volatile.Write(ref _count, _count + 1);
        }
    }

    /// <summary>The last frame that begins at or before the record, -1 when there is none.</summary>
    public int Find(long record)
    {
        // the count first: arrays that are read after it have so many entries
        int count = Count;
        int at = Array.BinarySearch(Volatile.Read(ref _entries).First, 0, count, record);
        return at >= 0 ? at : ~at - 1;
    }

    /// <summary>The frame's table, where it is kept.</summary>
    public FrameTable? Table(int index) => Volatile.Read(ref Volatile.Read(ref _entries).Table[index]);

    /// <summary>Keeps the frame's table.</summary>
    /// <returns>False when it was kept before.</returns>
    public bool Keep(int index, FrameTable table)
    {
        lock (_gate)
        {
            bool isNew = _entries.Table[index] is null;
            Volatile.Write(ref _entries.Table[index], table);
            return isNew;
        }
    }

    /// <summary>Keeps no table any more.</summary>
    public void DropTables()
    {
        lock (_gate)
            Array.Clear(_entries.Table);
    }
}
