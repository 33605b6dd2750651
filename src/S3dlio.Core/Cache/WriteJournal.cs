using System.Globalization;
using S3dlio.IO;
using S3dlio.Log;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>
/// One journal: a durable log of writes, and files with the payloads that are too large for it. One process at a time has it, by the log's
/// lock, which the kernel frees when that process dies; the others follow it.
/// </summary>
sealed class WriteJournal : IDisposable
{
    /// <summary>Payloads up to so many bytes lie in the record itself.</summary>
    public const int MostInline = 128 << 10;

    /// <summary>Bytes of records that are read at once.</summary>
    const long MostRead = 4 << 20;

    readonly Disk _disk;
    readonly RecordLog _log;
    long _next;
    object? _seen, _read;

    WriteJournal(Disk disk, string directory, int number, RecordLog log) =>
        (_disk, Directory, Number, _log, _next) = (disk, directory, number, log, log.Begin);

    public string Directory { get; }

    /// <summary>From 0; at most one journal of a place has it.</summary>
    public int Number { get; }

    /// <summary>This process writes it.</summary>
    public bool IsOurs => _log is LogWriter;

    public long Begin => _log.Begin;

    public string Schema => _log.Schema;

    /// <summary>All that was appended survives a crash.</summary>
    public bool IsDurable => _log.Committed >= _log.EndRecord;

    /// <summary>That record of this process survives a crash.</summary>
    public bool IsCommitted(long number) => IsOurs && number < _log.Committed;

    /// <summary>A write or a flush failed: it takes no more records until it is opened again.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Something was appended that nobody has waited for.</summary>
    public bool NeedsCommit { get; set; }

    /// <summary>Writes that were done since the last truncation.</summary>
    public int Ended { get; set; }

    /// <summary>Payload files that no record needs once what was appended is durable.</summary>
    public List<long> Unneeded { get; } = [];

    public IReadOnlyList<string> Damage => _log is LogWriter writer ? writer.Damage : [];

    /// <summary>What others could have put there is not followed: whoever writes a journal says what the store gets.</summary>
    /// <exception cref="StoreException">PermissionDenied.</exception>
    static void CheckFiles(Disk disk, string directory)
    {
        if (disk is not LocalDisk)
            return;
        CheckFile(Path.GetDirectoryName(directory)!, isDirectory: true);
        CheckFile(directory, isDirectory: true);
        foreach (string name in disk.List(directory))
            CheckFile($"{directory}/{name}", isDirectory: false);
    }

    static void CheckFile(string path, bool isDirectory)
    {
        if (Interop.Status(path, follow: false, out var status) == 0
            && (status.User != Interop.geteuid() || !(isDirectory ? status.IsDirectory : status.IsRegular)))
            throw new StoreException(ErrorKind.PermissionDenied, path,
                $"a {(isDirectory ? "directory" : "regular file")} of user {Interop.geteuid()} was expected in the journal, found"
                + $" {status.TypeName} of user {status.User}: it is not used. Remove it");
    }

    /// <summary>Takes the journal of that directory, made where there is none; null when another process has it.</summary>
    /// <exception cref="StoreException">It cannot be made or read.</exception>
    public static WriteJournal? TryOwn(Disk disk, string directory, int number, string schema, long segmentSize)
    {
        IDisposable? held = null;
        try
        {
            disk.CreateDirectory(directory);
            CheckFiles(disk, directory);
            held = disk.TryLock($"{directory}/LOCK", out _);
            if (held is null)
                return null;
            var options = new LogOptions { Schema = schema, SegmentSize = segmentSize, OnDamage = OnDamage.Skip };
            var journal = new WriteJournal(disk, directory, number, LogWriter.OpenHeld(disk, directory, options, held));
            // the name of the directory itself: the log has seen to what lies in it
            disk.SyncDirectory(Path.GetDirectoryName(directory)!);
            held = null;
            return journal;
        }
        catch (DiskException error)
        {
            throw Translate(error, directory);
        }
        finally
        {
            held?.Dispose();
        }
    }

    /// <summary>Follows the journal of that directory; null where there is none yet.</summary>
    public static WriteJournal? TryFollow(Disk disk, string directory, int number)
    {
        try
        {
            CheckFiles(disk, directory);
            return new WriteJournal(disk, directory, number, LogReader.Open(disk, directory, OnDamage.Skip));
        }
        catch (Exception error) when (error is StoreException { Kind: ErrorKind.NotFound } or DiskException { IsMissing: true })
        {
            return null;
        }
    }

