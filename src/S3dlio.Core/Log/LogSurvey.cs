using System.Buffers.Binary;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>
/// Looks at every file of a log and changes nothing: <see cref="Inspect(string)"/> counts, <see cref="Check(string)"/> compares every byte.
/// Both tell what they find instead of failing at it, also of a log that is being written, that is damaged, or that a newer version wrote.
/// </summary>
public sealed class LogSurvey
{
    const int Tries = 5;

    readonly Disk _disk;
    readonly string _directory;
    readonly bool _checks;
    readonly List<LogFinding> _findings = [];
    readonly List<LogSegmentInfo> _infos = [];
    readonly CancellationToken _cancel;
    SegmentHeader? _before, _any;
    (uint Checksum, long EndAddress)? _sealed;
    long _records, _bytes, _end;
    bool _isGap;

    LogSurvey(Disk disk, string directory, bool checks, CancellationToken cancel) =>
        (_disk, _directory, _checks, _cancel) = (disk, directory, checks, cancel);

    /// <summary>Counts records, segments and bytes.</summary>
    /// <exception cref="StoreException">NotFound: there is no log. PermissionDenied: its files may not be read.</exception>
    public static LogInspection Inspect(string directory) =>
        Run(LocalDisk.Shared, Path.GetFullPath(directory), false, CancellationToken.None);

    /// <summary>Reads everything and compares every record, table, index and header with its checksum.</summary>
    /// <exception cref="StoreException">As for <see cref="Inspect"/>.</exception>
    public static LogInspection Check(string directory, CancellationToken cancel = default) =>
        Run(LocalDisk.Shared, Path.GetFullPath(directory), true, cancel);

    internal static LogInspection Run(Disk disk, string directory, bool checks, CancellationToken cancel)
    {
        for (int i = 1; ; i++)
        {
            try
            {
                var found = new LogSurvey(disk, directory, checks, cancel).Look();
                // a writer may have rolled or truncated in between
                if (found.IsWhole || found.Writer is null || i == Tries)
                    return found;
            }
            catch (DiskException error) when (error.IsMissing && i < Tries)
            {
                // a segment was truncated between the list and the look
            }
            catch (DiskException error)
            {
                throw error.IsMissing ? NoLog(directory, error) : LogErrors.Translate(error, directory);
            }
        }
    }

    static StoreException NoLog(string directory, Exception? cause = null) =>
        new(ErrorKind.NotFound, directory, "there is no log", cause: cause);

    LogInspection Look()
    {
        var names = _disk.List(_directory);
        var all = LogRecovery.SegmentsOf(names);
        var (meta, isMeta) = ReadMeta();
        if (all.Count == 0 && !isMeta)
            throw NoLog(_directory);
        string? writer = Holder();
        var segments = all.FindAll(first => first >= (meta?.BeginSegment ?? 0));
        foreach (long gone in all.Except(segments))
            Leftover(SegmentWriter.NameOf(gone), null, "it holds truncated records only: the truncation was interrupted");
        foreach (string name in names.Where(name => name.StartsWith("tmp-", StringComparison.Ordinal)))
            Leftover(name, null, "a file that a crash left unfinished");
        long begin = meta?.Begin ?? (segments.Count > 0 ? segments[0] : 0);
        if (meta is not null && (segments.Count == 0 || segments[0] > begin))
            Damage(_directory, null, begin, segments.Count > 0 ? segments[0] : Math.Max(begin, meta.EndRecord),
                "the segment that held them is not there", FindingRepair.None);
        var (version, least) = (0, 0);
        for (int i = 0; i < segments.Count; i++)
        {
            _cancel.ThrowIfCancellationRequested();
            long next = i + 1 < segments.Count ? segments[i + 1] : -1;
            Look(segments[i], next, meta, begin, writer is not null, ref version, ref least);
        }
        if (meta is not null && segments.Count > 0 && segments[^1] < meta.NewestSegment)
            Damage(
                SegmentWriter.NameOf(meta.NewestSegment), null, meta.NewestSegment, Math.Max(meta.EndRecord, meta.NewestSegment),
                "the newest segment is not there; put the file back", FindingRepair.None);
        return new LogInspection
        {
            Directory = _directory,
            Id = meta?.Store ?? _any?.Store ?? Guid.Empty,
            Version = version,
            LeastVersion = least,
            Writer = writer,
            IsClosed = writer is null && meta is { IsClean: true },
            Begin = begin,
            End = Math.Max(_end, begin),
            Epoch = meta?.Epoch ?? 0,
            SegmentSize = meta?.SegmentSize ?? 0,
            Alignment = meta?.Alignment ?? _any?.Alignment ?? 0,
            RecordSize = meta?.RecordSize ?? _any?.RecordSize ?? 0,
            Schema = meta?.Schema ?? _any?.Json ?? "",
            Segments = _infos,
            Cursors = Cursors(names),
            Findings = _findings,
            RecordsChecked = _records,
            BytesChecked = _bytes,
        };
    }

