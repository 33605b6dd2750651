using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>Where the bytes of some records lie: how long they are is known, so that memory can be had before they are read.</summary>
public sealed class RecordPlan
{
    readonly RecordLog _log;
    readonly List<Run> _runs = [];

    internal RecordPlan(RecordLog log) => _log = log;

    /// <summary>Records one behind the other in one frame, or the copy of one that is in no file yet.</summary>
    internal readonly record struct Run(SegmentFile? SegmentFile, FrameTable? Table, int First, int Count, byte[]? Copy, long Number);

    /// <summary>Numbers of the records in the order of their bytes.</summary>
    public List<long> Numbers { get; } = [];

    /// <summary>For each record where its bytes end in the target.</summary>
    public List<long> Ends { get; } = [];

    public long Length => Ends.Count == 0 ? 0 : Ends[^1];

    /// <summary>The number that comes after the last one that was looked at;
    /// more than the last of <see cref="Numbers"/> where some are missing.</summary>
    public long Next { get; internal set; }

    internal IReadOnlyList<Run> Runs => _runs;

    /// <summary>Where the bytes of a run lie: the name of the file, offset, length. None for one that is in no file.</summary>
    internal static (string Name, long Offset, long Length) Place(in Run run)
    {
        if (run.Table is not { } table)
            return ("", 0, 0);
        if (table.Header.Type == FrameType.Packed)
            return (SegmentWriter.NameOf(run.SegmentFile!.FirstRecord), table.PayloadOffset, table.Header.PayloadLength);
        uint start = table.Start(run.First);
        return (SegmentWriter.NameOf(run.SegmentFile!.FirstRecord), table.PayloadOffset + start, table.End(run.First + run.Count - 1) - start);
    }

    internal void Add(SegmentFile segment, FrameTable table, int index)
    {
        long number = table.Header.FirstRecord + index;
        Numbers.Add(number);
        Ends.Add(Length + (table.End(index) - table.Start(index)));
        if (_runs.Count > 0 && _runs[^1] is var last && last.Table == table && last.First + last.Count == index)
            _runs[^1] = last with { Count = last.Count + 1 };
        else
            _runs.Add(new Run(segment, table, index, 1, null, number));
    }

    internal void Add(long number, byte[] copy)
    {
        Numbers.Add(number);
        Ends.Add(Length + copy.Length);
        _runs.Add(new Run(null, null, 0, 1, copy, number));
    }

    /// <summary>Reads all of them and compares each with its checksum.</summary>
    /// <param name="target">Exactly <see cref="Length"/> bytes.</param>
    /// <param name="cancel">Looked at between the frames.</param>
    /// <exception cref="StoreException">ChecksumMismatch names the damaged record and its place;
    /// NotFound when it was truncated meanwhile.</exception>
    public void Read(Span<byte> target, CancellationToken cancel)
    {
        if (target.Length != Length)
            throw new ArgumentException($"{target.Length} bytes were given for {Length}", nameof(target));
        foreach (var run in _runs)
        {
            cancel.ThrowIfCancellationRequested();
            if (run.Copy is not null)
            {
                run.Copy.CopyTo(target);
                target = target[run.Copy.Length..];
                continue;
            }
            var table = run.Table!;
            uint start = table.Start(run.First);
            int length = (int)(table.End(run.First + run.Count - 1) - start);
            _log.ReadRun(run, table.PayloadOffset + start, target[..length]);
            target = target[length..];
        }
    }
}
