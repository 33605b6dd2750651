using System.Text;
using S3dlio.Checkpoint;
using S3dlio.Storage;
using S3dlio.Transfer;
using Xunit;
using static S3dlio.Tests.Checkpoint.CheckpointScene;

namespace S3dlio.Tests.Checkpoint;

/// <summary>Which checkpoint is the newest, whatever clocks say and whatever became of <c>latest.json</c>.</summary>
public sealed class CheckpointOrderTests
{
    static RetentionRule KeepOne => new() { KeepLast = 1, Grace = TimeSpan.Zero };

    /// <summary>As a machine does whose clock is ahead.</summary>
    static async Task<FoundManifest> SaveAheadAsync(ObjectStore store, long step, TimeSpan ahead)
    {
        var shard = await PutShardAsync(store, step, 0, new AgreedSave(SaveId.New(DateTimeOffset.UtcNow), null));
        var request = new CommitRequest
        {
            Step = step,
            Epoch = 1,
            Framework = "test",
            WorldSize = 1,
            Shards = [shard],
            WallTime = DateTimeOffset.UtcNow + ahead
        };
        return (await CheckpointCommit.RunAsync(store, request, None)).Found;
    }

    static async Task<byte[]> PointerAsync(ObjectStore store) =>
        (await CheckpointObjects.ReadAsync(store, CheckpointLayout.Latest, 1 << 20, None))!.Value.Bytes;

    /// <summary>Its first listing of manifests is followed by something before anybody reads what it gave.</summary>
    sealed class LateStore(ObjectStore inner, Func<Task> after) : DelegatingStore
    {
        bool _isOver;

        protected override ObjectStore Inner => inner;

