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
