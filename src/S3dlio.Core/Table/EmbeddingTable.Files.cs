using System.Runtime.InteropServices;
using S3dlio.IO;

namespace S3dlio.Table;

public sealed partial class EmbeddingTable
{
    /// <summary>Rows that lie this near in a file are read in one piece.</summary>
    const int LongestGap = 4096, LongestRead = 64 << 10;

    /// <summary>From so many rows on, two threads read.</summary>
    const int RowsForTwoReaders = 512;

    /// <summary>True once rows may lie in files only. It changes while the gate is closed.</summary>
    bool _hasLeftMemory;

    delegate void RowSink(in RowMiss miss, ReadOnlySpan<byte> row);

    /// <summary>Bytes of pages that stay in memory; the rest is for rows that were read from files.</summary>
    long PageBudget => Options.Memory - (_hasLeftMemory ? Options.Memory / 8 : 0);

    /// <summary>Fills the rows that a lookup did not find in memory; without rows only memory is filled.</summary>
    unsafe void ReadMisses(BatchPlan plan, ReadOnlySpan<long> keys, Span<byte> rows, CancellationToken cancel)
    {
        int bytes = RowBytes;
        fixed (byte* start = rows)
        {
            nint to = (nint)start;
            ReadRows(plan.Misses, keys, (in RowMiss miss, ReadOnlySpan<byte> row) =>
            {
                if (to != 0)
                    row[..bytes].CopyTo(new Span<byte>((byte*)to + ((long)miss.Position * bytes), bytes));
            }, cancel);
        }
    }

    /// <summary>Fetches into the plan what its keys have in files only.</summary>
    void FetchMisses(BatchPlan plan, ReadOnlySpan<long> keys, CancellationToken cancel)
    {
        var gate = new Lock();
        ReadRows(plan.Misses, keys, (in RowMiss miss, ReadOnlySpan<byte> row) =>
        {
            lock (gate)
                plan.Fetch(miss.Position, miss.Place, row);
        }, cancel);
        plan.Misses.Clear();
    }

