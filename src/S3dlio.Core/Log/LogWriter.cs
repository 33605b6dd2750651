using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>
/// The one writer of a log. Any number of threads may append, commit and read. A record that <see cref="Commit"/> returned for survives any
/// crash; one that was only appended may be lost with all that follow it, never one from the middle.
/// </summary>
public sealed partial class LogWriter : RecordLog
{
    /// <summary>Records of so many bytes are written from the caller's memory.</summary>
    public const int DirectLength = 256 << 10;

    public const long MostFrame = 64 << 20;
    public const int MostRecord = 1 << 30;

    readonly object _gate = new();
    readonly LogOptions _options;
    readonly FrameBuilder _open, _direct = new(0);
    readonly ReadOnlyMemory<byte>[] _one = new ReadOnlyMemory<byte>[1];
    readonly IDisposable? _lock;
    readonly Timer? _timer;
    readonly FramePacking? _packing;
    readonly ReadOnlyMemory<byte>[] _packed = new ReadOnlyMemory<byte>[1];
    readonly long _openedAt;
    readonly DiskFile _meta, _tail;
    readonly uint _seed;
    SegmentWriter _segment;
    LogMeta _state;
    long _generation, _appended, _durable, _durableAddress;
    long _took, _uncommitted, _frames, _frameBytes, _flushes, _flushTicks, _slowestFlush, _rolls, _truncated;
    bool _isFlushing, _isClosed, _isTimed;
    Exception? _poison;

    public override long EndRecord => Volatile.Read(ref _appended);

    public override long Committed => Volatile.Read(ref _durable);

    /// <summary>Appends one record.</summary>
    /// <returns>Its number. It is durable when a later <see cref="Commit"/> has returned.</returns>
    /// <exception cref="StoreException">OutOfSpace: the record is not taken, and the call can be repeated.
    /// Closed; the failure that ended this writer.</exception>
    public long Append(ReadOnlySpan<byte> record)
    {
        CheckSize(record.Length);
        lock (_gate)
        {
            Check();
            if (record.Length >= DirectLength)
            {
                // a span cannot be handed to the disk in pieces: one that large is gathered as a frame of its own
                WriteOpen();
                _open.Add(record);
                return Took(1, record.Length);
            }
            while (!_open.Fits(record.Length))
                WriteOpen();
            _open.Add(record);
            return Took(1, record.Length);
        }
    }

    /// <summary>The same from memory that need not be copied when the record is large.</summary>
    public long Append(ReadOnlyMemory<byte> record)
    {
        if (record.Length < DirectLength)
            return Append(record.Span);
        CheckSize(record.Length);
        uint checksum = Crc32C.Compute(record.Span);
        lock (_gate)
        {
            _one[0] = record;
            return WriteDirect(_one, record.Length, frame => frame.Note((uint)record.Length, checksum), 1);
        }
    }

    /// <summary>Appends records that lie one behind the other: after a crash all of them are there, or none.</summary>
    /// <param name="records">Their bytes.</param>
    /// <param name="ends">For each record where it ends in them; null when all have the log's record size.</param>
    /// <returns>The first one's number; the others follow.</returns>
    public long AppendBatch(ReadOnlyMemory<byte> records, ReadOnlySpan<long> ends)
    {
        int count = RecordSize > 0 ? records.Length / RecordSize : ends.Length;
        if (RecordSize > 0 && (records.Length % RecordSize != 0 || ends.Length != 0 && ends.Length != count))
            throw Invalid($"{records.Length} bytes are no whole number of records of {RecordSize} bytes");
        if (records.Length + ((long)count * FrameHeader.EntryLength) > MostFrame)
            throw Invalid($"a batch is written as one: its {records.Length} bytes in"
                + $" {count} records are more than {MostFrame}; append it in smaller batches");
        CheckEnds(records.Length, ends);
        var own = ends.ToArray();
        long EndOf(int i) => RecordSize > 0 ? (long)(i + 1) * RecordSize : own[i];
        lock (_gate)
        {
            Check();
            if (count == 0)
                return _appended;
            if (records.Length < DirectLength && (long)count * FrameHeader.EntryLength < DirectLength)
            {
                // the frame is whole or not there, so its part is too
                while (_open.Count > 0 && !_open.Fits(records.Length + ((long)count * FrameHeader.EntryLength)))
                    WriteOpen();
                var span = records.Span;
                long start = 0;
                for (int i = 0; i < count; i++)
                {
                    long end = EndOf(i);
                    _open.Add(span[(int)start..(int)end]);
                    start = end;
                }
                return Took(count, records.Length);
            }
            _one[0] = records;
            return WriteDirect(_one, records.Length, frame =>
            {
                var span = records.Span;
                long start = 0;
                for (int i = 0; i < count; i++)
                {
                    long end = EndOf(i);
                    frame.Note((uint)end, Crc32C.Compute(span[(int)start..(int)end]));
                    start = end;
                }
            }, count);
        }
    }

    private protected override byte[]? Waiting(long number)
    {
        lock (_gate)
        {
            long index = number - (_appended - _open.Count);
            return index >= 0 && index < _open.Count ? _open.Record((int)index).ToArray() : null;
        }
    }

