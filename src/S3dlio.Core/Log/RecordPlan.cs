using System.Runtime.InteropServices;
using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>Where the bytes of some records lie: how long they are is known, so that memory can be had before they are read.</summary>
public sealed class RecordPlan
{
    /// <summary>Records are read and compared while they are in the processor's cache.</summary>
    const int MostOfRun = 256 << 10;

    /// <summary>Bytes for which another worker is worth its thread.</summary>
    const int LeastOfWorker = 512 << 10;

    const int MostWorkers = 4;

    readonly RecordLog _log;
    readonly List<Run> _runs;

    internal RecordPlan(RecordLog log, int room = 0)
    {
        _log = log;
        (_runs, Numbers, Ends) = (new List<Run>(room), new List<long>(room), new List<long>(room));
    }

    /// <summary>
    /// Records one behind the other in one frame, or the copy of one that is in no file yet. <c>Start</c> is where their bytes go in the
    /// target.
    /// </summary>
    internal readonly record struct Run(
        SegmentFile? SegmentFile, FrameTable? Table, int First, int Count, byte[]? Copy, long Number, long Start)
    {
        public int Length => Copy?.Length ?? (int)(Table!.End(First + Count - 1) - Table.Start(First));

        /// <summary>In its file.</summary>
        public long Offset => Table!.PayloadOffset + Table.Start(First);
    }

    /// <summary>Numbers of the records in the order of their bytes.</summary>
    public List<long> Numbers { get; }

    /// <summary>For each record where its bytes end in the target.</summary>
    public List<long> Ends { get; }

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
        string name = SegmentWriter.NameOf(run.SegmentFile!.FirstRecord);
        return table.Header.Type == FrameType.Packed ? (name, table.PayloadOffset, table.Header.PayloadLength)
            : (name, run.Offset, run.Length);
    }

    internal void Add(SegmentFile segment, FrameTable table, int index)
    {
        long start = Length, length = table.End(index) - table.Start(index);
        Numbers.Add(table.Header.FirstRecord + index);
        Ends.Add(start + length);
        if (_runs.Count > 0)
        {
            ref var last = ref CollectionsMarshal.AsSpan(_runs)[^1];
            if (last.Table == table && last.First + last.Count == index
                && (start + length - last.Start <= MostOfRun || table.Header.Type == FrameType.Packed))
            {
                last = last with { Count = last.Count + 1 };
                return;
            }
        }
        _runs.Add(new Run(segment, table, index, 1, null, table.Header.FirstRecord + index, start));
    }

    internal void Add(long number, byte[] copy)
    {
        _runs.Add(new Run(null, null, 0, 1, copy, number, Length));
        Numbers.Add(number);
        Ends.Add(Length + copy.Length);
    }

    /// <summary>Reads all of them and compares each with its checksum.</summary>
    /// <param name="target">Exactly <see cref="Length"/> bytes.</param>
    /// <param name="cancel">Looked at between the frames.</param>
    /// <exception cref="StoreException">ChecksumMismatch names the damaged record and its place;
    /// NotFound when it was truncated meanwhile.</exception>
    public void Read(Span<byte> target, CancellationToken cancel)
    {
        Check(target.Length);
        Read(0, _runs.Count, target, cancel);
    }

    /// <summary>The same on several threads, where there are so many bytes.</summary>
    internal ValueTask ReadAsync(Memory<byte> target, CancellationToken cancel)
    {
        Check(target.Length);
        int workers = (int)Math.Min(Math.Min(MostWorkers, Environment.ProcessorCount), Length / LeastOfWorker);
        if (workers < 2)
        {
            Read(0, _runs.Count, target.Span, cancel);
            return ValueTask.CompletedTask;
        }
        var firsts = new List<int> { 0 };
        for (int i = 0; i < _runs.Count; i++)
        {
            if (_runs[i].Start - _runs[firsts[^1]].Start >= LeastOfWorker / 2)
                firsts.Add(i);
        }
        firsts.Add(_runs.Count);
        return new(ParallelWork.ForAsync(firsts.Count - 1, workers, (i, stop) =>
        {
            Read(firsts[i], firsts[i + 1], target.Span, stop);
            return ValueTask.CompletedTask;
        }, cancel));
    }

    void Check(long length)
    {
        if (length != Length)
            throw new ArgumentException($"memory of {length} bytes was given for {Length}");
    }

    void Read(int first, int end, Span<byte> target, CancellationToken cancel)
    {
        var runs = CollectionsMarshal.AsSpan(_runs);
        for (int at = first, gathered; at < end; at += Math.Max(1, gathered))
        {
            cancel.ThrowIfCancellationRequested();
            gathered = _log.Gather(runs[at..end], target);
            if (gathered > 0)
                continue;
            ref var run = ref runs[at];
            var place = target.Slice((int)run.Start, run.Length);
            if (run.Copy is not null)
                run.Copy.CopyTo(place);
            else
                _log.ReadRun(run, place);
        }
    }
}
