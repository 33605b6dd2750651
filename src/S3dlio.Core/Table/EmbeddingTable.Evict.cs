using System.Buffers.Binary;

namespace S3dlio.Table;

public sealed partial class EmbeddingTable
{
    delegate bool RowCondition(ReadOnlySpan<byte> row);

    /// <summary>
    /// Deletes rows by age, number of updates or norm, and the oldest ones of too many. Their room in files is given back by
    /// <see cref="Compact"/> and by checkpoints. A checkpoint under way has them still.
    /// </summary>
    /// <param name="rule">A row that meets one of its conditions goes; then those that are too many.</param>
    /// <param name="evicted">Gets the keys of the rows that were deleted.</param>
    /// <param name="cancel">Heard between pages; what was deleted stays deleted.</param>
    /// <returns>How many were deleted.</returns>
    /// <exception cref="StoreException">InvalidArgument: an age in seconds, of a table without times.</exception>
    public long Evict(EvictRule rule, ICollection<long>? evicted, CancellationToken cancel)
    {
        CheckWritable();
        if (rule.OlderThanSeconds > 0 && !HasTimes)
            throw NoTimes(Directory);
        if (rule.OlderThanSeconds == 0)
            rule = rule with { OlderThanSeconds = Options.TimeToLive };
        long step = Step, deleted = 0;
        uint now = Now();
        if (rule.OlderThanSteps > 0 || rule.OlderThanSeconds > 0 || rule.FewerThan > 0 || rule.SmallerThan > 0)
            deleted = DeleteWhere(row => IsEvicted(rule, row, step, now), long.MaxValue, evicted, cancel);
        long most = MostRows(rule), over = Count - most;
        if (over <= 0)
            return deleted;
        uint oldest = AgeOf(over, step, cancel);
        deleted += DeleteWhere(row => AgeOf(row, step) > oldest, over, evicted, cancel);
        return deleted + DeleteWhere(row => AgeOf(row, step) == oldest, Count - most, evicted, cancel);
    }

    /// <summary>How many rows stay at most.</summary>
    long MostRows(EvictRule rule) => Math.Min(
        rule.MostRows > 0 ? rule.MostRows : long.MaxValue,
        rule.MostBytes > 0 ? rule.MostBytes / (_layout.Stride + RowLayout.KeyBytes) : long.MaxValue);

    /// <summary>The age in steps that so many rows have or exceed.</summary>
    uint AgeOf(long rows, long step, CancellationToken cancel)
    {
        var ages = new List<uint>();
        foreach (var shard in _shards)
        {
            for (long page = shard.First, end = Pages(shard); page < end; page++)
            {
                cancel.ThrowIfCancellationRequested();
                ForEachLive(shard, page, (_, _, row) => ages.Add(AgeOf(row, step)));
            }
        }
        ages.Sort();
        return ages.Count == 0 ? 0 : ages[(int)Math.Max(0, ages.Count - rows)];
    }

    uint AgeOf(ReadOnlySpan<byte> row, long step) => (uint)step - BinaryPrimitives.ReadUInt32LittleEndian(row[_layout.MetaOffset..]);

    /// <summary>Seconds since 1970, as rows have them.</summary>
    uint Now() => (uint)Math.Clamp(Options.Clock.GetUtcNow().ToUnixTimeSeconds(), 0, uint.MaxValue);

    /// <summary>Deletes the rows that meet a condition, at most so many.</summary>
    long DeleteWhere(RowCondition condition, long most, ICollection<long>? evicted, CancellationToken cancel)
    {
        long deleted = 0;
        var keys = new List<(long Key, long Location)>();
        foreach (var shard in _shards)
        {
            for (long page = shard.First, end = Pages(shard); page < end && deleted < most; page++)
            {
                cancel.ThrowIfCancellationRequested();
                keys.Clear();
                ForEachLive(shard, page, (key, location, row) =>
                {
                    if (deleted + keys.Count < most && condition(row))
                        keys.Add((key, location));
                });
                if (keys.Count > 0)
                    deleted += DeleteAt(shard, keys, condition, evicted);
            }
        }
        return deleted;
    }

    long DeleteAt(Shard shard, List<(long Key, long Location)> keys, RowCondition condition, ICollection<long>? evicted)
    {
        long deleted = 0;
        Enter();
        try
        {
            lock (shard.Gate)
            {
                foreach (var (key, location) in keys)
                {
                    // one that was changed since has another place, or was changed where it is and may be to stay now
                    ulong hash = KeyIndex.Hash(key);
                    if (shard.Index.Find(hash, key) != location)
                        continue;
                    var row = shard.InMemory(location);
                    if (!row.IsEmpty && !condition(row))
                        continue;
                    shard.Delete(hash, key);
                    evicted?.Add(key);
                    deleted++;
                }
            }
            Interlocked.Increment(ref _changes);
            Interlocked.Add(ref _evicted, deleted);
        }
        finally
        {
            _gate.Leave();
        }
        return deleted;
    }

    bool IsEvicted(EvictRule rule, ReadOnlySpan<byte> row, long step, uint now)
    {
        var meta = row.Slice(_layout.MetaOffset, RowLayout.MetaBytes);
        if ((rule.OlderThanSteps > 0 && AgeOf(row, step) >= rule.OlderThanSteps)
            || (rule.OlderThanSeconds > 0 && SecondsOf(row, now) > rule.OlderThanSeconds)
            || BinaryPrimitives.ReadUInt16LittleEndian(meta[4..]) < rule.FewerThan)
            return true;
        if (rule.SmallerThan <= 0)
            return false;
        double sum = 0;
        Span<float> numbers = _layout.Dimension <= 1024 ? stackalloc float[_layout.Dimension] : new float[_layout.Dimension];
        RowNumbers.ToFloats(row[..RowBytes], numbers, _layout.Type);
        foreach (float one in numbers)
            sum += (double)one * one;
        return Math.Sqrt(sum) < rule.SmallerThan;
    }

    /// <summary>Since the last update; less than 0 where the clock was put back.</summary>
    long SecondsOf(ReadOnlySpan<byte> row, uint now) => (long)now - BinaryPrimitives.ReadUInt32LittleEndian(row[_layout.TimeOffset..]);
}
