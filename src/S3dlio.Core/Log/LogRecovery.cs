using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>What opening a log for writing ends with.</summary>
sealed record OpenedLog(
    LogMeta Meta, long Generation, DiskFile MetaFile, DiskFile TailFile, SegmentWriter Newest,
    IReadOnlyList<long> Older, IReadOnlyList<string> Damage);

/// <summary>
/// Brings a log to the state that a writer goes on from: the torn tail is cut, the accepted one is durable, and the opening has a number of
/// its own. Each step may be interrupted and is done again by the next opening. Work is bounded by one segment.
/// </summary>
static class LogRecovery
{
    public static OpenedLog Open(Disk disk, string directory, LogOptions options)
    {
        var names = disk.List(directory);
        foreach (string name in names.Where(name => name.StartsWith("tmp-", StringComparison.Ordinal)))
            disk.Unlink($"{directory}/{name}");
        var segments = SegmentsOf(names);
        var slot = TwoSlots.Read(disk, $"{directory}/{LogMeta.FileName}");
        var meta = slot is null ? null : LogMeta.Parse(slot.Value.Content, $"{directory}/{LogMeta.FileName}");
        if (segments.Count == 0 && meta is null)
        {
            if (!options.Create)
                throw new StoreException(ErrorKind.NotFound, directory, "there is no log");
            (meta, segments) = (Make(disk, directory, options), [0]);
            slot = null;
        }
        CheckSchema(directory, options, meta);
        if (segments.Count == 0 || meta is not null && segments[^1] < meta.NewestSegment)
            throw new SegmentException(
                SegmentFault.Damaged, $"{directory}/{SegmentWriter.NameOf(meta!.NewestSegment)}",
                $"the newest segment is not there; it held the records from {meta.NewestSegment} on. Put the file back");
        string path = $"{directory}/{SegmentWriter.NameOf(segments[^1])}";
        var file = disk.Open(path, DiskOpen.Write);
        DiskFile? metaFile = null, tailFile = null;
        try
        {
            var header = ReadHeader(file, segments[^1]);
            CheckStore(header, meta, path);
            tailFile = disk.Open($"{directory}/{LogTail.FileName}", DiskOpen.WriteOrCreate);
            var hint = LogTail.Read(tailFile, header.Seed);
            var (from, record, proof, epoch) = Before(meta, header, hint);
            var found = SegmentRecovery.Run(
                file, header, from, record, meta?.Begin ?? hint?.Begin ?? 0, proof, meta?.Epoch ?? long.MaxValue,
                options.OnDamage == OnDamage.Skip);
            var damage = Judge(found, options.OnDamage);
            meta ??= Rebuild(disk, directory, segments, header, found, options);
            epoch = Math.Max(meta.Epoch, found.LastEpoch) + 1;
            bool isExact = meta.IsClean && meta.EndAddress == header.BaseAddress + found.Tail && file.Length == found.Tail;
            if (!isExact && !found.IsSealed)
                Settle(file, header, found);
            var (segment, end) = found.IsSealed
                ? (Successor(disk, directory, file, header, found, options), found.EndRecord)
                : (SegmentWriter.Continue(disk, directory, file, header, found), found.EndRecord);
            file = null;
            meta = meta with
            {
                NewestSegment = segment.Header.FirstRecord,
                EndRecord = end,
                EndAddress = segment.EndAddress,
                Epoch = epoch,
                IsClean = false,
                SegmentSize = options.KeepsSegmentSize ? meta.SegmentSize : options.SegmentSize,
            };
            metaFile = WriteMeta(disk, directory, meta, slot?.Generation + 1, out long generation);
            var left = Clear(disk, directory, [.. segments.Where(first => first < segment.Header.FirstRecord)], meta.BeginSegment);
            return new OpenedLog(meta, generation, metaFile, tailFile, segment, left, damage);
        }
        catch
        {
            file?.Dispose();
            metaFile?.Dispose();
            tailFile?.Dispose();
            throw;
        }
    }

