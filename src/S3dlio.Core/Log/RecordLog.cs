using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>
/// The records of a log, by number: the first has 0, and a number is never given twice. Any number of threads may read. Failures are
/// <see cref="StoreException"/>: NotFound for a record that was truncated or is not there yet, ChecksumMismatch for one that is damaged.
/// </summary>
public abstract partial class RecordLog : IDisposable
{
    const int MostOpenFiles = 64;
    const long MostCached = 16 << 20, MostUnpacked = 16 << 20;

    readonly Lock _cacheGate = new();
    readonly Dictionary<FrameTable, byte[]> _unpacked = [];
    SegmentFile[] _segments = [];
    long _cached, _unpackedLength, _begin;

    private protected RecordLog(Disk disk, string directory) => (Disk, Directory) = (disk, directory);

    private protected Disk Disk { get; }

    /// <summary>Where the log lies.</summary>
    public string Directory { get; }

    public string Schema { get; private protected set; } = "";

    public int RecordSize { get; private protected set; }

    public Guid Id { get; private protected set; }

    /// <summary>The first record that is left; all below were truncated.</summary>
    public long Begin
    {
        get => Volatile.Read(ref _begin);
        private protected set => Volatile.Write(ref _begin, value);
    }

    /// <summary>The number of records ever appended that can be read here.</summary>
    public abstract long EndRecord { get; }

    /// <summary>The records below this number survive any crash.</summary>
    public abstract long Committed { get; }

    /// <summary>Ends when there is a committed record of that number or the log was closed.</summary>
    /// <returns>What <see cref="Committed"/> is then.</returns>
    public abstract ValueTask<long> WaitAsync(long number, CancellationToken cancel);

    /// <summary>
    /// Where a consumer of that name is; where the log begins when it never set its cursor, or when what it had not read was truncated.
    /// </summary>
    public virtual long Cursor(string name) => Guarded(() =>
    {
        RefreshBegin();
        return Math.Max(LogCursor.Get(Disk, Directory, name) ?? 0, Begin);
    });

    /// <summary>Notes durably the next record that a consumer of that name needs.</summary>
    public virtual void SetCursor(string name, long number) => Guarded(() =>
    {
        if (number < 0)
            throw new StoreException(
                ErrorKind.InvalidArgument, Directory, $"the cursor '{name}' was set to record {number}; numbers begin at 0");
        LogCursor.Set(Disk, Directory, name, number);
        return true;
    });

    internal IReadOnlyList<SegmentFile> Segments => Volatile.Read(ref _segments);

    /// <summary>Finds consecutive records.</summary>
    /// <param name="first">The first; below <see cref="Begin"/> it is an error.</param>
    /// <param name="count">Most that are wanted; fewer where the log ends.</param>
    /// <param name="mostBytes">Ends before a record with which they would be more; the first is always taken.</param>
    /// <param name="skipDamaged">Passes over records that cannot be found or whose frame is damaged.</param>
    public RecordPlan Plan(long first, long count, long mostBytes, bool skipDamaged) => Guarded(() =>
    {
        var plan = new RecordPlan(this) { Next = first };
        long end = Math.Min(EndRecord, count > long.MaxValue - first ? long.MaxValue : first + count);
        CheckBegin(first);
        while (plan.Next < end && (plan.Numbers.Count == 0 || plan.Length < mostBytes))
        {
            if (Waiting(plan.Next) is { } copy)
            {
                plan.Add(plan.Next++, copy);
                continue;
            }
            var found = Find(plan.Next, skipDamaged, out long next);
            if (found is null)
            {
                plan.Next = Math.Min(next, end);
                continue;
            }
            var (segment, table) = found.Value;
            for (int i = (int)(plan.Next - table.Header.FirstRecord); i < table.Count && plan.Next < end; i++)
            {
                if (plan.Numbers.Count > 0 && plan.Length + (table.End(i) - table.Start(i)) > mostBytes)
                    return plan;
                plan.Add(segment, table, i);
                plan.Next++;
            }
        }
        return plan;
    });

