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

    /// <param name="reader">The object.</param>
    /// <param name="stretches">What of it is read.</param>
    /// <param name="hash">False where nobody compares the checksums: they are then not taken, and what is returned means nothing.</param>
    /// <param name="progress">Hears of bytes read.</param>
    /// <param name="cancel">Ends it.</param>
    /// <returns>The CRC32C of each stretch, in order.</returns>
    public static ValueTask<Checksum[]> ReadAsync(
        ObjectReader reader, IReadOnlyList<Stretch> stretches, bool hash, IProgress<long>? progress, CancellationToken cancel) =>
        reader.ReadsManyAtOnce && stretches.Count > 1
            ? ScatterRead.ReadAsync(reader, stretches, hash, progress, cancel)
            : EachAsync(reader, stretches, hash, null, progress, cancel);

    /// <summary>The same, with all of it told to <paramref name="check"/>, which hashes in any case.</summary>
    internal static ValueTask<Checksum[]> ReadAsync(
        ObjectReader reader, IReadOnlyList<Stretch> stretches, bool hash, ReadCheck? check, IProgress<long>? progress, CancellationToken cancel) =>
        check is null ? ReadAsync(reader, stretches, hash, progress, cancel) : EachAsync(reader, stretches, hash, check, progress, cancel);

    static async ValueTask<Checksum[]> EachAsync(
        ObjectReader reader, IReadOnlyList<Stretch> stretches, bool hash, ReadCheck? check, IProgress<long>? progress, CancellationToken cancel)
    {
        var hints = reader.Hints;
        int turnLength = LengthOfTurns(reader, stretches);
        var turns = new List<Turn>();
        for (int i = 0; i < stretches.Count; i++)
        {
            long length = stretches[i].Target.Length;
            int turn = turnLength - (int)(stretches[i].Offset % hints.Alignment);
            for (long at = 0; at < length; at += turn, turn = turnLength)
                turns.Add(new Turn(i, at, (int)Math.Min(turn, length - at)));
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
                    int past = (int)((offset + turn.Start + done) % hints.Alignment);
                    var part = target.Slice(turn.Start + done, Math.Min(hints.PartSize - past, turn.Length - done));
                    await reader.ReadAsync(offset + turn.Start + done, part, stop).ConfigureAwait(false);
                    if (check is not null)
                        found = check.Append(found, offset + turn.Start + done, part.Span);
                    else if (hash)
                        found = found.Append(part.Span);
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

    static int LengthOfTurns(ObjectReader reader, IReadOnlyList<Stretch> stretches)
    {
        var hints = reader.Hints;
        int parts = Math.Max(TurnLength / hints.PartSize, 1);
        if (parts > 1 && reader.ReadsManyAtOnce)
            // reads that wait for a server had better wait together than one behind the other
            parts = (int)Math.Clamp(stretches.Sum(stretch => stretch.Target.Length) / hints.PartSize / hints.Concurrency, 1, parts);
        return parts * hints.PartSize;
    }

    /// <summary>One stretch alone.</summary>
    public static ValueTask<Checksum> ReadAsync(
        ObjectReader reader, long offset, LargeMemory target, bool hash, IProgress<long>? progress, CancellationToken cancel) =>
        ReadAsync(reader, offset, target, hash, null, progress, cancel);

    /// <summary>The same, with all of it told to <paramref name="check"/>, which hashes in any case.</summary>
    internal static async ValueTask<Checksum> ReadAsync(
        ObjectReader reader, long offset, LargeMemory target, bool hash, ReadCheck? check, IProgress<long>? progress, CancellationToken cancel)
    {
        if (target.Length > reader.Hints.PartSize)
            return (await EachAsync(reader, [new Stretch(offset, target)], hash, check, progress, cancel).ConfigureAwait(false))[0];
        // one read: nothing to be divided
        if (target.Length == 0)
            return Checksum.Empty;
        var part = target.Slice(0, (int)target.Length);
        await reader.ReadAsync(offset, part, cancel).ConfigureAwait(false);
        progress?.Report(part.Length);
        return check is not null ? check.Append(Checksum.Empty, offset, part.Span) : hash ? Checksum.Of(part.Span) : Checksum.Empty;
    }

    readonly record struct Turn(int Stretch, long Start, int Length);
}
