using S3dlio.IO;

namespace S3dlio.Segments;

/// <summary>Committed bytes that are no longer what was written.</summary>
/// <param name="Path">The file.</param>
/// <param name="Offset">Where in it the damage begins.</param>
/// <param name="FirstRecord">The first record that cannot be read.</param>
/// <param name="EndRecord">The first one behind the damage that can, -1 when nothing tells.</param>
/// <param name="Reason">What was found there.</param>
sealed record SegmentDamage(string Path, long Offset, long FirstRecord, long EndRecord, string Reason)
{
    public string Describe() => EndRecord < 0
        ? $"records from {FirstRecord} on were committed and are damaged: {Reason}"
        : $"records {FirstRecord} to {EndRecord - 1} were committed and are damaged: {Reason}";
}

/// <summary>What is known from elsewhere of how far the store was durable.</summary>
/// <param name="Address">Every byte below it was durable.</param>
/// <param name="Record">So was every record below this number.</param>
readonly record struct DurableProof(long Address, long Record);

/// <summary>
/// Finds the end of the newest segment. What is invalid at its end is either the torn tail of a crash, which nobody was promised, or damage
/// to what was durable. That is not guessed by position: a frame that follows, or what is known from elsewhere, proves that the place was
/// durable once, or nothing does.
/// </summary>
sealed class SegmentRecovery
{
    public required FrameIndex Index { get; init; }

    /// <summary>Offset behind the last accepted frame.</summary>
    public long Tail { get; private set; }

    /// <summary>Number of the record that comes next.</summary>
    public long EndRecord { get; private set; }

    public bool IsSealed { get; private set; }

    /// <summary>Every byte below this address is proven to have been durable.</summary>
    public long ProvenTo { get; private set; }

    public long LastEpoch { get; private set; }

    public long FirstTime { get; private set; }

    public long LastTime { get; private set; }

    /// <summary>Damage to frames; with <c>skip</c> each gap, otherwise the first.</summary>
    public List<SegmentDamage> Damage { get; } = [];

    /// <summary>Frames with damaged records that were durable; their other records are readable.</summary>
    public List<SegmentDamage> DamagedRecords { get; } = [];

    /// <param name="file">The segment.</param>
    /// <param name="segment">Its header.</param>
    /// <param name="from">Offset of the first frame that the store still needs.</param>
    /// <param name="record">Number of that frame's first record, -1 when it is not known.</param>
    /// <param name="least">No record that is still to come has a lower number: the segment may hold no frame that the store still
    /// needs.</param>
    /// <param name="proof">What META and TAIL say.</param>
    /// <param name="mostEpoch">The last opening that META knows.</param>
    /// <param name="skip">Go on behind damage.</param>
    public static SegmentRecovery Run(
        DiskFile file, SegmentHeader segment, long from, long record, long least, DurableProof proof, long mostEpoch, bool skip,
        bool checksRecords = true)
    {
        long floor = Math.Max(Math.Max(record, least), segment.FirstRecord);
        var result = new SegmentRecovery { Index = new FrameIndex(), ProvenTo = proof.Address, EndRecord = floor };
        // frames whose records are damaged, until it is known whether they were durable
        List<(long Offset, long End, long FirstRecord, int Index, long Record)> suspects = [];
        List<(long First, long Offset)> frames = [];
        while (true)
        {
            var walk = new FrameWalk(
                file, segment, from, record)
            { ChecksRecords = checksRecords, MostEpoch = mostEpoch, Epoch = result.LastEpoch };
            while (walk.Next())
            {
                var header = walk.Header;
                result.ProvenTo = Math.Max(result.ProvenTo, Math.Min(header.SyncedTo, header.Address));
                if (header.Type == FrameType.Footer)
                {
                    result.IsSealed = true;
                    break;
                }
                if (!header.HasRecords)
                    continue;
                if (walk.DamagedRecord >= 0)
                    suspects.Add((walk.FrameOffset, walk.Offset, header.FirstRecord, frames.Count, walk.DamagedRecord));
                frames.Add((header.FirstRecord, walk.FrameOffset));
                result.FirstTime = result.FirstTime == 0 ? header.Time : result.FirstTime;
                result.LastTime = header.Time;
            }
            result.LastEpoch = walk.Epoch;
            result.Tail = result.IsSealed ? walk.FrameOffset : walk.Offset;
            result.EndRecord = walk.NextRecord >= 0 ? walk.NextRecord : result.EndRecord;
            if (result.IsSealed)
                break;
            long stop = segment.BaseAddress + walk.Offset;
            (long Offset, FrameHeader Header)? next = null;
            walk.Probe(walk.Offset + 8, (offset, header) =>
            {
                if (header.Epoch < result.LastEpoch || header.Epoch > mostEpoch || header.FirstRecord < result.EndRecord)
                    return true;
                next ??= (offset, header);
                result.ProvenTo = Math.Max(result.ProvenTo, Math.Min(header.SyncedTo, header.Address));
                return result.ProvenTo <= stop;
            });
            if (result.ProvenTo <= stop)
                break;
            long end = next?.Header.FirstRecord ?? (proof.Address > stop ? proof.Record : -1);
            result.Damage.Add(new SegmentDamage(file.Path, walk.Offset, result.EndRecord, end, walk.Reason));
            if (!skip)
                break;
            if (next is null)
            {
                // nothing whole follows: the numbers go on where they were when the store was last known durable
                result.Tail = Math.Max(result.Tail, FrameHeader.Padded(proof.Address - segment.BaseAddress, segment.Alignment));
                result.EndRecord = Math.Max(result.EndRecord, proof.Record);
                break;
            }
            (from, record) = (next.Value.Offset, next.Value.Header.FirstRecord);
        }
        foreach (var (offset, end, first, at, damaged) in suspects)
        {
            if (segment.BaseAddress + end <= result.ProvenTo)
            {
                result.DamagedRecords.Add(new SegmentDamage(file.Path, offset, damaged, damaged + 1, "the checksum of its bytes is wrong"));
                continue;
            }
            // the torn tail of a crash begins here, whatever whole frames lie behind it; a footer too is written before it is flushed
            (result.Tail, result.EndRecord, result.IsSealed) = (offset, first, false);
            frames.RemoveRange(at, frames.Count - at);
            break;
        }
        foreach (var (first, offset) in frames)
            result.Index.Add(first, offset);
        return result;
    }
}
