using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>A stretch of an object and the memory it goes to.</summary>
/// <param name="Offset">Where it begins in the object.</param>
/// <param name="Target">Where its bytes go; as long as the stretch.</param>
public readonly record struct Stretch(long Offset, LargeMemory Target);

/// <summary>Reads stretches of an object into the caller's memory: cut into parts, several in flight, each hashed while it is warm in the cache.</summary>
public static class ParallelRead
{
    /// <returns>The CRC32C of each stretch, in order.</returns>
    public static async ValueTask<Checksum[]> ReadAsync(
        ObjectReader reader, IReadOnlyList<Stretch> stretches, IProgress<long>? progress, CancellationToken cancel)
    {
        var hints = reader.Hints;
        var parts = new List<Part>();
        for (int i = 0; i < stretches.Count; i++)
        {
            long length = stretches[i].Target.Length;
            for (long at = 0; at < length; at += hints.PartSize)
                parts.Add(new Part(i, at, (int)Math.Min(hints.PartSize, length - at)));
        }
        var checksums = new Checksum[parts.Count];
        int next = -1;
        async Task Work(CancellationToken stop)
        {
            for (int i; (i = Interlocked.Increment(ref next)) < parts.Count;)
            {
                stop.ThrowIfCancellationRequested();
                var part = parts[i];
                var target = stretches[part.Stretch].Target.Slice(part.Start, part.Length);
                await reader.ReadAsync(stretches[part.Stretch].Offset + part.Start, target, stop).ConfigureAwait(false);
                checksums[i] = Checksum.Of(target.Span);
                progress?.Report(part.Length);
            }
        }
        await Together.RunAsync(Math.Min(hints.Concurrency, parts.Count), Work, cancel).ConfigureAwait(false);
        var whole = new Checksum[stretches.Count];
        for (int i = 0; i < parts.Count; i++)
            whole[parts[i].Stretch] = Checksum.Combine(whole[parts[i].Stretch], checksums[i], parts[i].Length);
        return whole;
    }

    /// <summary>One stretch alone.</summary>
    public static async ValueTask<Checksum> ReadAsync(
        ObjectReader reader, long offset, LargeMemory target, IProgress<long>? progress, CancellationToken cancel) =>
        (await ReadAsync(reader, [new Stretch(offset, target)], progress, cancel).ConfigureAwait(false))[0];

    readonly record struct Part(int Stretch, long Start, int Length);
}