    string? Holder()
    {
        try
        {
            return _disk.Holder($"{_directory}/LOCK");
        }
        catch (DiskException)
        {
            // a lock that may not be looked at: nobody can be named
            return null;
        }
    }

    (LogMeta? Meta, bool IsThere) ReadMeta()
    {
        string path = $"{_directory}/{LogMeta.FileName}";
        try
        {
            using var file = _disk.Open(path, DiskOpen.Read);
            var slot = TwoSlots.Read(file);
            int damaged = TwoSlots.CountDamaged(file);
            if (slot is null)
                Redundant(
                    path, 0, "neither of META's slots is whole: the next opening makes it anew from the segments", FindingRepair.Opening);
            else if (damaged > 0)
                Redundant(path, 0, "one of META's two slots is damaged; the other is used", FindingRepair.Opening);
            return (slot is null ? null : LogMeta.Parse(slot.Value.Content, path), slot is not null);
        }
        catch (DiskException error) when (error.IsMissing)
        {
            return (null, false);
        }
        catch (SegmentException error)
        {
            Add(new LogFinding(FindingKind.Damage, path, error.Offset, -1, -1, error.Detail, FindingRepair.None));
            return (null, true);
        }
    }

    void Look(long first, long next, LogMeta? meta, long begin, bool isWritten, ref int version, ref int least)
    {
        string name = SegmentWriter.NameOf(first), path = $"{_directory}/{name}";
        using var file = _disk.Open(path, DiskOpen.Read);
        var start = new byte[12];
        if (file.Read(start, 0) == start.Length && start.AsSpan().StartsWith("S3DLSEG1"u8))
            (version, least) =
                (BinaryPrimitives.ReadUInt16LittleEndian(start.AsSpan(8)), BinaryPrimitives.ReadUInt16LittleEndian(start.AsSpan(10)));
        // the next segment's name says how far this one went
        long until = next >= 0 ? next : Math.Max(first, meta?.EndRecord ?? first);
        var header = Header(file, first, until, meta);
        if (header is null)
        {
            _infos.Add(new LogSegmentInfo(name, first, until, 0, file.Length, file.AllocatedLength, next >= 0, 0, 0));
            (_before, _sealed, _end) = (null, null, until);
            return;
        }
        Chain(header, path);
        bool holdsBegin = meta is not null && meta.BeginSegment == first;
        long from = holdsBegin ? meta!.BeginOffset : SegmentHeader.Length;
        if (next >= 0)
            Sealed(file, header, from, holdsBegin, begin, next);
        else
            Newest(file, header, meta, begin, isWritten);
        _any = header;
        if (!_isGap)
        {
            _before = header;
            return;
        }
        // the segments that would be between are not there
        (_isGap, _before, _sealed) = (false, null, null);
    }

    /// <summary>The header that stands there, or the one that must have stood there; null when neither can be told.</summary>
    SegmentHeader? Header(DiskFile file, long first, long until, LogMeta? meta)
    {
        try
        {
            var header = LogRecovery.ReadHeader(file, first);
            LogRecovery.CheckStore(header, meta, file.Path);
            return header;
        }
        catch (SegmentException error)
        {
            var made = LogRepair.IsDamagedHeader(error) ? LogRepair.Header(file, first, meta, _before, _sealed) : null;
            if (made is not null)
                Redundant(file.Path, error.Offset, error.Detail, FindingRepair.Header, first);
            else
                Add(new LogFinding(
                    FindingKind.Damage, file.Path, error.Offset, first, until, error.Detail, FindingRepair.None)
                {
                    Segment = first,
                });
            return made;
        }
    }

