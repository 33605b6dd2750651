using System.Buffers.Binary;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>
/// Mends what can be mended of a log that is damaged, and keeps every record that can be read. What is written anew follows from bytes
/// whose checksums are right: nothing is guessed.
/// </summary>
public static class LogRepair
{
    /// <summary>What is wrong and what can be done about it; changes nothing.</summary>
    /// <param name="directory">The log.</param>
    /// <param name="copy">Where sealed segments were uploaded to; null: nowhere.</param>
    /// <param name="prefix">Of their keys there.</param>
    /// <param name="cancel">Looked at while it reads.</param>
    public static ValueTask<LogInspection> PlanAsync(string directory, ObjectStore? copy, string prefix, CancellationToken cancel) =>
        PlanAsync(LocalDisk.Shared, Path.GetFullPath(directory), copy, prefix, cancel);

    internal static async ValueTask<LogInspection> PlanAsync(
        Disk disk, string directory, ObjectStore? copy, string prefix, CancellationToken cancel)
    {
        var found = LogSurvey.Run(disk, directory, true, cancel);
        if (copy is null)
            return found;
        List<LogFinding> findings = [];
        foreach (var one in found.Findings)
        {
            bool isCopied = await IsCopiedAsync(found, one, copy, prefix, cancel).ConfigureAwait(false);
            findings.Add(isCopied ? one with { Repair = FindingRepair.Copy } : one);
        }
        return found with { Findings = findings };
    }

    static async ValueTask<bool> IsCopiedAsync(
        LogInspection found, LogFinding one, ObjectStore copy, string prefix, CancellationToken cancel)
    {
        // the newest segment grows: what was uploaded is never it
        bool isSealed = one.Kind == FindingKind.Damage && one.Repair != FindingRepair.Seal && SegmentOf(found, one) >= 0;
        return isSealed
            && await copy.HeadOrNullAsync(prefix + SegmentWriter.NameOf(SegmentOf(found, one)), cancel).ConfigureAwait(false) is not null;
    }

    /// <summary>The sealed segment that a copy would mend: the damaged one, or the one that is not there.</summary>
    static long SegmentOf(LogInspection found, LogFinding one)
    {
        if (one.Segment >= 0)
            return found.Segments.Any(segment => segment.FirstRecord == one.Segment && segment.IsSealed) ? one.Segment : -1;
        return one.FirstRecord >= 0 && one.EndRecord > one.FirstRecord ? one.FirstRecord : -1;
    }

    /// <summary>Repairs under the writer's lock.</summary>
    /// <param name="directory">The log.</param>
    /// <param name="copy">Where sealed segments were uploaded to; null: nowhere.</param>
    /// <param name="prefix">Of their keys there.</param>
    /// <param name="cancel">Looked at while it reads.</param>
    /// <returns>What was found before it, and what is left of it.</returns>
    /// <exception cref="StoreException">Unavailable: a writer has the log.</exception>
    public static ValueTask<(LogInspection Before, LogInspection After)> RunAsync(
        string directory, ObjectStore? copy, string prefix, CancellationToken cancel) =>
        RunAsync(LocalDisk.Shared, Path.GetFullPath(directory), copy, prefix, cancel);

    internal static async ValueTask<(LogInspection Before, LogInspection After)> RunAsync(
        Disk disk, string directory, ObjectStore? copy, string prefix, CancellationToken cancel)
    {
        try
        {
            using var held = LogWriter.Lock(disk, directory);
            var before = await PlanAsync(disk, directory, copy, prefix, cancel).ConfigureAwait(false);
            // each step leaves a log that the next attempt repairs further
            HashSet<long> healed = [];
            for (var plan = before; ; plan = await PlanAsync(disk, directory, copy, prefix, cancel).ConfigureAwait(false))
            {
                long[] next =
                    [.. plan.Findings.Where(one => one.Repair == FindingRepair.Copy).Select(one => SegmentOf(plan, one)).Where(healed.Add)];
                if (next.Length == 0)
                    break;
                foreach (long segment in next)
                    await HealAsync(disk, directory, segment, before, copy!, prefix, cancel).ConfigureAwait(false);
            }
            if (before.Findings.Any(one => one.Repair is FindingRepair.Header or FindingRepair.Footer))
                Rewrite(disk, directory);
            if (before.Findings.Any(one => one.Repair != FindingRepair.None))
                Reopen(disk, directory, before.Findings.Any(one => one.Repair == FindingRepair.Seal));
            return (before, LogSurvey.Run(disk, directory, true, cancel));
        }
        catch (Exception error) when (error is DiskException or SegmentException)
        {
            throw error is DiskException { IsMissing: true }
                ? new StoreException(ErrorKind.NotFound, directory, "there is no log", cause: error)
                : LogErrors.Translate(error, directory);
        }
    }

