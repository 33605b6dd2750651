using System.Buffers;
using System.Buffers.Binary;

namespace S3dlio.Table;

public sealed partial class EmbeddingTable
{
    /// <summary>
    /// Copies the live rows of files in which fewer than this share of the rows are live, so that the files can go. Their room is given
    /// back when the last checkpoint that names them is no longer kept.
    /// </summary>
    /// <param name="live">0 to 1.</param>
    /// <param name="cancel">Heard between pages; what was copied stays copied.</param>
    /// <returns>Bytes of the files that no row lies in any more.</returns>
    public long Compact(double live, CancellationToken cancel)
    {
        CheckWritable();
        _checkpointing.Wait(cancel);
        try
        {
            CheckOpen();
            return CompactFiles(live, cancel);
        }
        catch (Exception error) when (TableErrors.IsOurs(error))
        {
            throw TableErrors.Translate(error, Directory);
        }
        finally
        {
            _checkpointing.Release();
        }
    }

    /// <summary>Deletes rows by age, number of updates or norm, and the oldest ones of too many.</summary>
    /// <param name="rule">A row that meets one of its conditions goes; then those that are too many.</param>
    /// <param name="cancel">Heard between pages; what was deleted stays deleted.</param>
    /// <returns>How many were deleted.</returns>
    public long Evict(EvictRule rule, CancellationToken cancel)
    {
        CheckWritable();
        long step = Step, deleted = 0;
        if (rule.OlderThanSteps > 0 || rule.FewerThan > 0 || rule.SmallerThan > 0)
            deleted = DeleteWhere(row => IsEvicted(rule, row, step), long.MaxValue, cancel);
        long over = rule.MostRows > 0 ? Count - rule.MostRows : 0;
        if (over <= 0)
            return deleted;
        uint oldest = AgeOf(over, step, cancel);
        deleted += DeleteWhere(row => AgeOf(row, step) > oldest, over, cancel);
        return deleted + DeleteWhere(row => AgeOf(row, step) == oldest, Count - rule.MostRows, cancel);
    }

    delegate bool RowCondition(ReadOnlySpan<byte> row);

    /// <summary>The age in steps that so many rows have or exceed.</summary>
    uint AgeOf(long rows, long step, CancellationToken cancel)
    {
        var ages = new List<uint>();
        foreach (var shard in _shards)
        {
            for (long page = shard.First, end = Pages(shard); page < end; page++)
            {
                cancel.ThrowIfCancellationRequested();
                ForEachLive(shard, page, (_, _, row) => ages.Add(AgeOf(row, step)));
            }
        }
        ages.Sort();
        return ages.Count == 0 ? 0 : ages[(int)Math.Max(0, ages.Count - rows)];
    }

    uint AgeOf(ReadOnlySpan<byte> row, long step) => (uint)step - BinaryPrimitives.ReadUInt32LittleEndian(row[_layout.MetaOffset..]);

    /// <summary>Deletes the rows that meet a condition, at most so many.</summary>
    long DeleteWhere(RowCondition condition, long most, CancellationToken cancel)
    {
        long deleted = 0;
        var keys = new List<(long Key, long Location)>();
        foreach (var shard in _shards)
        {
            for (long page = shard.First, end = Pages(shard); page < end && deleted < most; page++)
            {
                cancel.ThrowIfCancellationRequested();
                keys.Clear();
                ForEachLive(shard, page, (key, location, row) =>
                {
                    if (deleted + keys.Count < most && condition(row))
                        keys.Add((key, location));
                });
                if (keys.Count > 0)
                    deleted += DeleteAt(shard, keys);
            }
        }
        return deleted;
    }

    long DeleteAt(Shard shard, List<(long Key, long Location)> keys)
    {
        long deleted = 0;
        Enter();
        try
        {
            lock (shard.Gate)
            {
                foreach (var (key, location) in keys)
                {
                    // one that was changed since has another place, or was changed in place, which the next call sees
                    ulong hash = KeyIndex.Hash(key);
                    if (shard.Index.Find(hash, key) == location && shard.Delete(hash, key))
                        deleted++;
                }
            }
            Interlocked.Increment(ref _changes);
        }
        finally
        {
            _gate.Leave();
        }
        return deleted;
    }

    internal delegate void RowVisitor(long key, long location, ReadOnlySpan<byte> row);

