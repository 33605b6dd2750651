using System.Diagnostics;
using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

public sealed partial class LogWriter
{
    readonly List<(long Number, TaskCompletionSource<long> Source)> _waiters = [];
    readonly bool _isLocal;
    bool _isDriven;

    /// <summary>
    /// Returns when every record appended before the call is durable. Whoever finds no flush under way writes what waits and flushes once
    /// for all; the others wait for that, and what is appended meanwhile is of the next flush.
    /// </summary>
    /// <returns>The number of durable records.</returns>
    /// <exception cref="StoreException">
    /// OutOfSpace: nothing is lost, the call can be repeated. Any other failure is final: the device may have dropped the bytes, so this
    /// writer takes no more records; what it had committed before stays committed.
    /// </exception>
    public long Commit()
    {
        long target = -1;
        while (true)
        {
            SegmentWriter segment;
            long records, address;
            lock (_gate)
            {
                Check();
                target = target < 0 ? _appended : target;
                while (_isFlushing && _durable < target)
                {
                    Monitor.Wait(_gate);
                    if (_durable < target)
                        Check();
                }
                while (_open.Count > 0 && _durable < target && !_isFlushing)
                    WriteOpen();
                if (_durable >= target)
                    return _durable;
                if (_isFlushing)
                    continue;
                _isFlushing = true;
                (segment, records, address) = (_segment, _appended - _open.Count, _segment.EndAddress);
            }
            Exception? failure = null;
            long started = Stopwatch.GetTimestamp();
            try
            {
                segment.Flush();
            }
            catch (Exception error)
            {
                failure = error;
            }
            lock (_gate)
            {
                _isFlushing = false;
                long took = Stopwatch.GetTimestamp() - started;
                (_flushes, _flushTicks, _slowestFlush) = (_flushes + 1, _flushTicks + took, Math.Max(_slowestFlush, took));
                if (failure is null)
                    Published(records, address);
                else
                {
                    Poison(failure);
                    throw LogErrors.Translate(failure, Directory);
                }
            }
        }
    }

    /// <summary>
    /// As <see cref="Commit"/>, for a thread that has to stay responsive: it waits for a device of this machine and for no other commit.
    /// The hand-over to another thread and back would take as long as the flush of a fast device.
    /// </summary>
    /// <returns>False: nothing was done, since the log lies elsewhere or others commit.</returns>
    public bool TryCommit(out long durable)
    {
        lock (_gate)
        {
            Check();
            durable = _durable;
            if (_durable >= _appended)
                return true;
            if (!_isLocal || _isFlushing || _isDriven)
                return false;
        }
        durable = Commit();
        return true;
    }

    /// <summary>As <see cref="Commit"/> without a thread that waits: all that wait at once share a flush.</summary>
    public Task<long> CommitAsync(CancellationToken cancel)
    {
        TaskCompletionSource<long> source;
        lock (_gate)
        {
            Check();
            if (_durable >= _appended)
                return Task.FromResult(_durable);
            source = Await(_appended);
            DriveCommits();
        }
        return source.Task.WaitAsync(cancel);
    }