    /// <summary>Its writer says more than what was read of it; needs no lock.</summary>
    public bool HasNews() => _log is LogReader reader && !reader.IsSeen(Volatile.Read(ref _read));

    /// <summary>What <see cref="ReadNew"/> gave counts now.</summary>
    public void IsRead() => Volatile.Write(ref _read, _seen);

    /// <summary>The records that were not read yet.</summary>
    /// <exception cref="StoreException">They cannot be read.</exception>
    public IEnumerable<(long Number, JournalRecord Record)> ReadNew()
    {
        if (_log is LogReader reader)
            _seen = reader.RefreshSeen();
        _next = Math.Max(_next, _log.Begin);
        while (_next < _log.EndRecord)
        {
            var plan = _log.Plan(_next, long.MaxValue, MostRead, skipDamaged: true);
            var bytes = new byte[plan.Length];
            plan.Read(bytes, CancellationToken.None);
            long start = 0;
            for (int i = 0; i < plan.Numbers.Count; i++)
            {
                var record = JournalRecord.Read(bytes.AsSpan((int)start, (int)(plan.Ends[i] - start)), Directory);
                start = plan.Ends[i];
                yield return (plan.Numbers[i], record);
            }
            _next = Math.Max(plan.Next, _next + 1);
        }
    }

    /// <summary>The bytes of a record.</summary>
    /// <exception cref="StoreException">NotFound: it was truncated, the write is done.</exception>
    public byte[] Read(long number)
    {
        try
        {
            return _log.Read(number);
        }
        catch (ObjectDisposedException error)
        {
            throw new StoreException(ErrorKind.NotFound, Directory, "the journal was closed", cause: error);
        }
    }

    /// <summary>Opens a payload's file; null where it is gone.</summary>
    public DiskFile? TryOpen(long file)
    {
        try
        {
            return _disk.Open(PayloadFile.Path(Directory, file), DiskOpen.Read);
        }
        catch (DiskException error) when (error.IsMissing)
        {
            return null;
        }
        catch (DiskException error)
        {
            throw Translate(error, Directory);
        }
    }

    /// <exception cref="StoreException">The record is not taken.</exception>
    public long Append(byte[] record)
    {
        try
        {
            long number = ((LogWriter)_log).Append(record.AsSpan());
            // what this process wrote it knows
            _next = number + 1;
            return number;
        }
        catch (StoreException error) when (error.Kind != ErrorKind.OutOfSpace)
        {
            HasFailed = true;
            throw;
        }
    }

    /// <summary>Waits until all that was appended is durable.</summary>
    public async ValueTask CommitAsync()
    {
        try
        {
            if (!((LogWriter)_log).TryCommit(out _))
                await ((LogWriter)_log).CommitAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind != ErrorKind.OutOfSpace)
        {
            HasFailed = true;
            throw;
        }
    }

    /// <summary>The same, on a thread that may wait.</summary>
    public void Commit()
    {
        try
        {
            ((LogWriter)_log).Commit();
        }
        catch (StoreException error) when (error.Kind != ErrorKind.OutOfSpace)
        {
            HasFailed = true;
            throw;
        }
    }

    public void Truncate(long number) => ((LogWriter)_log).Truncate(Math.Min(number, _log.Committed));

    /// <summary>The number that the next record gets.</summary>
    public long End => _log.EndRecord;

    public long DiskBytes => _log is LogWriter writer ? writer.Statistics().DiskBytes : 0;

    /// <summary>Removes payload files that no write needs.</summary>
    public void RemoveFiles(HashSet<long> needed)
    {
        try
        {
            foreach (string name in _disk.List(Directory))
            {
                if (PayloadFile.TryParse(name, out long file) && !needed.Contains(file))
                    PayloadFile.Remove(_disk, Directory, file);
            }
        }
        catch (DiskException)
        {
            // the next that opens it does so
        }
    }

    public static StoreException Translate(DiskException error, string directory) => new(
        error.IsOutOfSpace ? ErrorKind.OutOfSpace : ErrorKind.Unavailable, directory,
        string.Create(CultureInfo.InvariantCulture, $"the journal cannot be used: {error.Message}"), cause: error);

    public void Dispose() => _log.Dispose();
}