    /// <summary>First records of the segments, ascending.</summary>
    public static List<long> SegmentsOf(IReadOnlyList<string> names)
    {
        List<long> segments = [];
        foreach (string name in names)
        {
            if (SegmentWriter.TryParseName(name, out long first))
                segments.Add(first);
        }
        segments.Sort();
        return segments;
    }

    public static SegmentHeader ReadHeader(DiskFile file, long firstRecord)
    {
        var bytes = new byte[SegmentHeader.Length];
        var header = SegmentHeader.Parse(bytes.AsSpan(0, file.Read(bytes, 0)), file.Path);
        return header.FirstRecord == firstRecord
            ? header
            : throw new SegmentException(
                SegmentFault.Damaged, file.Path, $"its name says record {firstRecord}, its header {header.FirstRecord}", 48);
    }

    /// <summary>Where the walk of the newest segment begins, and what is known to have been durable.</summary>
    public static (long From, long Record, DurableProof Proof, long Epoch) Before(LogMeta? meta, SegmentHeader header, LogTail? tail)
    {
        if (meta is null)
            return (SegmentHeader.Length, -1, default, 0);
        bool holdsBegin = meta.BeginSegment == header.FirstRecord && meta.BeginOffset > SegmentHeader.Length;
        var proof = new DurableProof(meta.EndAddress, meta.EndRecord);
        // what an earlier opening left in TAIL may be of frames that were cut since
        if (tail is { } hint && hint.Epoch == meta.Epoch && hint.EndAddress > proof.Address)
            proof = new DurableProof(hint.EndAddress, hint.EndRecord);
        // the frame at META's place may begin before the log does: its number is not known here
        return (holdsBegin ? meta.BeginOffset : SegmentHeader.Length, holdsBegin ? -1 : header.FirstRecord, proof, meta.Epoch);
    }

    static LogMeta Make(Disk disk, string directory, LogOptions options)
    {
        var header = new SegmentHeader
        {
            Store = Guid.NewGuid(),
            Number = 0,
            FirstRecord = 0,
            BaseAddress = 0,
            Created = SegmentHeader.Now(),
            Alignment = options.Alignment,
            RecordSize = options.RecordSize,
            Features = LogWriter.FeaturesOf(options),
            PreviousFooter = 0,
            Json = options.Schema,
        };
        using var segment = SegmentWriter.Prepare(disk, directory, header, options.SegmentSize);
        segment.Publish();
        return New(header, options);
    }

    static LogMeta New(SegmentHeader header, LogOptions options) => new()
    {
        Store = header.Store,
        Begin = header.FirstRecord,
        BeginSegment = header.FirstRecord,
        BeginOffset = SegmentHeader.Length,
        NewestSegment = header.FirstRecord,
        EndRecord = header.FirstRecord,
        EndAddress = header.BaseAddress + SegmentHeader.Length,
        Epoch = 0,
        IsClean = false,
        SegmentSize = options.SegmentSize,
        Alignment = header.Alignment,
        RecordSize = header.RecordSize,
        Schema = header.Json,
    };

    /// <summary>Both slots of META are lost: what the segments tell is enough but for a beginning in the middle of a segment.</summary>
    static LogMeta Rebuild(
        Disk disk, string directory, List<long> segments, SegmentHeader newest, SegmentRecovery found, LogOptions options)
    {
        using var oldest = new SegmentFile(disk, directory, segments[0]);
        var file = oldest.Lease();
        try
        {
            var index = segments.Count == 1 ? found.Index : oldest.Index(file);
            var (first, offset) = index.Count > 0 ? index[0] : (segments[0], SegmentHeader.Length);
            var meta = New(newest, options) with { Begin = first, BeginSegment = segments[0], BeginOffset = offset };
            CheckSchema(directory, options, meta);
            return meta;
        }
        finally
        {
            oldest.Release();
        }
    }