    /// <summary>What a header says of the segment before it.</summary>
    void Chain(SegmentHeader header, string path)
    {
        if (_before is { } before && (header.Store != before.Store || header.Number != before.Number + 1))
            Add(new LogFinding(
                FindingKind.Damage, path, 16, header.FirstRecord, -1,
                $"it is segment {header.Number} of the log {header.Store}, expected {before.Number + 1} of {before.Store}: files of two "
                    + "logs were mixed", FindingRepair.None));
        else if (_sealed is { } end && (header.PreviousFooter != end.Checksum || header.BaseAddress < end.EndAddress))
            Redundant(path, 80, "what its header says of the footer of the segment before does not fit that footer", FindingRepair.Header,
                header.FirstRecord);
    }

    void Sealed(DiskFile file, SegmentHeader header, long from, bool holdsBegin, long begin, long next)
    {
        var index = SegmentFile.ReadFooter(file, header, out var footer);
        long length = file.Length;
        var (frames, lastTime) = (index?.Count ?? 0, footer?.LastTime ?? 0);
        _sealed = null;
        if (footer is not null)
        {
            var bytes = new byte[length - footer.Offset];
            _sealed = (Crc32C.Compute(bytes.AsSpan(0, file.Read(bytes, footer.Offset))),
                header.BaseAddress + FrameHeader.Padded(length, header.Alignment));
        }
        if (_checks || footer is null)
        {
            // what is sealed was durable, all of it
            var proof = new DurableProof(header.BaseAddress + length, next);
            var found =
                SegmentRecovery.Run(file, header, from, holdsBegin ? -1 : header.FirstRecord, begin, proof, long.MaxValue, true, _checks);
            int before = _findings.Count;
            Tell(file, header, found, next, isNewest: false);
            if (footer is null)
            {
                bool isWhole = found.Damage.TrueForAll(one => one.FirstRecord >= next) && found.EndRecord == next;
                Redundant(
                    file.Path, found.Tail, "the segment is sealed and its footer is missing or damaged; its frames are found by walking",
                    isWhole ? FindingRepair.Footer : FindingRepair.None, header.FirstRecord);
                frames = found.Index.Count;
                lastTime = found.LastTime;
            }
            else if (_checks && _findings.Count == before && from == SegmentHeader.Length
                && new FrameWalk(file, header, 0, -1).Checksum(0, footer.Offset) != footer.BodyChecksum)
                Redundant(file.Path, null, "bytes between the frames are not what was written; every record is whole", FindingRepair.None,
                    header.FirstRecord);
            Count(file, header, found, index ?? found.Index, from);
        }
        _isGap = footer is not null && footer.EndRecord != next;
        if (_isGap)
            Damage(file.Path, null, footer!.EndRecord, next,
                $"a segment is missing: this one ends before record {footer.EndRecord}, the next one begins at {next}", FindingRepair.None);
        _end = next;
        _infos.Add(new LogSegmentInfo(
            SegmentWriter.NameOf(header.FirstRecord), header.FirstRecord, footer?.EndRecord ?? next, frames, length, file.AllocatedLength,
            true, header.Created, lastTime));
    }

    void Newest(DiskFile file, SegmentHeader header, LogMeta? meta, long begin, bool isWritten)
    {
        LogTail? tail = null;
        try
        {
            using var tailFile = _disk.Open($"{_directory}/{LogTail.FileName}", DiskOpen.Read);
            tail = LogTail.Read(tailFile, header.Seed);
        }
        catch (DiskException error) when (error.IsMissing)
        {
            // a copy of a log has none
        }
        var (from, record, proof, epoch) = LogRecovery.Before(meta, header, tail);
        var found = SegmentRecovery.Run(file, header, from, record, begin, proof, meta?.Epoch ?? long.MaxValue, true, _checks);
        long end = found.EndRecord;
        Tell(file, header, found, end, isNewest: true);
        if (isWritten && tail is { } live && live.BootId == _disk.BootId && live.Epoch == epoch)
            end = Math.Clamp(live.EndRecord, Math.Min(begin, end), end);
        else if (!found.IsSealed && Torn(file, found.Tail) is { } torn)
            Leftover(
                file.Path, found.Tail,
                $"{torn} bytes behind the last whole frame are the torn end of a crash; they were never acknowledged");
        Count(file, header, found, found.Index, from);
        _end = end;
        _infos.Add(new LogSegmentInfo(
            SegmentWriter.NameOf(header.FirstRecord), header.FirstRecord, Math.Max(end, header.FirstRecord), found.Index.Count,
            file.Length, file.AllocatedLength,
            found.IsSealed, header.Created, found.LastTime));
    }

