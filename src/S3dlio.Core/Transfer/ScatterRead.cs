using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// Reads stretches of an object where a read is a request: those that lie near each other come in one, so that a file of a thousand small
/// tensors takes as many requests as a single tensor of its size.
/// </summary>
static class ScatterRead
{
    /// <returns>The CRC32C of each stretch, in order.</returns>
    public static async ValueTask<Checksum[]> ReadAsync(
        ObjectReader reader, IReadOnlyList<Stretch> stretches, bool hash, IProgress<long>? progress, CancellationToken cancel)
    {
        var turns = Plan(stretches, reader.Hints);
        var checksums = new Checksum[turns.Count][];
        int next = -1;
        async Task Work(CancellationToken stop)
        {
            for (int i; (i = Interlocked.Increment(ref next)) < turns.Count;)
            {
                stop.ThrowIfCancellationRequested();
                var turn = turns[i];
                var segments = new Segment[turn.Count];
                for (int k = 0; k < segments.Length; k++)
                    segments[k] = new Segment(stretches[turn[k].Stretch].Offset + turn[k].Start, stretches[turn[k].Stretch].Target.Slice(turn[k].Start, turn[k].Length));
                await reader.ReadAsync(segments, stop).ConfigureAwait(false);
                checksums[i] = Array.ConvertAll(segments, segment => hash ? Checksum.Of(segment.Target.Span) : Checksum.Empty);
                progress?.Report(segments.Sum(segment => (long)segment.Target.Length));
            }
        }
        await Together.RunAsync(Math.Min(reader.Hints.Concurrency, turns.Count), Work, cancel).ConfigureAwait(false);
        var whole = new Checksum[stretches.Count];
        // a stretch's pieces lie in the turns in their order
        for (int i = 0; i < turns.Count; i++)
        {
            for (int k = 0; k < turns[i].Count; k++)
                whole[turns[i][k].Stretch] = Checksum.Combine(whole[turns[i][k].Stretch], checksums[i][k], turns[i][k].Length);
        }
        return whole;
    }

    /// <summary>Turns of at most a part each, in the order of the object; two stretches that overlap are in turns of their own.</summary>
    internal static List<List<Piece>> Plan(IReadOnlyList<Stretch> stretches, TransferHints hints)
    {
        var order = Enumerable.Range(0, stretches.Count).Where(i => stretches[i].Target.Length > 0).OrderBy(i => stretches[i].Offset);
        var turns = new List<List<Piece>>();
        long begin = 0, end = long.MinValue;
        foreach (int i in order)
        {
            for (long at = 0; at < stretches[i].Target.Length;)
            {
                long offset = stretches[i].Offset + at;
                // what is read of a turn, unwanted bytes too, is never more than a part
                bool joins = end != long.MinValue && offset >= end && offset - end <= hints.Gap && offset - begin < hints.PartSize;
                if (!joins)
                {
                    turns.Add([]);
                    begin = offset;
                }
                int length = (int)Math.Min(stretches[i].Target.Length - at, hints.PartSize - (offset - begin));
                turns[^1].Add(new Piece(i, at, length));
                at += length;
                end = offset + length;
            }
        }
        return turns;
    }

    /// <param name="Stretch">Of which stretch.</param>
    /// <param name="Start">Where in it.</param>
    /// <param name="Length">Bytes.</param>
    internal readonly record struct Piece(int Stretch, long Start, int Length);
}