    void FindMisses(BatchPlan plan, ReadOnlySpan<long> keys)
    {
        plan.Misses.Clear();
        Enter();
        try
        {
            NoteMisses(plan, keys);
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>In the gate.</summary>
    void NoteMisses(BatchPlan plan, ReadOnlySpan<long> keys)
    {
        foreach (var shard in _shards)
        {
            lock (shard.Gate)
                shard.FindMisses(keys, plan);
        }
    }

    /// <summary>
    /// Reads rows, in the order of the files and near ones together, checks each and hands it over, by one or two threads. The caller keeps
    /// files from being removed.
    /// </summary>
    void ReadRows(List<RowMiss> misses, ReadOnlySpan<long> keys, RowSink sink, CancellationToken cancel)
    {
        if (misses.Count == 0)
            return;
        misses.Sort(static (one, other) => (one.Segment, one.Offset).CompareTo((other.Segment, other.Offset)));
        var pieces = new List<(int From, int To)>();
        var all = CollectionsMarshal.AsSpan(misses);
        for (int from = 0, to; from < all.Length; from = to)
        {
            for (to = from + 1; to < all.Length && all[to].Segment == all[from].Segment
                && all[to].Offset - all[to - 1].Offset <= _layout.Stride + LongestGap
                && all[to].Offset + _layout.Stride - all[from].Offset <= Math.Max(LongestRead, _layout.Stride); to++)
            {
            }
            pieces.Add((from, to));
        }
        int workers = misses.Count >= RowsForTwoReaders ? 2 : 1, next = -1;
        var wanted = keys.ToArray();
        ParallelWork.RunAsync(
            workers,
            stop =>
            {
                var buffer = new byte[Math.Max(LongestRead, _layout.Stride)];
                for (int i; (i = Interlocked.Increment(ref next)) < pieces.Count;)
                {
                    stop.ThrowIfCancellationRequested();
                    ReadPiece(misses, pieces[i].From, pieces[i].To, wanted, buffer, sink);
                }
                return Task.CompletedTask;
            },
            cancel).GetAwaiter().GetResult();
        Interlocked.Add(ref _diskRows, misses.Count);
        LoadPages(misses, cancel);
    }

    void ReadPiece(List<RowMiss> misses, int from, int to, long[] keys, byte[] buffer, RowSink sink)
    {
        var first = misses[from];
        var bytes = buffer.AsSpan(0, (int)(misses[to - 1].Offset + _layout.Stride - first.Offset));
        int count = _files.Read(first.Segment, first.Offset, bytes);
        for (int i = from; i < to; i++)
        {
            var miss = misses[i];
            int at = (int)(miss.Offset - first.Offset);
            if (at + _layout.Stride > count || !PageHeader.IsRow(bytes.Slice(at, _layout.Stride), _files.Seed, miss.Shard, miss.Location))
                throw TableErrors.DamagedRow(_files.Get(miss.Segment).File.Path, miss.Offset, keys[miss.Position]);
            var row = bytes.Slice(at, _layout.Stride);
            sink(miss, row);
            var shard = _shards[miss.Shard];
            lock (shard.Gate)
            {
                shard.Cache ??= new RowCache(Options.Memory / 8 / _shards.Length, _layout.Stride);
                shard.Cache.Add(miss.Place, row);
            }
        }
    }

    /// <summary>Takes whole pages into memory that is free, once enough of their rows were asked for.</summary>
    void LoadPages(List<RowMiss> misses, CancellationToken cancel)
    {
        byte[]? buffer = null;
        foreach (var miss in misses)
        {
            var shard = _shards[miss.Shard];
            long page = miss.Location >> _layout.PageShift;
            if (_arena.Used + _layout.PageBytes > PageBudget * 3 / 4)
                return;
            int count;
            long place;
            lock (shard.Gate)
            {
                if (!shard.IsWanted(page))
                    continue;
                (count, place) = (shard.CountOf(page), shard.PlaceOf(page));
            }
            cancel.ThrowIfCancellationRequested();
            buffer ??= new byte[_layout.FileBytes(_layout.RowsPerPage)];
            var bytes = buffer.AsSpan(0, _layout.FileBytes(count));
            // a damaged row is told of when it is asked for
            if (_files.Read(PageFiles.SegmentOf(place), PageFiles.OffsetOf(place), bytes) < bytes.Length
                || !IsWhole(bytes, shard.Number, page, count))
                continue;
            Enter();
            try
            {
                lock (shard.Gate)
                    shard.Load(page, place, bytes);
            }
            finally
            {
                _gate.Leave();
            }
        }
    }

    /// <summary>Whether every row of a page that was read is what was written there.</summary>
    bool IsWhole(ReadOnlySpan<byte> page, int shard, long number, int count)
    {
        for (int row = 0; row < count; row++)
        {
            var bytes = page.Slice(RowLayout.RowsOffsetOf(count) + (row * _layout.Stride), _layout.Stride);
            if (!PageHeader.IsRow(bytes, _files.Seed, shard, (number << _layout.PageShift) + row))
                return false;
        }
        return true;
    }

    /// <summary>
    /// Sees to it that so many new rows fit into memory beside what is there: writes pages to files and gives their memory back. Outside of
    /// the gate.
    /// </summary>
    void MakeRoom(int rows)
    {
        // a checkpoint under way may have to keep the rows as they were, too
        long needed = ((rows * (_frozen is null ? 1L : 2L) / _layout.RowsPerPage) + _shards.Length) * _layout.PageBytes;
        if (_arena.Used + needed <= PageBudget)
            return;
        lock (_writing)
        {
            if (_arena.Used + needed <= PageBudget)
                return;
            // an eighth at once, so that this is seldom
            long least = PageBudget / 8, over = _arena.Used + needed - PageBudget;
            long pages = (Math.Max(least, over) + _layout.PageBytes - 1) / _layout.PageBytes;
            LeaveMemory((pages + _shards.Length - 1) / _shards.Length);
        }
    }

    /// <summary>Writes so many pages of each shard to files and gives their memory back. The caller has <see cref="_writing"/>.</summary>
    void LeaveMemory(long each)
    {
        WriteGathered();
        var leaving = new List<long>[_shards.Length];
        foreach (var shard in _shards)
        {
            lock (shard.Gate)
                leaving[shard.Number] = shard.Leave(each);
        }
        bool isReleased = false;
        try
        {
            foreach (var shard in _shards)
            {
                foreach (long page in leaving[shard.Number])
                    WriteLeaving(shard, page);
            }
            _gate.Close();
            try
            {
                if (_isClosed)
                    throw TableErrors.Closed(Directory);
                _hasLeftMemory = true;
                foreach (var shard in _shards)
                    shard.Release(leaving[shard.Number]);
                isReleased = true;
                _releases += leaving.Sum(one => one.Count);
            }
            finally
            {
                _gate.Open();
            }
        }
        finally
        {
            foreach (var shard in _shards)
            {
                lock (shard.Gate)
                {
                    if (!isReleased)
                        shard.Stay(leaving[shard.Number]);
                }
            }
        }
    }

    /// <summary>Brings a page that leaves memory to a file: as the checkpoint under way needs it, and as it is.</summary>
    void WriteLeaving(Shard shard, long page)
    {
        bool isPending, isLive;
        lock (shard.Gate)
            isPending = shard.IsPending(page);
        if (isPending)
            WritePending(shard, page, mayGather: false);
        lock (shard.Gate)
            isLive = shard.LiveOf(page) > 0 && shard.IsChanged(page);
        if (!isLive)
            return;
        uint moment = shard.Moment;
        int count = CopyPage(shard, page, out _);
        long place = Append(shard, page, _page, count, moment, isOfNext: _frozen is not null);
        lock (shard.Gate)
        {
            // the checkpoint under way has the page where it was
            if (_frozen is not null && shard.PlaceOf(page) != Shard.NoPlace && _frozen.IsLive(shard.Number, page))
                _frozen.Needed.Add(PageFiles.SegmentOf(shard.PlaceOf(page)));
            shard.SetPlace(page, place);
        }
    }

    /// <summary>
    /// Writes a page as it was when the checkpoint under way began. Where little of it changed, the rows that did come into another page
    /// with such rows, and the file of the page stays what it is. The caller has <see cref="_writing"/>.
    /// </summary>
    void WritePending(Shard shard, long page, bool mayGather)
    {
        var frozen = _frozen!;
        if (!frozen.IsLive(shard.Number, page))
        {
            lock (shard.Gate)
                shard.EndPending(page);
            return;
        }
        int count = CopyPage(shard, page, out int changed);
        bool hasFile;
        lock (shard.Gate)
            hasFile = shard.PlaceOf(page) != Shard.NoPlace;
        if (hasFile && (changed == 0 || (mayGather && changed <= count / SmallPart && TryGather(shard, page, changed))))
        {
            lock (shard.Gate)
                shard.EndPending(page);
            return;
        }
        long place = Append(shard, page, _page, count, frozen.Moment, isOfNext: false);
        frozen.Needed.Add(PageFiles.SegmentOf(place));
        lock (shard.Gate)
        {
            shard.SetPlace(page, place);
            shard.EndPending(page);
        }
    }

    bool TryGather(Shard shard, long page, int changed)
    {
        if (_arena.Used + _layout.PageBytes > PageBudget)
            return false;
        var gathered = _gathered[shard.Number] ??= new GatheredRows(_layout);
        if (!gathered.HasRoom(changed))
            WriteGathered(shard.Number);
        lock (shard.Gate)
        {
            if (gathered.Page < 0)
                gathered.Page = shard.NewGathering();
            return shard.TryGather(page, _page, gathered.Page, gathered);
        }
    }

    void WriteGathered()
    {
        for (int i = 0; i < _shards.Length; i++)
            WriteGathered(i);
    }

    void WriteGathered(int number)
    {
        if (_gathered[number] is not { } gathered)
            return;
        if (gathered.Count == 0)
        {
            // nothing came into its page, which may leave memory as any other
            gathered.Clear();
            return;
        }
        var shard = _shards[number];
        _gatheredPage ??= new byte[_page.Length];
        gathered.CopyTo(_gatheredPage);
        long place = Append(shard, gathered.Page, _gatheredPage, gathered.Count, _frozen!.Moment, isOfNext: false);
        _frozen.Needed.Add(PageFiles.SegmentOf(place));
        lock (shard.Gate)
            shard.EndGathering(gathered.Page, place);
        gathered.Clear();
    }

    /// <summary>Copies a page into <see cref="_page"/>; rows that change meanwhile are put back for the checkpoint under way.</summary>
    int CopyPage(Shard shard, long page, out int changed)
    {
        // it stays in memory until it is written: who gives memory back has the same lock
        Enter();
        try
        {
            int count = shard.Copy(page, _page);
            lock (shard.Gate)
                changed = shard.IsPending(page) ? shard.PutBack(page, _page) : 0;
            return count;
        }
        finally
        {
            _gate.Leave();
        }
    }

    long Append(Shard shard, long page, byte[] buffer, int count, uint moment, bool isOfNext)
    {
        int length = shard.Finish(page, count, moment, _files.Seed, buffer);
        long place = _files.Append(buffer.AsMemory(0, length), isOfNext);
        _files.Get(PageFiles.SegmentOf(place)).Note(shard.Number, page, count, moment);
        return place;
    }

    /// <summary>A page of which no more than this part changed is not written again.</summary>
    const int SmallPart = 4;

    readonly byte[] _page;
    byte[]? _gatheredPage;
    readonly GatheredRows?[] _gathered;
}
