using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

public sealed partial class LogWriter
{
    LogWriter(Disk disk, string directory, LogOptions options, IDisposable? writerLock, OpenedLog opened)
        : base(disk, directory)
    {
        (_options, _lock, _meta, _tail, _segment, _state, _generation) =
            (options, writerLock, opened.MetaFile, opened.TailFile, opened.Newest, opened.Meta, opened.Generation);
        _open = new FrameBuilder(options.BufferSize);
        _seed = SegmentHeader.SeedOf(opened.Meta.Store);
        (Begin, _appended, _durable, _durableAddress) =
            (opened.Meta.Begin, opened.Meta.EndRecord, opened.Meta.EndRecord, opened.Meta.EndAddress);
        (Schema, RecordSize, Id) = (opened.Meta.Schema, opened.Meta.RecordSize, opened.Meta.Store);
        Damage = opened.Damage;
        SetSegments([.. opened.Older.Select(first => new SegmentFile(disk, directory, first)), Growing(_segment)]);
        _openedAt = _appended;
        _isLocal = disk.IsLocal(directory);
        _packing = options.Compression > 0 ? new FramePacking(options.Compression) : null;
        if (options.CommitAfter > 0)
            _timer = new Timer(_ => CommitWhatWaits(), null, Timeout.Infinite, Timeout.Infinite);
        WriteTail(0);
    }

    /// <summary>What the recovery at this opening found damaged and, as asked, went on with; in words.</summary>
    public IReadOnlyList<string> Damage { get; }

    /// <summary>Opens the log for appending, and makes it where there is none.</summary>
    /// <exception cref="StoreException">
    /// Unavailable when another writer has it; ChecksumMismatch where committed records are damaged; InvalidArgument where the options and
    /// the log disagree; InvalidData where the files are no log or of a newer version.
    /// </exception>
    public static LogWriter Open(string directory, LogOptions options) => Open(LocalDisk.Shared, Path.GetFullPath(directory), options);

    internal static LogWriter Open(Disk disk, string directory, LogOptions options)
    {
        Validate(options, directory);
        try
        {
            Prepare(disk, directory, options.Create);
            var held = Lock(disk, directory);
            try
            {
                return OpenHeld(disk, directory, options, held);
            }
            catch
            {
                held.Dispose();
                throw;
            }
        }
        catch (Exception error) when (error is DiskException or SegmentException)
        {
            throw LogErrors.Translate(error, directory);
        }
    }

    /// <summary>The writer's lock of a log that is there.</summary>
    internal static IDisposable Lock(Disk disk, string directory)
    {
        disk.List(directory);
        return disk.TryLock($"{directory}/LOCK", out string holder) ?? throw new StoreException(
            ErrorKind.Unavailable, directory,
            $"another writer has this log: {holder}. One writer at a time; give each process a log of its own, or read with mode \"r\"");
    }

    /// <summary>Opens under a lock that the caller has; with <paramref name="own"/> it is the writer's from then on.</summary>
    internal static LogWriter OpenHeld(Disk disk, string directory, LogOptions options, IDisposable? own = null)
    {
        OpenedLog opened;
        try
        {
            opened = LogRecovery.Open(disk, directory, options);
        }
        catch (SegmentException error)
        {
            throw LogErrors.Translate(error, directory);
        }
        var merged =
            options with { Alignment = opened.Meta.Alignment, RecordSize = opened.Meta.RecordSize, SegmentSize = opened.Meta.SegmentSize };
        var log = new LogWriter(disk, directory, merged, own, opened);
        lock (log._gate)
            log.Retain();
        return log;
    }

    static void Validate(LogOptions options, string directory)
    {
        StoreException Wrong(string detail) => new(ErrorKind.InvalidArgument, directory, detail);
        if (options.SegmentSize is < LogOptions.LeastSegment or > LogOptions.MostSegment)
            throw Wrong($"segment_size is {options.SegmentSize}, expected {LogOptions.LeastSegment} to {LogOptions.MostSegment}");
        if (options.Alignment is < 8 or > 1 << 20 || (options.Alignment & (options.Alignment - 1)) != 0)
            throw Wrong($"commit_align is {options.Alignment}, expected a power of two from 8 to {1 << 20}");
        if (options.BufferSize is < 4096 or > 1 << 30)
            throw Wrong($"buffer is {options.BufferSize}, expected 4096 to {1 << 30}");
        if (options.CommitAfter < 0 || options.CommitBytes < 0)
            throw Wrong("commits are made every so many milliseconds or bytes, both from 1 on; 0 is never");
        if (options.RetainBytes < 0 || options.RetainRecords < 0 || options.RetainAge < TimeSpan.Zero)
            throw Wrong("what is retained is given in bytes, records or seconds, all from 1 on; 0 keeps everything");
        if (options.Compression is < 0 or > 22)
            throw Wrong($"compression is {options.Compression}, expected a level of zstd from 1 to 22, or 0 for none");
        if (options.RecordSize is < 0 or > MostRecord)
            throw Wrong($"a record has {options.RecordSize} bytes, the most is {MostRecord}");
        if (System.Text.Encoding.UTF8.GetByteCount(options.Schema) > SegmentHeader.MostJson)
            throw Wrong($"the description of the records is longer than {SegmentHeader.MostJson} bytes");
    }

    static void Prepare(Disk disk, string directory, bool create)
    {
        if (create)
        {
            disk.CreateDirectoryDurably(directory);
            return;
        }
        try
        {
            disk.List(directory);
        }
        catch (DiskException error) when (error.IsMissing)
        {
            throw new StoreException(ErrorKind.NotFound, directory, "there is no log");
        }
    }
}
