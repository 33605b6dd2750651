using System.Diagnostics;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

public sealed partial class LogWriter
{
    const int BlockLength = 4096;

    /// <summary>Drops the records before a number and gives their room back to the file system.</summary>
    /// <param name="number">The first record that stays; at most <see cref="RecordLog.Committed"/>.
    /// Lower than <see cref="RecordLog.Begin"/> changes nothing.</param>
    /// <returns>Where the log begins now.</returns>
    public long Truncate(long number)
    {
        lock (_gate)
        {
            Check();
            if (number < 0 || number > _durable)
                throw Invalid($"truncate before record {number}: only the {_durable} committed records can be truncated; commit first");
            if (number <= Begin)
                return Begin;
            try
            {
                var (segment, offset) = Place(number);
                WriteMeta(_state with
                {
                    Begin = number,
                    BeginSegment = segment.FirstRecord,
                    BeginOffset = offset,
                    EndRecord = _durable,
                    EndAddress = _durableAddress,
                });
                _truncated += number - Begin;
                Begin = number;
                WriteTail(0);
                var gone = Segments.Where(one => one.FirstRecord < segment.FirstRecord).ToArray();
                SetSegments(Segments.Where(one => one.FirstRecord >= segment.FirstRecord));
                foreach (var one in gone)
                {
                    one.Dispose();
                    Disk.Unlink(one.Path);
                }
                if (gone.Length > 0)
                    Disk.SyncDirectory(Directory);
                Punch(segment, offset);
                DropTables();
                return Begin;
            }
            catch (Exception error) when (error is IO.DiskException or SegmentException)
            {
                // the beginning moved or it did not; room that was not freed is freed by a later truncation or opening
                throw LogErrors.Translate(error, Directory);
            }
        }
    }

    /// <summary>
    /// Drops the segments that the options let go. That it fails is no failure of the log: the next full segment asks again.
    /// </summary>
    void Retain()
    {
        if (_options is { RetainBytes: 0, RetainRecords: 0, RetainAge: var age } && age == TimeSpan.Zero)
            return;
        try
        {
            long keep = FirstRetained();
            if (keep > Begin)
                Truncate(keep);
        }
        catch (Exception error) when (error is StoreException or IO.DiskException or SegmentException)
        {
            // the segments stay for now
        }
    }

    long FirstRetained()
    {
        var segments = Segments;
        var lengths = segments.Select(Length).ToArray();
        long bytes = lengths.Sum(), first = Begin, oldest = SegmentHeader.Now() - (_options.RetainAge.Ticks * 100);
        for (int i = 0; i + 1 < segments.Count && segments[i + 1].FirstRecord <= _durable; i++)
        {
            long next = segments[i + 1].FirstRecord;
            bool goes = _options.RetainBytes > 0 && bytes > _options.RetainBytes
                || _options.RetainRecords > 0 && _durable - next >= _options.RetainRecords
                || _options.RetainAge > TimeSpan.Zero && LastTime(segments[i]) < oldest;
            if (!goes)
                break;
            bytes -= lengths[i];
            first = next;
        }
        return first;
    }

    static long Length(SegmentFile segment)
    {
        var file = segment.Lease();
        try
        {
            return file.AllocatedLength;
        }
        finally
        {
            segment.Release();
        }
    }

    static long LastTime(SegmentFile segment)
    {
        var file = segment.Lease();
        try
        {
            // without a footer nothing tells, and nothing is dropped
            return SegmentFile.ReadFooter(file, segment.Header(file), out var footer) is null ? long.MaxValue : footer!.LastTime;
        }
        finally
        {
            segment.Release();
        }
    }

    /// <summary>What was done since the log was opened, and how large it is.</summary>
    public LogStatistics Statistics() => Guarded(() =>
    {
        lock (_gate)
        {
            double nanoseconds = 1e9 / Stopwatch.Frequency;
            return new LogStatistics
            {
                Begin = Begin,
                End = _appended,
                Committed = _durable,
                Segments = Segments.Count,
                DiskBytes = _isClosed ? 0 : Segments.Sum(Length),
                BufferedRecords = _open.Count,
                BufferedBytes = _open.PayloadLength,
                Appended = _appended - _openedAt,
                AppendedBytes = _took,
                Frames = _frames,
                FrameBytes = _frameBytes,
                Flushes = _flushes,
                FlushNanoseconds = (long)(_flushTicks * nanoseconds),
                SlowestFlushNanoseconds = (long)(_slowestFlush * nanoseconds),
                Rolls = _rolls,
                Truncated = _truncated,
            };
        }
    });

    /// <summary>Bytes that <see cref="Truncate"/> before this record would give back.</summary>
    public long Reclaimable(long number) => Guarded(() =>
    {
        lock (_gate)
        {
            Check();
            number = Math.Min(number, _durable);
            if (number <= Begin)
                return 0;
            var (segment, offset) = Place(number);
            long bytes = 0;
            foreach (var one in Segments)
            {
                if (one.FirstRecord > segment.FirstRecord)
                    break;
                var file = one.Lease();
                long punched = one.FirstRecord == _state.BeginSegment ? _state.BeginOffset / BlockLength * BlockLength
                    : SegmentHeader.Length;
                bytes += one.FirstRecord < segment.FirstRecord
                    ? file.AllocatedLength
                    : Math.Max(0, (offset / BlockLength * BlockLength) - punched);
                one.Release();
            }
            return bytes;
        }
    });

    /// <summary>The segment and frame of a record, or the end of the log.</summary>
    (SegmentFile SegmentFile, long Offset) Place(long number)
    {
        if (number >= _appended - _open.Count)
            return (Segments[^1], _segment.Offset);
        var segment = Segments.Last(one => one.FirstRecord <= number);
        var file = segment.Lease();
        try
        {
            var index = segment.Index(file);
            int frame = index.Find(number);
            return (segment, frame < 0 ? SegmentHeader.Length : index[frame].Offset);
        }
        finally
        {
            segment.Release();
        }
    }

    void Punch(SegmentFile segment, long offset)
    {
        long end = offset / BlockLength * BlockLength;
        if (end <= SegmentHeader.Length)
            return;
        if (segment.FirstRecord == _segment.Header.FirstRecord)
        {
            _segment.File.PunchHole(SegmentHeader.Length, end - SegmentHeader.Length);
            return;
        }
        using var file = Disk.Open(segment.Path, IO.DiskOpen.Write);
        file.PunchHole(SegmentHeader.Length, end - SegmentHeader.Length);
    }
}
