using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>
/// A log that another process may be writing, or that nobody writes. Sees committed records only, and new ones when <see cref="Refresh"/>
/// or
/// <see cref="WaitAsync"/> looks for them. Changes nothing and takes no lock.
/// </summary>
public sealed class LogReader : RecordLog
{
    readonly Lock _gate = new();
    readonly uint _seed;
    readonly bool _skips;
    DiskFile? _tail;
    LogTail? _seen;
    Growing _growing;
    long _end;
    bool _isClosed;

    /// <summary>The segment that grows, as far as it was walked.</summary>
    sealed class Growing(SegmentFile segment, long offset, long record, long epoch)
    {
        public SegmentFile SegmentFile => segment;
        public long Offset { get; set; } = offset;
        public long Record { get; set; } = record;
        public long Epoch { get; set; } = epoch;
    }

    LogReader(Disk disk, string directory, OnDamage onDamage)
        : base(disk, directory)
    {
        var segments = LogRecovery.SegmentsOf(disk.List(directory));
        string metaPath = $"{directory}/{LogMeta.FileName}";
        var slot = TwoSlots.Read(disk, metaPath);
        var meta = slot is null ? null : LogMeta.Parse(slot.Value.Content, metaPath);
        if (segments.Count == 0)
            throw meta is null
                ? new StoreException(ErrorKind.NotFound, directory, "there is no log")
                : new StoreException(
                    ErrorKind.ChecksumMismatch, directory, "META is there and no segment is: the log's files were deleted");
        _skips = onDamage != OnDamage.Raise;
        var newest = new SegmentFile(disk, directory, segments[^1]) { GrowingIndex = new FrameIndex() };
        var file = newest.Lease();
        var header = newest.Header(file);
        LogRecovery.CheckStore(header, meta, newest.Path);
        _seed = header.Seed;
        (Schema, RecordSize, Id) = (header.Json, header.RecordSize, header.Store);
        Begin = meta?.Begin ?? segments[0];
        var older = segments.SkipLast(1).Where(first => first >= (meta?.BeginSegment ?? 0));
        SetSegments([.. older.Select(first => new SegmentFile(disk, directory, first)), newest]);
        var tail = ReadTail();
        var (from, record, proof, epoch) = LogRecovery.Before(meta, header, tail);
        _growing = new Growing(newest, from, record, 0);
        if (tail is { } live && live.BootId == disk.BootId && live.Epoch == epoch)
            Follow(live);
        else
            Recover(file, header, from, record, proof, meta?.Epoch ?? long.MaxValue, newest.GrowingIndex);
        newest.Release();
    }

    public override long EndRecord => Volatile.Read(ref _end);

    public override long Committed => EndRecord;

    /// <summary>The writer closed the log or ended by a failure, as far as is known.</summary>
    public bool IsEnded => _seen is { } seen && seen.Flags != 0;

    public static LogReader Open(string directory, OnDamage onDamage) => Open(LocalDisk.Shared, Path.GetFullPath(directory), onDamage);

    internal static LogReader Open(Disk disk, string directory, OnDamage onDamage)
    {
        try
        {
            return new LogReader(disk, directory, onDamage);
        }
        catch (Exception error) when (error is DiskException or SegmentException)
        {
            throw error is DiskException { IsMissing: true }
                ? new StoreException(ErrorKind.NotFound, directory, "there is no log", cause: error)
                : LogErrors.Translate(error, directory);
        }
    }

