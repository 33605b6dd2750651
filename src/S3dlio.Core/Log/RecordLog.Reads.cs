using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>Bytes of records, each compared with its checksum.</summary>
public abstract partial class RecordLog
{
    /// <summary>Longer runs are read by a call of their own.</summary>
    const int MostOfGathered = 16 << 10;

    const int MostGatheredFiles = 8;

    internal void ReadRun(in RecordPlan.Run run, Span<byte> target)
    {
        var (segment, table) = (run.SegmentFile!, run.Table!);
        uint start = table.Start(run.First);
        long offset = run.Offset;
        int found;
        try
        {
            var file = segment.Lease();
            try
            {
                if (table.Header.Type != FrameType.Packed)
                    found = file.Read(target, offset);
                else if (Unpacked(file, table) is { } raw)
                {
                    raw.AsSpan((int)start, target.Length).CopyTo(target);
                    found = target.Length;
                }
                else
                    found = -1;
            }
            finally
            {
                segment.Release();
            }
        }
        catch (Exception error) when (error is DiskException or ObjectDisposedException)
        {
            CheckTruncated(run.Number);
            throw LogErrors.Translate(error is DiskException ? error : new DiskException(Errno.ENOENT, segment.Path, "read"), Directory);
        }
        for (int i = 0; i < run.Count; i++)
        {
            int index = run.First + i;
            int from = (int)(table.Start(index) - start), to = (int)(table.End(index) - start);
            if (to <= found && table.IsRecord(index, target[from..to]))
                continue;
            CheckTruncated(run.Number + i);
            throw new StoreException(
                ErrorKind.ChecksumMismatch, segment.Path,
                $"record {run.Number + i} is damaged: the checksum of its {to - from} bytes is not the one that was written", offset
                    + from);
        }
    }

    /// <summary>
    /// Reads short runs at the beginning of <paramref name="runs"/> from the files' maps, many in one call of the kernel: a call for each
    /// costs more than its bytes.
    /// </summary>
    /// <returns>The number of runs that were read and are right. The others are to be read one by one, which tells what is wrong.</returns>
    internal int Gather(ReadOnlySpan<RecordPlan.Run> runs, Span<byte> target)
    {
        Span<(nint Place, int Length)> pieces = stackalloc (nint, int)[Math.Min(runs.Length, Interop.MostGathered)];
        var (segments, files) = (new SegmentFile[MostGatheredFiles], new DiskFile[MostGatheredFiles]);
        int count = 0, opened = 0, length = 0;
        try
        {
            for (; count < pieces.Length; count++)
            {
                ref readonly var run = ref runs[count];
                if (run.SegmentFile is not { } segment || run.Table!.Header.Type == FrameType.Packed || run.Length > MostOfGathered)
                    break;
                int at = Array.IndexOf(segments, segment, 0, opened);
                if (at < 0)
                {
                    if (opened == MostGatheredFiles)
                        break;
                    files[opened] = segment.Lease();
                    segments[at = opened++] = segment;
                }
                if (!files[at].TryPlace(run.Offset, run.Length, out nint place))
                    break;
                pieces[count] = (place, run.Length);
                length += run.Length;
            }
            if (count < 2 || Interop.Gather(pieces[..count], target.Slice((int)runs[0].Start, length)) != 0)
                return 0;
        }
        catch (Exception error) when (error is DiskException or ObjectDisposedException)
        {
            return 0;
        }
        finally
        {
            foreach (var segment in segments.AsSpan(0, opened))
                segment.Release();
        }
        for (int i = 0; i < count; i++)
        {
            if (!AreRecords(runs[i], target.Slice((int)runs[i].Start, runs[i].Length)))
                return i;
        }
        return count;
    }

    static bool AreRecords(in RecordPlan.Run run, ReadOnlySpan<byte> data)
    {
        var table = run.Table!;
        uint start = table.Start(run.First);
        for (int i = run.First; i < run.First + run.Count; i++)
        {
            if (!table.IsRecord(i, data[(int)(table.Start(i) - start)..(int)(table.End(i) - start)]))
                return false;
        }
        return true;
    }
}