        public override async IAsyncEnumerable<ListPage> ListAsync(
            string prefix, ListOptions options, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
        {
            await foreach (var page in inner.ListAsync(prefix, options, cancel))
                yield return page;
            if (_isOver || prefix != CheckpointLayout.Manifests)
                yield break;
            _isOver = true;
            await after();
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task List_AllThatWasListedIsPrunedMeanwhile_FindsWhatIsNewer(bool hasPointer)
    {
        var store = NewStore();
        await SaveAsync(store, 1);
        string? newest = null;
        LateStore Late(long step) => new(store, async () =>
        {
            newest = (await SaveAsync(store, step)).Key;
            await Retention.RunAsync(store, KeepOne, NoProgress.Instance, None);
            if (!hasPointer)
                await store.DeleteAsync([CheckpointLayout.Latest], None);
        });
        var all = await CheckpointCatalog.ReadAllAsync(Late(2), null, None);
        Assert.Equal([newest], all.Complete.Select(static one => one.Key));
        var found = (await CheckpointCatalog.NewestAsync(Late(3), None)).Found;
        Assert.Equal((newest, 3L), (found?.Key, found!.Manifest.Step));
    }

    static async Task<string?> NewestAsync(ObjectStore store) => (await CheckpointCatalog.NewestAsync(store, None)).Found?.Key;

    [Theory]
    [InlineData(101, "kept")]
    [InlineData(101, "missing")]
    [InlineData(101, "stale")]
    [InlineData(101, "damaged")]
    [InlineData(50, "kept")]
    [InlineData(50, "missing")]
    [InlineData(100, "kept")]
    [InlineData(100, "stale")]
    public async Task Save_AfterOneOfAClockAhead_IsTheNewestAndStays(long step, string pointer)
    {
        var store = NewStore();
        await SaveAsync(store, 99);
        byte[] before = await PointerAsync(store);
        await SaveAheadAsync(store, 100, TimeSpan.FromHours(1));
        if (pointer != "kept")
            await store.DeleteAsync([CheckpointLayout.Latest], None);
        if (pointer is "stale" or "damaged")
            await PutAsync(store, CheckpointLayout.Latest, pointer == "stale" ? before : "{"u8.ToArray());
        var last = await SaveAsync(store, step);
        Assert.Equal(last.Key, await NewestAsync(store));
        Assert.Equal(last.Key, (await CheckpointCatalog.ReadAllAsync(store, null, None)).Complete.First().Key);
        Assert.Equal([last.Key], (await Retention.RunAsync(store, KeepOne, NoProgress.Instance, None)).Kept);
        Assert.Equal(last.Key, await NewestAsync(store));
    }

    [Fact]
    public async Task Save_ManyInARowOfAnySteps_EachIsTheNewest()
    {
        var store = NewStore();
        var random = new Random(4);
        for (int i = 0; i < 60; i++)
        {
            var found = random.Next(5) == 0
                ? await SaveAheadAsync(store, 1000 + i, TimeSpan.FromDays(i))
                : await SaveAsync(store, random.Next(20), worldSize: 1);
            if (random.Next(4) == 0)
                await store.DeleteAsync([CheckpointLayout.Latest], None);
            Assert.Equal(found.Key, await NewestAsync(store));
        }
    }

    [Fact]
    public async Task Newest_WithAPointerThatIsTrue_ReadsOneManifest()
    {
        var store = NewStore();
        for (int step = 0; step < 20; step++)
            await SaveAsync(store, step, worldSize: 1);
        async Task<int> Calls(string newest)
        {
            var counting = new CrashingStore(store, int.MaxValue, after: false);
            Assert.Equal(newest, await NewestAsync(counting));
            return counting.Calls;
        }
        string last = (await SaveAsync(store, 20, worldSize: 1)).Key;
        // the pointer, the listing, the manifest
        Assert.Equal(3, await Calls(last));
        await CheckpointDelete.OfStepAsync(store, 3, None);
        Assert.Equal(3, await Calls(last));
        await Retention.RunAsync(store, new RetentionRule { KeepLast = 5 }, NoProgress.Instance, None);
        Assert.Equal(3, await Calls(last));
        await CheckpointDelete.OfStepAsync(store, 20, None);
        Assert.Equal(3, await Calls((await CheckpointCatalog.ReadAllAsync(store, 19, None)).Complete.Single().Key));
    }

    [Fact]
    public async Task Newest_AnyBitOfThePointerFlipped_IsTheSame()
    {
        var store = NewStore();
        await SaveAsync(store, 1);
        await SaveAsync(store, 9);
        string last = (await SaveAsync(store, 5)).Key;
        byte[] pointer = await PointerAsync(store);
        for (int bit = 0; bit < pointer.Length * 8; bit++)
        {
            byte[] flipped = [.. pointer];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            await PutAsync(store, CheckpointLayout.Latest, flipped);
            Assert.Equal(last, await NewestAsync(store));
        }
    }

    [Fact]
    public async Task Newest_ManifestThatWasDamagedIsMended_IsTheNewestAgain()
    {
        var store = NewStore();
        await SaveAsync(store, 1);
        string last = (await SaveAsync(store, 2)).Key;
        byte[] whole = (await CheckpointObjects.ReadAsync(store, last, 1 << 20, None))!.Value.Bytes;
        await PutAsync(store, last, whole[..100]);
        await Retention.RunAsync(store, KeepOne, NoProgress.Instance, None);
        Assert.NotEqual(last, await NewestAsync(store));
        await PutAsync(store, last, whole);
        Assert.Equal(last, await NewestAsync(store));
    }

    [Fact]
    public async Task Newest_PointersOfEveryMoment_NeverHideWhatCameLater()
    {
        var store = NewStore();
        var pointers = new List<byte[]>();
        for (int i = 0; i < 12; i++)
        {
            string last = (await SaveAsync(store, i % 3, worldSize: 1)).Key;
            byte[] right = await PointerAsync(store);
            foreach (byte[] earlier in pointers)
            {
                await PutAsync(store, CheckpointLayout.Latest, earlier);
                Assert.Equal(last, await NewestAsync(store));
            }
            pointers.Add(right);
            await PutAsync(store, CheckpointLayout.Latest, pointers[i / 2]);
        }
    }

    [Fact]
    public async Task Save_ByManyAtOnce_LeavesAPointerThatIsTrueAndTheNextIsTheNewest()
    {
        var store = NewStore();
        await SaveAheadAsync(store, 500, TimeSpan.FromHours(3));
        await Parallel.ForAsync(
            0, 24, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) => await SaveAsync(store, i, worldSize: 1));
        string newest = (await CheckpointCatalog.ReadAllAsync(store, null, None)).Complete.First().Key;
        Assert.Equal(newest, await NewestAsync(store));
        Assert.NotEqual(500, CheckpointLayout.ParseManifestKey(newest).Step);
        Assert.Equal((await SaveAsync(store, 2)).Key, await NewestAsync(store));
    }

    [Fact]
    public async Task Save_BesideAManifestOfALaterVersion_Works()
    {
        var store = NewStore();
        await SaveAsync(store, 1);
        byte[] later = Encoding.UTF8.GetBytes("{\"format_version\":3}");
        await PutAsync(store, CheckpointLayout.ManifestKey(7, "later"), later);
        var found = await SaveAsync(store, 2);
        Assert.NotNull(await CheckpointCatalog.ReadAsync(store, found.Key, None));
        Assert.Contains(
            "update s3dlio", (await Assert.ThrowsAsync<StoreException>(() => NewestAsync(store))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Save_AfterOneAtTheEndOfTime_IsNoError()
    {
        var store = NewStore();
        var shard = await PutShardAsync(store, 1, 0, new AgreedSave("end", null));
        await CheckpointCommit.RunAsync(
            store, new CommitRequest
            {
                Step = 1,
                Epoch = 1,
                Framework = "test",
                WorldSize = 1,
                Shards = [shard],
                WallTime = DateTimeOffset.MaxValue
            }, None);
        Assert.Equal((await SaveAsync(store, 2)).Key, await NewestAsync(store));
    }

    [Fact]
    public async Task Save_WithATimeOfTheCallers_IsOrderedByIt()
    {
        // such as one that is copied from elsewhere
        var store = NewStore();
        var found = await SaveAsync(store, 10);
        await SaveAheadAsync(store, 5, TimeSpan.FromDays(-3));
        Assert.Equal(found.Key, await NewestAsync(store));
    }
}
