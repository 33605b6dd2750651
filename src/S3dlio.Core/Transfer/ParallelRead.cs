using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>A stretch of an object and the memory it goes to.</summary>
/// <param name="Offset">Where it begins in the object.</param>
/// <param name="Target">Where its bytes go; as long as the stretch.</param>
public readonly record struct Stretch(long Offset, LargeMemory Target);

/// <summary>Reads stretches of an object into the caller's memory: cut into turns that workers take, each read hashed while it is warm in the cache.</summary>
public static class ParallelRead
{
    /// <summary>
    /// Bytes that a worker takes at once where the store's own reads are smaller. Memory to be filled is often new, in huge pages of 2 MiB:
    /// two workers at the same page would both clear one, and one of the two is thrown away.
    /// </summary>
    const int TurnLength = 4 << 20;

    /// <returns>The CRC32C of each stretch, in order.</returns>
    internal static async ValueTask<Checksum[]> ReadAsync(
        ObjectReader reader, IReadOnlyList<Stretch> stretches, IProgress<long>? progress, CancellationToken cancel, BlockCheck? check = null)
    {
        var hints = reader.Hints;
        int turnLength = Math.Max(TurnLength / hints.PartSize, 1) * hints.PartSize;
        var turns = new List<Turn>();
        for (int i = 0; i < stretches.Count; i++)
        {
            long length = stretches[i].Target.Length;
            for (long at = 0; at < length; at += turnLength)
                turns.Add(new Turn(i, at, (int)Math.Min(turnLength, length - at)));
        }
        var checksums = new Checksum[turns.Count];
        int next = -1;
        async Task Work(CancellationToken stop)
        {
            for (int i; (i = Interlocked.Increment(ref next)) < turns.Count;)
            {
                var turn = turns[i];
                var (offset, target) = stretches[turn.Stretch];
                var found = Checksum.Empty;
                for (int done = 0; done < turn.Length;)
                {
                    stop.ThrowIfCancellationRequested();
                    var part = target.Slice(turn.Start + done, Math.Min(hints.PartSize, turn.Length - done));
                    await reader.ReadAsync(offset + turn.Start + done, part, stop).ConfigureAwait(false);
                    found = check is null ? found.Append(part.Span) : check.Append(found, offset + turn.Start + done, part.Span);
                    done += part.Length;
                }
                checksums[i] = found;
                progress?.Report(turn.Length);
            }
        }
        await Together.RunAsync(Math.Min(hints.Concurrency, turns.Count), Work, cancel).ConfigureAwait(false);
        var whole = new Checksum[stretches.Count];
        for (int i = 0; i < turns.Count; i++)
            whole[turns[i].Stretch] = Checksum.Combine(whole[turns[i].Stretch], checksums[i], turns[i].Length);
        return whole;
    }

    /// <summary>One stretch alone.</summary>
    public static async ValueTask<Checksum> ReadAsync(
        ObjectReader reader, long offset, LargeMemory target, IProgress<long>? progress, CancellationToken cancel) =>
        (await ReadAsync(reader, [new Stretch(offset, target)], progress, cancel).ConfigureAwait(false))[0];

    readonly record struct Turn(int Stretch, long Start, int Length);
}