    /// <summary>Calls for each live row of a page as it is now, in memory or in a file.</summary>
    void ForEachLive(Shard shard, long page, RowVisitor visit)
    {
        _reading.EnterReadLock();
        try
        {
            if (page < shard.First)
                return;
            int count;
            long place;
            Enter();
            try
            {
                lock (shard.Gate)
                {
                    if (shard.LiveOf(page) == 0)
                        return;
                    if (shard.IsInMemory(page))
                    {
                        shard.ForEachLive(page, visit);
                        return;
                    }
                    (count, place) = (shard.CountOf(page), shard.PlaceOf(page));
                }
            }
            finally
            {
                _gate.Leave();
            }
            var bytes = new byte[_layout.FileBytes(count)];
            ReadPage(shard, page, bytes);
            for (int row = 0; row < count; row++)
            {
                var found = LiveRow(shard.Number, page, count, row, bytes, out long key);
                if (!found.IsEmpty)
                    visit(key, (page << _layout.PageShift) + row, found);
            }
        }
        finally
        {
            _reading.ExitReadLock();
        }
    }

    bool IsEvicted(EvictRule rule, ReadOnlySpan<byte> row, long step)
    {
        var meta = row.Slice(_layout.MetaOffset, RowLayout.MetaBytes);
        if ((rule.OlderThanSteps > 0 && AgeOf(row, step) >= rule.OlderThanSteps)
            || BinaryPrimitives.ReadUInt16LittleEndian(meta[4..]) < rule.FewerThan)
            return true;
        if (rule.SmallerThan <= 0)
            return false;
        double sum = 0;
        Span<float> numbers = _layout.Dimension <= 1024 ? stackalloc float[_layout.Dimension] : new float[_layout.Dimension];
        RowNumbers.ToFloats(row[..RowBytes], numbers, _layout.Type);
        foreach (float one in numbers)
            sum += (double)one * one;
        return Math.Sqrt(sum) < rule.SmallerThan;
    }

    /// <summary>The caller makes sure that no checkpoint is under way.</summary>
    long CompactFiles(double live, CancellationToken cancel)
    {
        var segments = _files.Segments;
        var alive = new long[segments.Count];
        foreach (var shard in _shards)
        {
            lock (shard.Gate)
            {
                for (long page = shard.First; page < shard.Pages; page++)
                {
                    if (shard.PlaceOf(page) != Shard.NoPlace)
                        alive[PageFiles.SegmentOf(shard.PlaceOf(page))] += shard.LiveOf(page);
                }
            }
        }
        var wanted = Enumerable.Range(0, segments.Count)
            .Where(i => segments[i] is { IsSealed: true, Rows: > 0 } one && alive[i] < live * one.Rows).ToHashSet();
        foreach (var shard in _shards)
        {
            for (long page = shard.First, end = Pages(shard); page < end; page++)
            {
                cancel.ThrowIfCancellationRequested();
                long place;
                lock (shard.Gate)
                    place = shard.PlaceOf(page);
                if (place != Shard.NoPlace && wanted.Contains(PageFiles.SegmentOf(place)))
                    MoveLive(shard, page);
            }
        }
        foreach (int segment in wanted.Where(_deletionsIn.Contains).ToArray())
            TakeDeletions(segment);
        Interlocked.Increment(ref _changes);
        return wanted.Sum(i => segments[i]!.Length);
    }

    static long Pages(Shard shard)
    {
        lock (shard.Gate)
            return shard.Pages;
    }

    /// <summary>Copies the live rows of a page to the end.</summary>
    void MoveLive(Shard shard, long page)
    {
        int stride = _layout.Stride;
        long place;
        lock (shard.Gate)
            place = shard.PlaceOf(page);
        var moved = new List<(long Key, long Location)>();
        byte[] rows = ArrayPool<byte>.Shared.Rent(_layout.RowsPerPage * stride);
        ForEachLive(shard, page, (key, location, row) =>
        {
            row.CopyTo(rows.AsSpan(moved.Count * stride));
            moved.Add((key, location));
        });
        MakeRoom(moved.Count);
        Enter();
        try
        {
            lock (shard.Gate)
            {
                for (int i = 0; i < moved.Count; i++)
                    shard.Move(moved[i].Key, moved[i].Location, rows.AsSpan(i * stride, stride), place);
            }
        }
        finally
        {
            _gate.Leave();
        }
        ArrayPool<byte>.Shared.Return(rows);
    }

    /// <summary>
    /// Deletions that lie in a file become those of the next checkpoint, but for those whose keys have no older rows in any file.
    /// </summary>
    void TakeDeletions(int segment)
    {
        foreach (var (number, key, location) in TableRecovery.ReadDeletions(_files, segment, NowManifest(), _layout))
        {
            var shard = _shards[number];
            lock (shard.Gate)
            {
                if (Math.Min(_files.OldestPage(number), shard.OldestInMemory()) < (location + _layout.RowsPerPage - 1) >> _layout.PageShift)
                    shard.Deletions.Add((key, location));
            }
        }
        _deletionsIn.Remove(segment);
    }

    /// <summary>What the files may have now: pages that no manifest counts yet.</summary>
    TableManifest NowManifest() => _newest with
    {
        Shards = [.. _shards.Select(shard =>
        {
            lock (shard.Gate)
                return new ManifestShard(shard.Pages, shard.Index.Count);
        })],
    };
}