    static List<string> Judge(SegmentRecovery found, OnDamage choice)
    {
        if (found.Damage.Count > 0 && choice == OnDamage.Raise)
            throw LogErrors.Damaged(found.Damage[0]);
        return [.. found.Damage.Concat(found.DamagedRecords).Select(one => $"{one.Path}: at byte {one.Offset}: {one.Describe()}")];
    }

    /// <summary>
    /// What was read may be in the page cache alone: after a failed flush the kernel calls such pages clean. So the accepted end is written
    /// once more, and what lies behind it is cut off, before anything is appended.
    /// </summary>
    static void Settle(DiskFile file, SegmentHeader header, SegmentRecovery found)
    {
        long from = Math.Clamp(found.ProvenTo - header.BaseAddress, SegmentHeader.Length, found.Tail);
        var piece = new byte[Math.Min(1 << 20, Math.Max(found.Tail - from, 1))];
        for (long at = from; at < found.Tail;)
        {
            int count = file.Read(piece.AsSpan(0, (int)Math.Min(piece.Length, found.Tail - at)), at);
            if (count == 0)
                break;
            file.Write(piece.AsSpan(0, count), at);
            at += count;
        }
        file.SetLength(found.Tail);
        file.Flush();
    }

    static SegmentWriter Successor(
        Disk disk, string directory, DiskFile file, SegmentHeader header, SegmentRecovery found, LogOptions options)
    {
        SegmentFile.ReadFooter(file, header, out _);
        long length = file.Length;
        var footer = new byte[length - found.Tail];
        _ = file.Read(footer, found.Tail);
        // the seal was flushed before the crash or only written: now it is durable
        file.Write(footer, found.Tail);
        file.Flush();
        file.Dispose();
        var next = SegmentWriter.Prepare(disk, directory, header with
        {
            Number = header.Number + 1,
            Features = LogWriter.FeaturesOf(options),
            FirstRecord = found.EndRecord,
            BaseAddress = header.BaseAddress + FrameHeader.Padded(length, header.Alignment),
            Created = found.LastTime,
            PreviousFooter = Hashing.Crc32C.Compute(footer),
        }, options.SegmentSize);
        next.Publish();
        return next;
    }

    static DiskFile WriteMeta(Disk disk, string directory, LogMeta meta, long? next, out long generation)
    {
        string path = $"{directory}/{LogMeta.FileName}";
        generation = next ?? 0;
        if (next is null)
        {
            TwoSlots.Create(disk, directory, LogMeta.FileName, meta.ToBytes());
            disk.SyncDirectory(directory);
            return disk.Open(path, DiskOpen.Write);
        }
        var file = disk.Open(path, DiskOpen.Write);
        TwoSlots.Write(file, meta.ToBytes(), generation);
        return file;
    }

    /// <summary>Finishes a truncation that was interrupted.</summary>
    static List<long> Clear(Disk disk, string directory, List<long> segments, long beginSegment)
    {
        var gone = segments.FindAll(first => first < beginSegment);
        foreach (long first in gone)
            disk.Unlink($"{directory}/{SegmentWriter.NameOf(first)}");
        if (gone.Count > 0)
            disk.SyncDirectory(directory);
        return segments.FindAll(first => first >= beginSegment);
    }

    static void CheckSchema(string directory, LogOptions options, LogMeta? meta)
    {
        if (meta is null || !options.ChecksSchema || meta.RecordSize == options.RecordSize && meta.Schema == options.Schema)
            return;
        throw new StoreException(
            ErrorKind.InvalidArgument, directory,
            $"the log was made for records of {Size(meta.RecordSize)} ({meta.Schema}),"
            + $" it is opened for {Size(options.RecordSize)} ({options.Schema})");

        static string Size(int size) => size == 0 ? "any length" : $"{size} bytes";
    }

    public static void CheckStore(SegmentHeader header, LogMeta? meta, string path)
    {
        if (meta is not null && header.Store != meta.Store)
            throw new SegmentException(
                SegmentFault.Foreign, path,
                $"the segment is of the log {header.Store}, META of {meta.Store}: files of two logs were mixed", 16);
    }
}
