using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cache;

/// <summary>What a cache has done in this process, and what lies in it.</summary>
/// <param name="Directory">Where.</param>
/// <param name="Bytes">Of all that lies there, as far as it was noted.</param>
/// <param name="Limit">How many there may be; null where free space alone decides.</param>
/// <param name="Counts">By name, of this process and all of its stores of this cache.</param>
public sealed record CacheStatistics(string Directory, long Bytes, long? Limit, IReadOnlyList<(string Name, long Value)> Counts);

/// <summary>What was removed, looked at or read.</summary>
/// <param name="Entries">Files of the cache, or objects.</param>
/// <param name="Bytes">Their bytes.</param>
public readonly record struct CacheAmount(long Entries, long Bytes);

public sealed partial class HybridStore
{
    /// <summary>Objects that are read at once to have them in the cache.</summary>
    const int WarmAtOnce = 8;

    public CacheStatistics Statistics()
    {
        FillQueue.Shared.Drain();
        var directory = Directory();
        var counters = directory.Counters;
        var back = Back();
        var written = back?.Counters ?? new WriteBackCounters();
        var waiting = Waiting("");
        return new CacheStatistics(directory.Path, directory.Queue.Total, Options.Size,
        [
            ("hits", counters.Hits), ("hit_bytes", counters.HitBytes), ("misses", counters.Misses), ("miss_bytes", counters.MissBytes),
            ("waits", counters.Waits), ("validations", counters.Validations), ("fills", counters.Fills),
                ("fills_failed", counters.FillsFailed),
            ("damaged", counters.Damaged), ("evicted", counters.Evicted), ("evicted_bytes", counters.EvictedBytes),
                ("rests", counters.Rests),
            ("pending", waiting.Count), ("pending_bytes", waiting.Bytes), ("pending_milliseconds", (long)waiting.Age.TotalMilliseconds),
                ("parked", waiting.Parked),
            ("accepted", written.Accepted), ("accepted_bytes", written.AcceptedBytes), ("sent", written.Sent),
                ("sent_bytes", written.SentBytes), ("superseded", written.Superseded), ("send_failures", written.SendFailures),
                ("bypassed", written.Bypassed), ("adopted", written.Adopted), ("journal_failures", written.JournalFailures),
        ]);
    }

    /// <summary>Removes what is kept of the objects whose keys begin with a text.</summary>
    /// <param name="prefix">The text; empty for all of this store.</param>
    /// <param name="cancel">Ends it in between.</param>
    public async ValueTask<CacheAmount> EvictAsync(string prefix, CancellationToken cancel)
    {
        ObjectKey.CheckPrefix(Root, prefix);
        var directory = Directory();
        byte[] wanted = ObjectVersion.IdentityOf(Backing.Origin, Backing.AddressOf("x")[..^1] + prefix);
        await ThreadSwitch.ToPoolAsync();
        FillQueue.Shared.Drain();
        var removed = new CacheAmount(0, 0);
        foreach (var (id, status) in directory.Entries())
        {
            cancel.ThrowIfCancellationRequested();
            if (IdentityOf(directory, id) is not { } identity || !identity.AsSpan().StartsWith(wanted))
                continue;
            directory.Remove(id);
            removed = new CacheAmount(removed.Entries + 1, removed.Bytes + status.Size);
        }
        directory.Queue.Recount();
        return removed;
    }

    /// <summary>Reads objects so that the cache has them.</summary>
    /// <param name="keys">Which.</param>
    /// <param name="progress">Hears of objects.</param>
    /// <param name="cancel">Ends it in between.</param>
    /// <returns>Objects and their bytes, those that were there before too.</returns>
    public async ValueTask<CacheAmount> WarmAsync(IReadOnlyList<string> keys, ITransferProgress progress, CancellationToken cancel)
    {
        progress.Begin(keys.Count);
        await ThreadSwitch.ToPoolAsync();
        int next = -1;
        long bytes = 0;
        async Task Work(CancellationToken stop)
        {
            byte[] scratch = System.Buffers.ArrayPool<byte>.Shared.Rent(FirstAnswer);
            for (int i; (i = Interlocked.Increment(ref next)) < keys.Count;)
            {
                var reader = await OpenReadAsync(keys[i], ReadOptions.Default, stop).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    for (long at = 0; at < reader.Meta.Size; at += FirstAnswer)
                        await reader.ReadAsync(at, scratch.AsMemory(0, (int)Math.Min(FirstAnswer, reader.Meta.Size - at)),
                            stop).ConfigureAwait(false);
                    Interlocked.Add(ref bytes, reader.Meta.Size);
                }
                progress.Report(1);
            }
            System.Buffers.ArrayPool<byte>.Shared.Return(scratch);
        }
        await ParallelWork.RunAsync(Math.Min(WarmAtOnce, keys.Count), Work, cancel).ConfigureAwait(false);
        FillQueue.Shared.Drain();
        return new CacheAmount(keys.Count, bytes);
    }

    static byte[]? IdentityOf(CacheDirectory directory, EntryId id)
    {
        using var handle = directory.TryOpen(id, out long length);
        if (handle is null)
            return null;
        byte[] bytes = new byte[Math.Max(BlockHeader.Length, (int)Math.Min(length, MetaEntry.MostLength))];
        if (!directory.TryRead(handle, bytes.AsSpan(0, BlockHeader.Length), 0, out int count))
            return null;
        if (count == BlockHeader.Length && BlockHeader.Read(bytes.AsSpan(0, count)) is { } block)
            return block.Version.Identity;
        return directory.TryRead(handle, bytes, 0, out count) ? MetaEntry.IdentityOf(bytes.AsSpan(0, count)) : null;
    }
}
