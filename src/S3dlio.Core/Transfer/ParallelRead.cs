using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>A byte range of an object and the memory that it is read into; of any length.</summary>
/// <param name="Offset">First byte of the range.</param>
/// <param name="Target">Memory for its bytes; as long as the range.</param>
public readonly record struct LargeReadRange(long Offset, LargeMemory Target);

/// <summary>
/// Reads ranges of an object into the caller's memory: cut into turns that workers take, each read hashed while it is warm in the cache.
/// </summary>
public static class ParallelRead
{
    /// <summary>
    /// Bytes that a worker takes at once where the store's own reads are smaller. Memory to be filled is often new, in huge pages of 2 MiB:
    /// two workers at the same page would both clear one, and one of the two is thrown away.
    /// </summary>
    const int TurnLength = 4 << 20;

    /// <param name="reader">The object.</param>
    /// <param name="ranges">The ranges, each with its memory.</param>
    /// <param name="verification">Takes in all bytes; null where nothing is compared.</param>
    /// <param name="progress">Receives the number of bytes read.</param>
    /// <returns>The CRC32C of each range, in order; without meaning where the verification takes none.</returns>
    internal static ValueTask<Checksum[]> ReadAsync(
        ObjectReader reader, IReadOnlyList<LargeReadRange> ranges, ReadVerification? verification, IProgress<long>? progress,
        CancellationToken cancel) =>
        reader.ReadsManyAtOnce && ranges.Count > 1 && verification is not { NeedsPieces: true }
            ? ScatterRead.ReadAsync(reader, ranges, verification is { Hashes: true }, progress, cancel)
            : EachAsync(reader, ranges, verification, progress, cancel);

    static async ValueTask<Checksum[]> EachAsync(
        ObjectReader reader, IReadOnlyList<LargeReadRange> ranges, ReadVerification? verification, IProgress<long>? progress,
        CancellationToken cancel)
    {
        var hints = reader.Hints;
        int turnLength = LengthOfTurns(reader, ranges);
        var turns = new List<Turn>();
        for (int i = 0; i < ranges.Count; i++)
        {
            long length = ranges[i].Target.Length;
            int turn = turnLength - (int)(ranges[i].Offset % hints.Alignment);
            for (long at = 0; at < length; at += turn, turn = turnLength)
                turns.Add(new Turn(i, at, (int)Math.Min(turn, length - at)));
        }
        var checksums = new Checksum[turns.Count];
        await ParallelWork.ForAsync(turns.Count, hints.Concurrency, async (i, stop) =>
        {
            var turn = turns[i];
            var (offset, target) = ranges[turn.Range];
            var found = Checksum.Empty;
            for (int done = 0; done < turn.Length;)
            {
                stop.ThrowIfCancellationRequested();
                int past = (int)((offset + turn.Start + done) % hints.Alignment);
                var part = target.Slice(turn.Start + done, Math.Min(hints.PartSize - past, turn.Length - done));
                await reader.ReadAsync(offset + turn.Start + done, part, stop).ConfigureAwait(false);
                if (verification is not null)
                    found = verification.Append(found, offset + turn.Start + done, part.Span);
                done += part.Length;
            }
            checksums[i] = found;
            progress?.Report(turn.Length);
        }, cancel).ConfigureAwait(false);
        var whole = new Checksum[ranges.Count];
        for (int i = 0; i < turns.Count; i++)
            whole[turns[i].Range] = Checksum.Combine(whole[turns[i].Range], checksums[i], turns[i].Length);
        return whole;
    }

    static int LengthOfTurns(ObjectReader reader, IReadOnlyList<LargeReadRange> ranges)
    {
        var hints = reader.Hints;
        int parts = Math.Max(TurnLength / hints.PartSize, 1);
        if (parts > 1 && reader.ReadsManyAtOnce)
            // reads that wait for a server should wait in parallel
            parts = (int)Math.Clamp(ranges.Sum(range => range.Target.Length) / hints.PartSize / hints.Concurrency, 1, parts);
        return parts * hints.PartSize;
    }

    /// <summary>Reads one range.</summary>
    /// <returns>Its CRC32C; without meaning where <paramref name="hash"/> is false.</returns>
    public static ValueTask<Checksum> ReadAsync(
        ObjectReader reader, long offset, LargeMemory target, bool hash, IProgress<long>? progress, CancellationToken cancel) =>
        ReadAsync(reader, offset, target, hash ? ReadVerification.HashOnly : null, progress, cancel);

    /// <summary>Reads one range.</summary>
    internal static async ValueTask<Checksum> ReadAsync(
        ObjectReader reader, long offset, LargeMemory target, ReadVerification? verification, IProgress<long>? progress,
        CancellationToken cancel)
    {
        if (target.Length > reader.Hints.PartSize)
            return (await EachAsync(reader, [new LargeReadRange(offset, target)], verification, progress, cancel).ConfigureAwait(false))[0];
        // one read: nothing to be divided
        if (target.Length == 0)
            return Checksum.Empty;
        var part = target.Slice(0, (int)target.Length);
        await reader.ReadAsync(offset, part, cancel).ConfigureAwait(false);
        progress?.Report(part.Length);
        return verification?.Append(Checksum.Empty, offset, part.Span) ?? Checksum.Empty;
    }

    readonly record struct Turn(int Range, long Start, int Length);
}
