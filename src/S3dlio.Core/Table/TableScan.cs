using System.Buffers.Binary;

namespace S3dlio.Table;

/// <summary>
/// All rows of a checkpoint, each once, in no order. One thread at a time. Pages are read one after the other, so a table of any size takes
/// the memory of a page and of the index.
/// </summary>
public sealed class TableScan : IDisposable
{
    readonly EmbeddingTable _table;
    readonly bool _isOwner;
    byte[] _page = [];
    int _shard, _row, _count;
    long _number = -1;

    internal TableScan(EmbeddingTable table, bool isOwner) => (_table, _isOwner) = (table, isOwner);

    /// <summary>Of the checkpoint.</summary>
    public long Count => _table.Count;

    /// <summary>Fills as many keys and rows as there is room for.</summary>
    /// <param name="keys">One for each row.</param>
    /// <param name="rows">For each key <see cref="EmbeddingTable.RowBytes"/>.</param>
    /// <returns>How many there are; 0 at the end.</returns>
    /// <exception cref="StoreException">ChecksumMismatch: a row is damaged.</exception>
    public int Next(Span<long> keys, Span<byte> rows)
    {
        int bytes = _table.RowBytes, filled = 0;
        if (rows.Length < (long)keys.Length * bytes)
            throw new StoreException(
                ErrorKind.InvalidArgument, _table.Directory,
                $"expected {(long)keys.Length * bytes} bytes for {keys.Length} rows, found {rows.Length}");
        while (filled < keys.Length)
        {
            if (_row == _count && !NextPage())
                break;
            var row = _table.LiveRow(_shard, _number, _count, _row, _page, out long key);
            _row++;
            if (row.IsEmpty)
                continue;
            keys[filled] = key;
            row[..bytes].CopyTo(rows[(filled * bytes)..]);
            filled++;
        }
        return filled;
    }

    public void Dispose()
    {
        if (_isOwner)
            _table.Dispose();
    }

    bool NextPage()
    {
        while (_shard < _table.Options.Shards)
        {
            if (_table.ReadPage(_shard, ++_number, ref _page, out _count))
            {
                _row = 0;
                if (_count > 0)
                    return true;
                continue;
            }
            (_number, _count, _row) = (-1, 0, 0);
            _shard++;
        }
        return false;
    }
}

public sealed partial class EmbeddingTable
{
    /// <summary>
    /// All rows of the table as they are now. A table that may be written is checkpointed for it, unless nothing changed since the last
    /// checkpoint, and may change meanwhile.
    /// </summary>
    public TableScan Scan(CancellationToken cancel)
    {
        CheckOpen();
        if (IsReadOnly)
            return new TableScan(this, isOwner: false);
        bool isSame = Volatile.Read(ref _changes) == Volatile.Read(ref _changesInCheckpoint);
        long version = isSame ? Version : Checkpoint(waits: true, cancel).Version;
        var options = Options with { IsReadOnly = true, Version = version, Memory = LeastMemory(_layout, _shards.Length) };
        return new TableScan(Open(_disk, Directory, options), isOwner: true);
    }

    /// <summary>
    /// A page of a table that does not change; false when the shard has no such page. A page without a live row has no rows.
    /// </summary>
    internal bool ReadPage(int number, long page, ref byte[] buffer, out int count)
    {
        var shard = _shards[number];
        count = 0;
        lock (shard.Gate)
        {
            if (page >= shard.Pages)
                return false;
            if (page < shard.First || shard.LiveOf(page) == 0)
                return true;
            count = shard.CountOf(page);
        }
        if (buffer.Length < _layout.FileBytes(_layout.RowsPerPage))
            buffer = new byte[_layout.FileBytes(_layout.RowsPerPage)];
        ReadPage(shard, page, buffer.AsSpan(0, _layout.FileBytes(count)));
        return true;
    }

    void ReadPage(Shard shard, long page, Span<byte> bytes)
    {
        try
        {
            long place = shard.PlaceOf(page);
            int read = _files.Read(PageFiles.SegmentOf(place), PageFiles.OffsetOf(place), bytes);
            if (read < bytes.Length)
                throw new StoreException(
                    ErrorKind.ChecksumMismatch, _files.Get(PageFiles.SegmentOf(place)).File.Path,
                    $"expected {bytes.Length} bytes of a page, found {read}", PageFiles.OffsetOf(place));
        }
        catch (Exception error) when (TableErrors.IsOurs(error))
        {
            throw TableErrors.Translate(error, Directory);
        }
    }

    /// <summary>A row of a page that was read; empty when it is no longer the key's.</summary>
    internal ReadOnlySpan<byte> LiveRow(int number, long page, int count, int row, ReadOnlySpan<byte> bytes, out long key)
    {
        var shard = _shards[number];
        key = BinaryPrimitives.ReadInt64LittleEndian(bytes[(RowLayout.HeaderBytes + (row * RowLayout.KeyBytes))..]);
        long location = (page << _layout.PageShift) + row;
        lock (shard.Gate)
        {
            if (shard.Index.Find(KeyIndex.Hash(key), key) != location)
                return default;
        }
        var found = bytes.Slice(RowLayout.RowsOffsetOf(count) + (row * _layout.Stride), _layout.Stride);
        if (PageHeader.IsRow(found, _files.Seed, number, location))
            return found;
        long place = shard.PlaceOf(page);
        throw TableErrors.DamagedRow(_files.Get(PageFiles.SegmentOf(place)).File.Path, PageFiles.OffsetOf(place), key);
    }
}