    /// <summary>Finds records by number, in the order given; a number may come more than once.</summary>
    public RecordPlan Plan(ReadOnlySpan<long> numbers)
    {
        var wanted = numbers.ToArray();
        return Guarded(() =>
        {
            var plan = new RecordPlan(this, wanted.Length);
            foreach (long number in wanted)
            {
                if (Known(number, out int index) is { } known)
                {
                    plan.Add(known.SegmentFile, known.Table, index);
                    continue;
                }
                CheckBegin(number);
                if (number >= EndRecord)
                    throw new StoreException(
                        ErrorKind.NotFound, Directory, $"record {number} is not there: the log ends before record {EndRecord}");
                if (Waiting(number) is { } copy)
                    plan.Add(number, copy);
                else
                {
                    var (segment, table) = Find(number, false, out _)!.Value;
                    plan.Add(segment, table, (int)(number - table.Header.FirstRecord));
                }
            }
            plan.Next = wanted.Length == 0 ? 0 : wanted[^1] + 1;
            return plan;
        });
    }

    /// <summary>As <see cref="Plan(long, long, long, bool)"/>, for logs that lie far away too.</summary>
    public virtual ValueTask<RecordPlan> PlanAsync(long first, long count, long mostBytes, bool skipDamaged, CancellationToken cancel) =>
        new(Plan(first, count, mostBytes, skipDamaged));

    /// <summary>As <see cref="Plan(ReadOnlySpan{long})"/>, for logs that lie far away too.</summary>
    public virtual ValueTask<RecordPlan> PlanAsync(long[] numbers, CancellationToken cancel) => new(Plan(numbers));

    /// <summary>As <see cref="RecordPlan.Read"/>, for logs that lie far away too.</summary>
    public virtual ValueTask ReadAsync(RecordPlan plan, Memory<byte> target, CancellationToken cancel) => plan.ReadAsync(target, cancel);

    /// <summary>One record.</summary>
    public byte[] Read(long number)
    {
        var plan = Plan([number]);
        var data = new byte[plan.Length];
        plan.Read(data, CancellationToken.None);
        return data;
    }

    /// <summary>A record that is in no file yet; null for others.</summary>
    private protected virtual byte[]? Waiting(long number) => null;

    /// <summary>Looks where the log begins by now: another process may have truncated it.</summary>
    private protected virtual void RefreshBegin()
    {
        // the writer itself is the one who truncates
    }

    private protected void SetSegments(IEnumerable<SegmentFile> segments) => Volatile.Write(ref _segments, [.. segments]);

    private protected void AddSegment(SegmentFile segment) => SetSegments([.. Segments, segment]);

    /// <summary>The frame of a record; null, where damage is skipped, with the number to go on at.</summary>
    (SegmentFile SegmentFile, FrameTable Table)? Find(long number, bool skipDamaged, out long next)
    {
        next = number + 1;
        var segments = Segments;
        int at = SegmentOf(segments, number);
        if (at < 0)
        {
            CheckTruncated(number);
            throw Missing(number, Directory, null, "the segment that held it is not there");
        }
        var segment = segments[at];
        try
        {
            var file = segment.Lease();
            try
            {
                var index = segment.Index(file);
                int frame = index.Find(number);
                if (frame >= 0)
                {
                    var (first, offset) = index[frame];
                    if (Table(segment, file, index, frame) is { } table)
                    {
                        if (number - first < table.Count)
                            return (segment, table);
                    }
                    else if (!skipDamaged)
                    {
                        CheckTruncated(number);
                        throw Missing(number, segment.Path, offset, "the header or the table of its frame is damaged");
                    }
                }
                next = frame + 1 < index.Count ? index[frame + 1].FirstRecord
                    : at + 1 < segments.Count ? segments[at + 1].FirstRecord : long.MaxValue;
            }
            finally
            {
                segment.Release();
                CloseSome();
            }
        }
        catch (Exception error) when (error is DiskException { IsMissing: true } or ObjectDisposedException)
        {
            CheckTruncated(number);
            if (!skipDamaged)
                throw Missing(number, segment.Path, null, "the file is not there");
            next = at + 1 < segments.Count ? segments[at + 1].FirstRecord : long.MaxValue;
        }
        catch (SegmentException) when (skipDamaged)
        {
            CheckTruncated(number);
            next = at + 1 < segments.Count ? segments[at + 1].FirstRecord : long.MaxValue;
        }
        if (skipDamaged)
            return null;
        CheckTruncated(number);
        throw Missing(number, segment.Path, null, $"no frame holds it; the next record that can be read is {next}");
    }