    /// <summary>
    /// Puts the copy of a segment in its place when it is that segment and every byte of it is whole: its footer is the one that the
    /// segment behind it names, or else the copy is left alone.
    /// </summary>
    static async ValueTask HealAsync(
        Disk disk, string directory, long first, LogInspection log, ObjectStore copy, string prefix, CancellationToken cancel)
    {
        string name = SegmentWriter.NameOf(first), temporary = $"{directory}/tmp-{name}", key = prefix + name;
        var reader = await copy.OpenReadAsync(key, ReadOptions.Default, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            long length = reader.Meta.Size;
            using var file = disk.Open(temporary, DiskOpen.WriteOrCreate);
            file.SetLength(0);
            file.Allocate(length);
            var piece = new byte[(int)Math.Min(length, 4 << 20)];
            for (long at = 0; at < length; at += piece.Length)
            {
                var part = piece.AsMemory(0, (int)Math.Min(piece.Length, length - at));
                await reader.ReadAsync(at, part, cancel).ConfigureAwait(false);
                file.Write(part.Span, at);
            }
            file.SetLength(length);
            file.Flush();
            string? fault = Fault(disk, directory, file, first, log);
            if (fault is not null)
            {
                disk.Unlink(temporary);
                throw new StoreException(
                    ErrorKind.ChecksumMismatch, copy.Root.Child(key),
                    $"the copy of {directory}/{name} cannot take its place: {fault}. Nothing was changed");
            }
        }
        disk.Rename(temporary, $"{directory}/{name}");
        disk.SyncDirectory(directory);
    }

    /// <summary>Why a copy is not the segment as it was; null when it is.</summary>
    static string? Fault(Disk disk, string directory, DiskFile file, long first, LogInspection log)
    {
        SegmentHeader header;
        try
        {
            header = LogRecovery.ReadHeader(file, first);
        }
        catch (SegmentException error)
        {
            return error.Detail;
        }
        if (header.Store != log.Id)
            return $"it is of the log {header.Store}, this one is {log.Id}";
        if (SegmentFile.ReadFooter(file, header, out var footer) is null)
            return "it has no whole footer";
        var walk = new FrameWalk(file, header, 0, -1);
        if (walk.Checksum(0, footer!.Offset) != footer.BodyChecksum)
            return "the checksum of its bytes is wrong";
        // the segment behind it knows this one's footer
        string next = $"{directory}/{SegmentWriter.NameOf(footer.EndRecord)}";
        try
        {
            using var behind = disk.Open(next, DiskOpen.Read);
            uint expected = LogRecovery.ReadHeader(behind, footer.EndRecord).PreviousFooter;
            uint found = walk.Checksum(footer.Offset, file.Length - footer.Offset);
            return expected == found ? null : $"its footer's checksum is {found:x8}, {next} expects {expected:x8}";
        }
        catch (Exception error) when (error is SegmentException or DiskException { IsMissing: true })
        {
            // that one is gone or damaged too: every checksum of the copy itself is right
            return null;
        }
    }

    static void Reopen(Disk disk, string directory, bool seals)
    {
        using var log = LogWriter.OpenHeld(
            disk, directory, new LogOptions { OnDamage = OnDamage.Skip, Create = false, ChecksSchema = false, KeepsSegmentSize = true });
        if (seals)
            log.Seal();
        log.Close();
    }

    /// <summary>Headers and footers, in the order of the segments: what a header says of the footer before it is true then.</summary>
    static void Rewrite(Disk disk, string directory)
    {
        string metaPath = $"{directory}/{LogMeta.FileName}";
        var slot = TwoSlots.Read(disk, metaPath);
        var meta = slot is null ? null : LogMeta.Parse(slot.Value.Content, metaPath);
        var segments = LogRecovery.SegmentsOf(disk.List(directory)).FindAll(first => first >= (meta?.BeginSegment ?? 0));
        SegmentHeader? before = null;
        (uint Checksum, long EndAddress)? end = null;
        for (int i = 0; i < segments.Count; i++)
        {
            using var file = disk.Open($"{directory}/{SegmentWriter.NameOf(segments[i])}", DiskOpen.Write);
            SegmentHeader? found;
            bool isWritten = true;
            try
            {
                found = LogRecovery.ReadHeader(file, segments[i]);
                LogRecovery.CheckStore(found, meta, file.Path);
            }
            catch (SegmentException error) when (IsDamagedHeader(error))
            {
                (found, isWritten) = (Header(file, segments[i], meta, before, end), false);
            }
            if (found is null)
            {
                (before, end) = (null, null);
                continue;
            }
            if (before is not null && end is { } known && found.Number == before.Number + 1 && found.PreviousFooter != known.Checksum)
                (found, isWritten) = (found with { PreviousFooter = known.Checksum }, false);
            if (!isWritten)
            {
                file.Write(found.ToBytes(), 0);
                file.Flush();
            }
            end = i + 1 < segments.Count ? Footer(file, found, meta, segments[i + 1]) : null;
            before = found;
        }
    }