    /// <summary>Bytes that were written behind the tail; null where there are zeros only.</summary>
    static long? Torn(DiskFile file, long tail)
    {
        long last = -1;
        var piece = new byte[1 << 16];
        for (long at = tail; ;)
        {
            int count = file.Read(piece, at);
            int found = piece.AsSpan(0, count).LastIndexOfAnyExcept((byte)0);
            last = found >= 0 ? at + found : last;
            if (count < piece.Length)
                return last < 0 ? null : last + 1 - tail;
            at += count;
        }
    }

    void Tell(DiskFile file, SegmentHeader header, SegmentRecovery found, long end, bool isNewest)
    {
        foreach (var one in found.Damage)
        {
            long until = one.EndRecord < 0 ? end : one.EndRecord;
            if (one.FirstRecord < until)
                Damage(file.Path, one.Offset, one.FirstRecord, until, one.Reason, isNewest ? FindingRepair.Seal : FindingRepair.None,
                    header.FirstRecord);
            else if (isNewest)
                Redundant(
                    file.Path, one.Offset, $"a frame without records is damaged: {one.Reason}", FindingRepair.Seal, header.FirstRecord);
        }
        foreach (var one in found.DamagedRecords)
        {
            foreach (var (number, offset) in DamagedOf(file, header, one.Offset))
                Damage(file.Path, offset, number, number + 1, one.Reason, FindingRepair.None, header.FirstRecord);
        }
    }

    /// <summary>The damaged records of a frame whose table is whole.</summary>
    static IEnumerable<(long Number, long Offset)> DamagedOf(DiskFile file, SegmentHeader header, long offset)
    {
        var walk = new FrameWalk(file, header, offset, -1);
        if (!walk.Next())
            yield break;
        var bytes = new byte[walk.Header.TableLength];
        if (file.Read(bytes, offset + FrameHeader.Length) < bytes.Length || FrameTable.Decode(offset, walk.Header, bytes) is not { } table)
            yield break;
        bool isPacked = table.Header.Type == FrameType.Packed;
        foreach (int i in walk.Damaged(table))
            yield return (walk.Header.FirstRecord + i, table.PayloadOffset + (isPacked ? 0 : table.Start(i)));
    }

    void Count(DiskFile file, SegmentHeader header, SegmentRecovery found, FrameIndex index, long from)
    {
        if (!_checks)
            return;
        _bytes += found.Tail - from;
        long end = Math.Max(found.EndRecord, header.FirstRecord);
        _records += index.Count == 0 ? 0 : end - Math.Max(index[0].FirstRecord, header.FirstRecord);
    }

    Dictionary<string, long> Cursors(IReadOnlyList<string> names)
    {
        Dictionary<string, long> cursors = [];
        foreach (string name in names.Where(name => name.StartsWith(LogCursor.Prefix, StringComparison.Ordinal))
            .Order(StringComparer.Ordinal))
        {
            string path = $"{_directory}/{name}";
            if (TwoSlots.Read(_disk, path) is { Content.Length: sizeof(long) } slot)
                cursors[name[LogCursor.Prefix.Length..]] = BinaryPrimitives.ReadInt64LittleEndian(slot.Content);
            else
                Add(new LogFinding(
                    FindingKind.Damage, path, 0, -1, -1,
                    "neither slot of the cursor is whole: its consumer begins where the log does; set it anew", FindingRepair.None));
        }
        return cursors;
    }

    void Damage(string path, long? offset, long first, long end, string what, FindingRepair repair, long segment = -1) =>
        Add(new LogFinding(FindingKind.Damage, path.Contains('/') ? path : $"{_directory}/{path}", offset, first, end, what, repair)
        {
            Segment = segment,
        });

    void Redundant(string path, long? offset, string what, FindingRepair repair, long segment = -1) =>
        Add(new LogFinding(FindingKind.Redundant, path, offset, -1, -1, what, repair) { Segment = segment });

    void Leftover(string path, long? offset, string what) =>
        Add(new LogFinding(
            FindingKind.Leftover, path.Contains('/') ? path : $"{_directory}/{path}", offset, -1, -1, what, FindingRepair.Opening));

    void Add(LogFinding finding) => _findings.Add(finding);
}