    /// <summary>Looks for new records.</summary>
    /// <returns>What <see cref="RecordLog.EndRecord"/> is now.</returns>
    public long Refresh() => Guarded(() =>
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            if (ReadTail() is { } tail && tail.BootId == Disk.BootId && tail != _seen)
                Follow(tail);
            return _end;
        }
    });

    /// <summary>What the writer says; null where it says nothing.</summary>
    LogTail? ReadTail()
    {
        try
        {
            _tail ??= Disk.Open($"{Directory}/{LogTail.FileName}", DiskOpen.Read);
        }
        catch (DiskException error) when (error.IsMissing)
        {
            // the log was copied without it, or is being made: the next look finds it
            return null;
        }
        return LogTail.Read(_tail, _seed);
    }

    /// <summary>Looks for new records.</summary>
    /// <returns>What <see cref="IsSeen"/> compares with.</returns>
    internal object? RefreshSeen()
    {
        Refresh();
        lock (_gate)
            return _seen;
    }

    /// <summary>Whether the writer has told nothing since; takes no lock.</summary>
    internal bool IsSeen(object? seen) => Volatile.Read(ref _tail) is { } file
        && (LogTail.Read(file, _seed) is not { } tail || tail.BootId != Disk.BootId || (seen is LogTail known && known == tail));

    public override async ValueTask<long> WaitAsync(long number, CancellationToken cancel)
    {
        long started = Environment.TickCount64;
        while (true)
        {
            long end = Refresh();
            if (end > number)
                return end;
            await TailPoller.NextAsync(Environment.TickCount64 - started).WaitAsync(cancel).ConfigureAwait(false);
        }
    }

    private protected override void RefreshBegin()
    {
        lock (_gate)
        {
            if (ReadTail() is { } tail)
                Begin = Math.Max(Begin, tail.Begin);
        }
    }

    /// <summary>No writer lives since the machine started, or none ever told: what is on the disk is the log.</summary>
    void Recover(DiskFile file, SegmentHeader header, long from, long record, DurableProof proof, long mostEpoch, FrameIndex index)
    {
        var found = SegmentRecovery.Run(file, header, from, record, Begin, proof, mostEpoch, _skips);
        if (found.Damage.Count > 0 && !_skips)
            throw LogErrors.Damaged(found.Damage[0]);
        for (int i = 0; i < found.Index.Count; i++)
            index.Add(found.Index[i].FirstRecord, found.Index[i].Offset);
        _growing = new Growing(_growing.SegmentFile, found.Tail, found.EndRecord, found.LastEpoch);
        Volatile.Write(ref _end, Math.Max(found.EndRecord, Begin));
    }

    /// <summary>Walks on until the records that the writer calls durable are indexed.</summary>
    void Follow(in LogTail tail)
    {
        while (_growing.Record < tail.EndRecord || _growing.Record < 0)
        {
            var segment = _growing.SegmentFile;
            DiskFile file;
            try
            {
                file = segment.Lease();
            }
            catch (DiskException error) when (error.IsMissing && BeginAgain(segment.FirstRecord))
            {
                continue;
            }
            try
            {
                var header = segment.Header(file);
                long most = tail.EndAddress - header.BaseAddress - _growing.Offset;
                var walk = new FrameWalk(file, header, _growing.Offset, _growing.Record, most)
                {
                    Epoch = _growing.Epoch,
                };
                while ((_growing.Record < tail.EndRecord || _growing.Record < 0) && walk.Next())
                {
                    if (walk.Header.HasRecords)
                        segment.GrowingIndex!.Add(walk.Header.FirstRecord, walk.FrameOffset);
                    (_growing.Offset, _growing.Record, _growing.Epoch) = (walk.Offset, walk.NextRecord, walk.Epoch);
                }
                if (_growing.Record >= tail.EndRecord)
                    break;
                if (walk.Header.Type == FrameType.Footer)
                {
                    var next = new SegmentFile(Disk, Directory, walk.NextRecord) { GrowingIndex = new FrameIndex() };
                    AddSegment(next);
                    _growing = new Growing(next, SegmentHeader.Length, walk.NextRecord, walk.Epoch);
                    continue;
                }
                if (_growing.Record < 0 && tail.EndRecord <= Math.Max(Begin, tail.Begin))
                    break;
                if (Pass(walk, tail))
                    continue;
                throw LogErrors.Damaged(new SegmentDamage(segment.Path, walk.Offset, Math.Max(_growing.Record, 0), -1, walk.Reason));
            }
            finally
            {
                segment.Release();
            }
        }
        Begin = Math.Max(Begin, tail.Begin);
        _seen = tail;
        Volatile.Write(ref _end, Math.Max(tail.EndRecord, _end));
    }

    /// <summary>
    /// The log was truncated beyond what was walked: goes on where it begins now. False when the segment belongs to the log still.
    /// </summary>
    bool BeginAgain(long missing)
    {
        string path = $"{Directory}/{LogMeta.FileName}";
        if (TwoSlots.Read(Disk, path) is not { } slot || LogMeta.Parse(slot.Content, path) is not { } meta || meta.BeginSegment <= missing)
            return false;
        var first = new SegmentFile(Disk, Directory, meta.BeginSegment) { GrowingIndex = new FrameIndex() };
        var before = Segments;
        SetSegments([first]);
        foreach (var one in before)
            one.Retire();
        Begin = Math.Max(Begin, meta.Begin);
        _growing = new Growing(first, meta.BeginOffset, -1, 0);
        return true;
    }

    /// <summary>Goes on behind a place that was truncated meanwhile, or that is damaged where damage is passed over.</summary>
    bool Pass(FrameWalk walk, in LogTail tail)
    {
        var (offset, header, least, begin) = (-1L, default(FrameHeader), _growing.Record, tail.Begin);
        walk.Probe(walk.Offset + 8, (at, found) =>
        {
            if (found.FirstRecord < least)
                return true;
            (offset, header) = (at, found);
            return false;
        });
        if (offset < 0 || !_skips && header.FirstRecord > begin && _growing.Record >= begin)
            return false;
        (_growing.Offset, _growing.Record) = (offset, header.FirstRecord);
        return true;
    }

    protected override void Dispose(bool disposing)
    {
        lock (_gate)
        {
            _isClosed = true;
            _tail?.Dispose();
        }
        base.Dispose(disposing);
    }
}