    public override async ValueTask<long> WaitAsync(long number, CancellationToken cancel)
    {
        TaskCompletionSource<long> source;
        lock (_gate)
        {
            if (_durable > number || _isClosed)
                return _durable;
            Check();
            source = Await(number + 1);
        }
        return await source.Task.WaitAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>The timer's: what was appended has waited long enough.</summary>
    void CommitWhatWaits()
    {
        lock (_gate)
        {
            _isTimed = false;
            if (!_isClosed && _poison is null && _durable < _appended)
                DriveCommits();
        }
    }

    void DriveCommits()
    {
        if (_isDriven)
            return;
        _isDriven = true;
        _ = Task.Run(Drive, CancellationToken.None);
    }

    /// <summary>Commits until no asynchronous commit waits.</summary>
    void Drive()
    {
        while (true)
        {
            try
            {
                Commit();
            }
            catch (StoreException error)
            {
                lock (_gate)
                {
                    // a full disk fails those who wait for this commit, not the writer
                    foreach (var (_, source) in _waiters.Where(waiter => waiter.Number <= _appended))
                        source.TrySetException(error);
                    _waiters.RemoveAll(waiter => waiter.Source.Task.IsCompleted);
                }
            }
            lock (_gate)
            {
                if (_poison is null && !_isClosed && _waiters.Exists(waiter => waiter.Number <= _appended))
                    continue;
                _isDriven = false;
                if (_timer is not null && !_isTimed && !_isClosed && _poison is null && _durable < _appended)
                {
                    // a full disk, or records that came meanwhile
                    _isTimed = true;
                    _timer.Change(_options.CommitAfter, Timeout.Infinite);
                }
                return;
            }
        }
    }

    TaskCompletionSource<long> Await(long number)
    {
        var source = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiters.RemoveAll(waiter => waiter.Source.Task.IsCompleted);
        _waiters.Add((number, source));
        return source;
    }

    void Published(long records, long address)
    {
        if (records > _durable)
            Volatile.Write(ref _durable, records);
        _durableAddress = Math.Max(_durableAddress, address);
        _uncommitted = _open.PayloadLength;
        WriteTail(0);
        Monitor.PulseAll(_gate);
        FinishWaiters();
    }

    void FinishWaiters()
    {
        if (_waiters.Count == 0)
            return;
        foreach (var (number, source) in _waiters)
        {
            if (number <= _durable || _isClosed)
                source.TrySetResult(_durable);
            else if (_poison is not null)
                source.TrySetException(LogErrors.Poisoned(_poison, Directory));
        }
        _waiters.RemoveAll(waiter => waiter.Source.Task.IsCompleted);
    }

    /// <summary>Ends the segment and begins the next. The next one's room is had before anything of this one changes.</summary>
    void Roll()
    {
        long end = _appended - _open.Count;
        var like = Like(end);
        SegmentWriter? next = null;
        Try(() =>
        {
            var (checksum, address) = _segment.BeforeSeal(like, end);
            next = SegmentWriter.Prepare(Disk, Directory, _segment.Header with
            {
                Number = _segment.Header.Number + 1,
                Features = FeaturesOf(_options),
                FirstRecord = end,
                BaseAddress = address,
                Created = like.Time,
                PreviousFooter = checksum,
            }, _options.SegmentSize);
        });
        try
        {
            long durableTo = _segment.EndAddress;
            _segment.Seal(like, end);
            next!.Publish();
            var sealedOne = _segment;
            (_segment, next) = (next, null);
            sealedOne.Dispose();
            // from here on the old one is found by its footer
            var grown = Segments[^1];
            SetSegments([.. Segments.SkipLast(1), new SegmentFile(Disk, Directory, sealedOne.Header.FirstRecord), Growing(_segment)]);
            grown.Retire();
            _durableAddress = Math.Max(durableTo, _segment.Header.BaseAddress);
            WriteMeta(_state with { NewestSegment = end, EndRecord = end, EndAddress = _segment.EndAddress });
            _rolls++;
            Published(end, _segment.EndAddress);
            Retain();
        }
        catch (Exception error) when (error is DiskException or SegmentException)
        {
            // half a roll cannot be taken back: reopening finishes it
            next?.Dispose();
            Poison(error);
            throw LogErrors.Translate(error, Directory);
        }
    }

    /// <summary>Ends the newest segment where it has records, so that all there are can be uploaded.</summary>
    public void Seal()
    {
        Commit();
        lock (_gate)
        {
            while (_isFlushing)
            {
                Monitor.Wait(_gate);
                Check();
            }
            Check();
            if (_appended - _open.Count > _segment.Header.FirstRecord)
                Roll();
        }
    }

    SegmentFile Growing(SegmentWriter writer) => new(Disk, Directory, writer.Header.FirstRecord) { GrowingIndex = writer.Index };

    void WriteMeta(LogMeta meta)
    {
        TwoSlots.Write(_meta, meta.ToBytes(), ++_generation);
        _state = meta;
    }

    /// <summary>A hint for readers: that it cannot be written is no failure of the log.</summary>
    void WriteTail(uint flags)
    {
        try
        {
            new LogTail(Begin, _durable, _durableAddress, _segment.Header.FirstRecord, _state.Epoch, Disk.BootId, flags)
                .Write(_tail, _seed);
        }
        catch (DiskException)
        {
            // readers see what they saw before
        }
    }

    /// <summary>Commits, gives unused room back and frees the lock. A failure is raised after the lock was freed.</summary>
    public void Close()
    {
        StoreException? failure = null;
        lock (_gate)
        {
            if (_isClosed)
                return;
        }
        try
        {
            Commit();
        }
        catch (StoreException error)
        {
            failure = error;
        }
        lock (_gate)
        {
            while (_isFlushing)
                Monitor.Wait(_gate);
            if (!_isClosed && failure is null && _poison is null && _open.Count == 0)
            {
                try
                {
                    _segment.Trim();
                    _segment.Flush();
                    WriteMeta(_state with
                    {
                        IsClean = true,
                        EndRecord = _durable,
                        EndAddress = _durableAddress,
                        NewestSegment = _segment.Header.FirstRecord,
                    });
                }
                catch (DiskException error)
                {
                    // all records are durable; only the next opening takes longer
                    _poison = error;
                }
            }
        }
        Dispose();
        if (failure is not null)
            throw failure;
    }

    /// <summary>Frees everything without a commit: what was not committed is lost.</summary>
    protected override void Dispose(bool disposing)
    {
        lock (_gate)
        {
            while (_isFlushing)
                Monitor.Wait(_gate);
            if (_isClosed)
                return;
            _isClosed = true;
            _timer?.Dispose();
            WriteTail(_poison is null ? LogTail.Closed : LogTail.Failed);
            FinishWaiters();
            Monitor.PulseAll(_gate);
            _packing?.Dispose();
            _segment.Dispose();
            _meta.Dispose();
            _tail.Dispose();
            _lock?.Dispose();
        }
        base.Dispose(disposing);
    }
}