    long Took(int count, long length)
    {
        long first = _appended;
        Volatile.Write(ref _appended, first + count);
        _took += length;
        if (_timer is not null && !_isTimed)
        {
            _isTimed = true;
            _timer.Change(_options.CommitAfter, Timeout.Infinite);
        }
        _uncommitted += length;
        if (_options.CommitBytes > 0 && _uncommitted >= _options.CommitBytes)
        {
            _uncommitted = 0;
            DriveCommits();
        }
        return first;
    }

    /// <summary>Writes a frame whose payload stays where it is.</summary>
    long WriteDirect(ReadOnlyMemory<byte>[] payload, long length, Action<FrameBuilder> note, int count)
    {
        Check();
        long frame = FrameHeader.Padded(FrameHeader.Length + ((long)count * FrameHeader.EntryLength) + length, _options.Alignment);
        while (_open.Count > 0 || !HasRoom(frame))
            WriteOpen();
        _direct.Clear();
        note(_direct);
        Write(_direct, payload, length);
        return Took(count, length);
    }

    /// <summary>
    /// Writes the records that wait, as one frame. It may wait for a flush, and other threads may append or write meanwhile: whoever calls
    /// it looks again.
    /// </summary>
    void WriteOpen()
    {
        if (_open.Count == 0 || !HasRoom(_open.FrameLength(_options.Alignment)))
            return;
        Write(_open, null, _open.PayloadLength);
        _open.Clear();
    }

    /// <summary>True when the segment has room for the frame; false when it had none and that was seen to, or waited for.</summary>
    bool HasRoom(long frame)
    {
        if (_segment.Fits(frame, _options.SegmentSize) || !_segment.HasFrames)
            return true;
        if (_isFlushing)
        {
            // one flush at a time: two at once may share one error, and one of them would not hear of it
            Monitor.Wait(_gate);
            Check();
        }
        else
            Roll();
        return false;
    }

    void Write(FrameBuilder frame, ReadOnlyMemory<byte>[]? payload, long length)
    {
        long first = _appended - (payload is null ? frame.Count : 0);
        Try(() =>
        {
            long whole = FrameHeader.Length + ((long)frame.Count * FrameHeader.EntryLength) + length;
            _segment.Reserve(FrameHeader.Padded(whole, _options.Alignment), _options.SegmentSize);
            long before = _segment.Offset;
            if (!WritePacked(Like(first), frame, payload, length))
                _segment.Write(Like(first), frame, payload, length);
            _frames++;
            _frameBytes += _segment.Offset - before;
        });
    }

    /// <summary>False where the frame is not to be compressed, or became no smaller.</summary>
    bool WritePacked(FrameHeader header, FrameBuilder frame, ReadOnlyMemory<byte>[]? payload, long length)
    {
        if (_packing is null || (_segment.Header.Features & SegmentHeader.PackedFrames) == 0 || length > FramePacking.MostLength)
            return false;
        _packed[0] = _packing.Pack(payload is null ? frame.Payload.Span : payload[0].Span);
        if (_packed[0].IsEmpty)
            return false;
        _segment.Write(header with { Type = FrameType.Packed }, frame, _packed, _packed[0].Length);
        return true;
    }

    internal static uint FeaturesOf(LogOptions options) => options.Compression > 0 ? SegmentHeader.PackedFrames : 0;

    FrameHeader Like(long firstRecord) => new()
    {
        Type = FrameType.Data,
        FirstRecord = firstRecord,
        SyncedTo = _durableAddress,
        Epoch = _state.Epoch,
        Time = SegmentHeader.Now(),
    };

    /// <summary>A full disk is told and changes nothing; any other failure ends this writer.</summary>
    void Try(Action body)
    {
        try
        {
            body();
        }
        catch (DiskException error) when (error.IsOutOfSpace)
        {
            throw LogErrors.Translate(error, Directory);
        }
        catch (Exception error)
        {
            Poison(error);
            throw LogErrors.Translate(error, Directory);
        }
    }

    void Poison(Exception cause)
    {
        _poison ??= cause;
        Monitor.PulseAll(_gate);
        FinishWaiters();
        WriteTail(LogTail.Failed);
    }

    void Check()
    {
        if (_isClosed)
            throw new StoreException(ErrorKind.Closed, Directory, "the log was closed");
        if (_poison is not null)
            throw LogErrors.Poisoned(_poison, Directory);
    }

    void CheckSize(int length)
    {
        if (RecordSize > 0 && length != RecordSize)
            throw Invalid($"a record of {length} bytes was given, all records of this log have {RecordSize}");
        if (length > MostRecord)
            throw Invalid($"a record of {length} bytes was given, the most is {MostRecord}");
    }

    void CheckEnds(long length, ReadOnlySpan<long> ends)
    {
        long before = 0;
        for (int i = 0; i < ends.Length; i++)
        {
            if (ends[i] < before || ends[i] > length || RecordSize > 0 && ends[i] - before != RecordSize)
                throw Invalid($"record {i} of the batch ends at byte {ends[i]}, the one before it at {before}, the batch at {length}");
            before = ends[i];
        }
        if (RecordSize == 0 && before != length)
            throw Invalid($"the last record of the batch ends at byte {before}, the batch at {length}");
    }

    StoreException Invalid(string detail) => new(ErrorKind.InvalidArgument, Directory, detail);
}
