using S3dlio.Storage;
using Xunit;

namespace S3dlio.Table;

/// <summary>Evictions by time and by bytes, and the keys that they tell.</summary>
public sealed class TableEvictionTests
{
    [Theory]
    [InlineData(UpdateRule.Sgd)]
    [InlineData(UpdateRule.Adam)]
    public void Evict_TimeToLive_TakesRowsNobodyChangedForLongerAlsoAfterRecovery(UpdateRule rule)
    {
        var disk = Tables.NewDisk();
        var clock = new SettableClock();
        var options = Tables.Small(rule) with { TimeToLive = 100, Clock = clock };
        float[] ones = [1, 1, 1, 1, 1];
        using (var table = EmbeddingTable.Open(disk, "/t", options))
        {
            table.Apply([1], ones, "a", 0);
            table.Upsert([2], ones, "a", 1);
            clock.Seconds += 60;
            table.Upsert([3], ones, "a", 2);
            // trained again: its time begins anew
            table.Apply([1], ones, "a", 3);
            // reading is no change
            _ = table.Lookup(2);
            table.Checkpoint(waits: true, default);
        }
        // another opening, another process: the rows have their times
        using (var table = EmbeddingTable.Open(disk, "/t", options with { TakesAll = true }))
        {
            clock.Seconds += 40;
            var gone = new List<long>();
            Assert.Equal(0, table.Evict(new EvictRule(), gone, default));
            clock.Seconds += 1;
            Assert.Equal(1, table.Evict(new EvictRule(), gone, default));
            Assert.Equal([2], gone);
            // a clock that was put back makes no row old
            clock.Seconds -= 1000;
            Assert.Equal(0, table.Evict(new EvictRule(), gone, default));
            clock.Seconds += 1060;
            Assert.Equal(2, table.Evict(new EvictRule(), gone, default));
            Assert.Equal([1, 2, 3], gone.Order());
            Assert.Equal(3, table.Statistics().Evicted);
            table.Upsert([4], ones, "a", 4);
            clock.Seconds += 11;
            Assert.Equal(0, table.Evict(new EvictRule { OlderThanSeconds = 11 }, null, default));
            Assert.Equal(1, table.Evict(new EvictRule { OlderThanSeconds = 10 }, null, default));
        }
        // no checkpoint was made: what it has is there, and old by now
        using (var table = EmbeddingTable.Open(disk, "/t", options with { IsReadOnly = true }))
            Assert.Equal(3, table.Count);
    }

    [Fact]
    public void Evict_OfRowsThatLeftMemory_HasTheirTimes()
    {
        var disk = Tables.NewDisk();
        var clock = new SettableClock();
        var options = Tables.Small() with { TimeToLive = 10, Clock = clock };
        long[] keys = [.. Enumerable.Range(0, 5000).Select(i => (long)i)];
        using var table = EmbeddingTable.Open(disk, "/t", options);
        for (int from = 0; from < keys.Length; from += 100, clock.Seconds++)
            table.Apply(keys[from..(from + 100)], new float[100 * Tables.Dimension], "a", -1);
        Assert.True(table.Statistics().Releases > 0, "nothing left memory");
        var gone = new List<long>();
        // batch i was at second i, now it is second 50: of 40 to 49 none is older than 10 seconds
        Assert.Equal(4000, table.Evict(new EvictRule(), gone, default));
        Assert.Equal(keys[..4000], gone.Order());
        table.Compact(1, default);
        Assert.Equal(0, table.Evict(new EvictRule(), gone, default));
        clock.Seconds += 5;
        Assert.Equal(500, table.Evict(new EvictRule(), gone, default));
    }

    [Fact]
    public void Evict_MostBytes_KeepsWhatFitsOfThoseChangedLast()
    {
        using var table = EmbeddingTable.Open(Tables.NewDisk(), "/t", Tables.Small(UpdateRule.Add));
        for (int step = 0; step < 10; step++)
            table.Apply([.. Enumerable.Range(10 * step, 10).Select(i => (long)i)], new float[10 * Tables.Dimension], "a", -1);
        // 5 numbers, 8 bytes about updates, a checksum and the key: 40 bytes
        Assert.Equal(0, table.Evict(new EvictRule { MostBytes = 4000 }, null, default));
        var gone = new List<long>();
        Assert.Equal(71, table.Evict(new EvictRule { MostBytes = 1199 }, gone, default));
        Assert.Equal(29, table.Count);
        Assert.All(gone, key => Assert.InRange(key, 0, 79));
        Assert.Equal(9, table.Evict(new EvictRule { MostBytes = 2000, MostRows = 20 }, gone, default));
        Assert.Equal(gone.Count, gone.Distinct().Count());
    }

    [Fact]
    public void Open_TimeToLiveOfATableWithoutTimes_SaysWhatToDo()
    {
        var disk = Tables.NewDisk();
        EmbeddingTable.Open(disk, "/t", Tables.Small()).Dispose();
        var error = Assert.Throws<StoreException>(() => EmbeddingTable.Open(disk, "/t", Tables.Small() with { TimeToLive = 5 }));
        Assert.Contains("make one with ttl", error.Message, StringComparison.Ordinal);
        using var table = EmbeddingTable.Open(disk, "/t", Tables.Small());
        error = Assert.Throws<StoreException>(() => table.Evict(new EvictRule { OlderThanSeconds = 5 }, null, default));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
    }

    /// <summary>A batch comes between the look at a page and the deletions in it: none of its rows goes.</summary>
    [Fact]
    public void Evict_RowsThatWereChangedMeanwhile_Stay()
    {
        var clock = new SettableClock();
        using var table = EmbeddingTable.Open(
            Tables.NewDisk(), "/t", Tables.Small() with { TimeToLive = 1, Clock = clock, Shards = 1 });
        long[] keys = [.. Enumerable.Range(0, 50).Select(i => (long)i)];
        table.Apply(keys, new float[keys.Length * Tables.Dimension], "a", -1);
        clock.Seconds += 2;
        // the first deletion is told in the middle of the others of its page
        var gone = new Told(first =>
        {
            long[] others = [.. keys.Where(key => key != first)];
            table.Apply(others, new float[others.Length * Tables.Dimension], "a", -1);
        });
        Assert.Equal(1, table.Evict(new EvictRule(), gone, default));
        Assert.Equal(keys.Length - 1, table.Count);
    }

    sealed class Told(Action<long> first) : System.Collections.ObjectModel.Collection<long>
    {
        protected override void InsertItem(int index, long item)
        {
            base.InsertItem(index, item);
            if (index == 0)
                first(item);
        }
    }

    sealed class SettableClock : TimeProvider
    {
        public long Seconds { get; set; } = 1_000_000_000;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeSeconds(Seconds);
    }
}