    /// <summary>The footer of a sealed segment, written anew where it is damaged and every frame is whole.</summary>
    static (uint Checksum, long EndAddress)? Footer(DiskFile file, SegmentHeader header, LogMeta? meta, long next)
    {
        if (SegmentFile.ReadFooter(file, header, out var footer) is null)
        {
            bool holdsBegin = meta is not null && meta.BeginSegment == header.FirstRecord;
            long from = holdsBegin ? meta!.BeginOffset : SegmentHeader.Length;
            var proof = new DurableProof(header.BaseAddress + file.Length, next);
            var found = SegmentRecovery.Run(
                file, header, from, holdsBegin ? -1
                : header.FirstRecord, meta?.Begin ?? 0, proof, long.MaxValue, true, checksRecords: false);
            if (found.EndRecord != next || found.Damage.Exists(one => one.FirstRecord < next))
                return null;
            // the frames end where the walk stopped: what was taken for damage behind them was the footer
            long at = found.Damage.Count > 0 ? found.Damage[^1].Offset : found.Tail;
            footer = new SegmentFooter
            {
                Offset = at,
                FirstRecord = header.FirstRecord,
                EndRecord = next,
                FirstTime = found.FirstTime,
                LastTime = found.LastTime,
                BodyChecksum = new FrameWalk(file, header, 0, -1).Checksum(0, at),
            };
            var made = footer.ToBytes(found.Index, new FrameHeader
            {
                Address = header.BaseAddress + at,
                SyncedTo = header.BaseAddress + at,
                Epoch = found.LastEpoch,
                Time = found.LastTime,
            }, header.Seed);
            file.Write(made, at);
            file.SetLength(at + made.Length);
            file.Flush();
        }
        var bytes = new byte[file.Length - footer!.Offset];
        return (Crc32C.Compute(bytes.AsSpan(0, file.Read(bytes, footer.Offset))),
            header.BaseAddress + FrameHeader.Padded(file.Length, header.Alignment));
    }

    /// <summary>A header of which nothing can be believed, not one that is whole and another log's or a newer version's.</summary>
    internal static bool IsDamagedHeader(SegmentException error) =>
        error is { Fault: SegmentFault.Damaged } or { Fault: SegmentFault.Foreign, Offset: 0 };

    /// <summary>
    /// The header that a segment must have had: the log's from META or from the segment before, its place from its first frame, whose
    /// checksum holds for this log and that place only. Null when no such frame stands there.
    /// </summary>
    internal static SegmentHeader? Header(
        DiskFile file, long first, LogMeta? meta, SegmentHeader? before, (uint Checksum, long EndAddress)? end)
    {
        if (meta is null && before is null)
            return null;
        Guid store = meta?.Store ?? before!.Store;
        long offset = meta is not null && meta.BeginSegment == first ? meta.BeginOffset : SegmentHeader.Length;
        var bytes = new byte[FrameHeader.Length];
        long address = file.Read(bytes, offset) == bytes.Length ? BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(8)) : -1;
        if (address < offset || !FrameHeader.TryRead(bytes, SegmentHeader.SeedOf(store), address, out var frame)
            || frame.FirstRecord < first)
            return null;
        var made = new SegmentHeader
        {
            Store = store,
            Number = before is null ? 0 : before.Number + 1,
            FirstRecord = first,
            BaseAddress = address - offset,
            Created = frame.Time,
            Alignment = meta?.Alignment ?? before!.Alignment,
            RecordSize = meta?.RecordSize ?? before!.RecordSize,
            PreviousFooter = end?.Checksum ?? 0,
            Json = meta?.Schema ?? before!.Json,
        };
        // whether frames are packed shows in the frames
        var walk = new FrameWalk(file, made, offset, -1);
        while (walk.Next())
        {
            if (walk.Header.Type == FrameType.Packed)
                return made with { Features = SegmentHeader.PackedFrames };
        }
        return made;
    }
}
