using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// Reads ranges of an object where a read is a request: those that lie near each other come in one, so that a file of a thousand small
/// tensors takes as many requests as a single tensor of its size.
/// </summary>
static class ScatterRead
{
    /// <returns>The CRC32C of each range, in order.</returns>
    public static async ValueTask<Checksum[]> ReadAsync(
        ObjectReader reader, IReadOnlyList<LargeReadRange> ranges, bool hash, IProgress<long>? progress, CancellationToken cancel)
    {
        var turns = Plan(ranges, reader.Hints);
        var checksums = new Checksum[turns.Count][];
        await ParallelWork.ForAsync(turns.Count, reader.Hints.Concurrency, async (i, stop) =>
        {
            var turn = turns[i];
            var segments = new ReadRange[turn.Count];
            for (int k = 0; k < segments.Length; k++)
                segments[k] = new ReadRange(
                    ranges[turn[k].Range].Offset + turn[k].Start, ranges[turn[k].Range].Target.Slice(turn[k].Start, turn[k].Length));
            await reader.ReadAsync(segments, stop).ConfigureAwait(false);
            checksums[i] = Array.ConvertAll(segments, segment => hash ? Checksum.Of(segment.Target.Span) : Checksum.Empty);
            progress?.Report(segments.Sum(segment => (long)segment.Target.Length));
        }, cancel).ConfigureAwait(false);
        var whole = new Checksum[ranges.Count];
        // a range's pieces lie in the turns in their order
        for (int i = 0; i < turns.Count; i++)
        {
            for (int k = 0; k < turns[i].Count; k++)
                whole[turns[i][k].Range] = Checksum.Combine(whole[turns[i][k].Range], checksums[i][k], turns[i][k].Length);
        }
        return whole;
    }

    /// <summary>Turns of at most a part each, in the order of the object; two ranges that overlap are in turns of their own.</summary>
    internal static List<List<Piece>> Plan(IReadOnlyList<LargeReadRange> ranges, TransferHints hints)
    {
        var order = Enumerable.Range(0, ranges.Count).Where(i => ranges[i].Target.Length > 0).OrderBy(i => ranges[i].Offset);
        var turns = new List<List<Piece>>();
        long begin = 0, end = long.MinValue;
        foreach (int i in order)
        {
            for (long at = 0; at < ranges[i].Target.Length;)
            {
                long offset = ranges[i].Offset + at;
                // what is read of a turn, unwanted bytes too, is never more than a part
                bool joins = end != long.MinValue && offset >= end && offset - end <= hints.Gap && offset - begin < hints.PartSize;
                if (!joins)
                {
                    turns.Add([]);
                    begin = offset;
                }
                int length = (int)Math.Min(ranges[i].Target.Length - at, hints.PartSize - (offset - begin));
                turns[^1].Add(new Piece(i, at, length));
                at += length;
                end = offset + length;
            }
        }
        return turns;
    }

    /// <param name="Range">Index of the range.</param>
    /// <param name="Start">Offset in the range.</param>
    /// <param name="Length">Bytes.</param>
    internal readonly record struct Piece(int Range, long Start, int Length);
}