    /// <summary>The last segment that begins at or before the record; -1 when there is none.</summary>
    static int SegmentOf(IReadOnlyList<SegmentFile> segments, long number)
    {
        int at = segments.Count - 1;
        // most look at the newest
        if (at < 0 || segments[at].FirstRecord <= number)
            return at;
        int low = 0, high = at - 1;
        at = -1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            if (segments[middle].FirstRecord <= number)
                (at, low) = (middle, middle + 1);
            else
                high = middle - 1;
        }
        return at;
    }

    /// <summary>The frame of a record where its table is kept; takes no lock.</summary>
    (SegmentFile SegmentFile, FrameTable Table)? Known(long number, out int index)
    {
        index = 0;
        if (number < Begin || number >= EndRecord)
            return null;
        var segments = Segments;
        int at = SegmentOf(segments, number);
        if (at < 0 || segments[at].KnownIndex is not { } frames)
            return null;
        int frame = frames.Find(number);
        if (frame < 0 || frames.Table(frame) is not { } table || number - table.Header.FirstRecord >= table.Count)
            return null;
        index = (int)(number - table.Header.FirstRecord);
        return (segments[at], table);
    }

    FrameTable? Table(SegmentFile segment, DiskFile file, FrameIndex index, int at)
    {
        if (index.Table(at) is { } known)
            return known;
        var (firstRecord, offset) = index[at];
        var header = segment.Header(file);
        var start = new byte[512];
        int count = file.Read(start, offset);
        if (!FrameHeader.TryRead(start.AsSpan(0, count), header.Seed, header.BaseAddress + offset, out var frame) || !frame.HasRecords
            || frame.FirstRecord != firstRecord || offset + FrameHeader.Length + frame.TableLength + frame.PayloadLength > file.Length)
            return null;
        var bytes = start.AsSpan(FrameHeader.Length, Math.Max(0, count - FrameHeader.Length));
        if (frame.TableLength > bytes.Length)
        {
            bytes = new byte[frame.TableLength];
            if (file.Read(bytes, offset + FrameHeader.Length) < bytes.Length)
                return null;
        }
        var table = FrameTable.Decode(offset, frame, bytes[..(int)frame.TableLength]);
        if (table is null)
            return null;
        lock (_cacheGate)
        {
            if (_cached > MostCached)
                ForgetTables();
            if (index.Keep(at, table))
                _cached += 160 + (8L * table.Count);
        }
        return table;
    }

    /// <summary>The payload of a packed frame; those that were read last are kept.</summary>
    byte[]? Unpacked(DiskFile file, FrameTable table)
    {
        lock (_cacheGate)
        {
            if (_unpacked.TryGetValue(table, out byte[]? known))
                return known;
        }
        byte[]? raw = FramePacking.Read(file, table);
        lock (_cacheGate)
        {
            if (raw is null || raw.Length > MostUnpacked || _unpacked.ContainsKey(table))
                return raw;
            if (_unpackedLength + raw.Length > MostUnpacked)
            {
                _unpacked.Clear();
                _unpackedLength = 0;
            }
            _unpacked.Add(table, raw);
            _unpackedLength += raw.Length;
            return raw;
        }
    }

    private protected void DropTables()
    {
        lock (_cacheGate)
        {
            ForgetTables();
            _unpacked.Clear();
            _unpackedLength = 0;
        }
    }

    void ForgetTables()
    {
        foreach (var segment in Segments)
            segment.KnownIndex?.DropTables();
        _cached = 0;
    }

    void CloseSome()
    {
        var segments = Segments;
        if (segments.Count <= MostOpenFiles || segments.Count(segment => segment.IsOpen) <= MostOpenFiles)
            return;
        foreach (var segment in segments)
            segment.Rest();
    }

    void CheckBegin(long number)
    {
        if (number < 0)
            throw new StoreException(ErrorKind.InvalidArgument, Directory, $"record {number} was asked for; numbers begin at 0");
        if (number < Begin)
            throw Truncated(number);
    }

    /// <summary>A record that cannot be read may have been truncated by another process.</summary>
    void CheckTruncated(long number)
    {
        RefreshBegin();
        if (number < Begin)
            throw Truncated(number);
    }

    StoreException Truncated(long number) =>
        new(ErrorKind.NotFound, Directory, $"record {number} was truncated: the log begins at record {Begin}");

    static StoreException Missing(long number, string path, long? offset, string reason) => new(
        ErrorKind.ChecksumMismatch, path, $"record {number} was committed and cannot be read: {reason}", offset);

    private protected T Guarded<T>(Func<T> body)
    {
        try
        {
            return body();
        }
        catch (Exception error) when (error is DiskException or SegmentException)
        {
            throw LogErrors.Translate(error, Directory);
        }
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        foreach (var segment in Segments)
            segment.Dispose();
        DropTables();
    }
}
