using System.Reflection;
using S3dlio.Cache;
using S3dlio.Storage;
using S3dlio.Tests.Storage;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>What comes from the cache, what is asked of the store, and when.</summary>
public sealed class HybridStoreTests
{
    const int Block = 1 << 16;

    [Fact]
    public async Task Get_Again_AsksTheStoreNothing()
    {
        using var scene = new CacheScene();
        var data = CacheScene.Random((5 * Block) + 17, 1);
        await scene.Put("a", data);
        Assert.Equal(data, await scene.Get("a"));
        Assert.Equal(data.Length, scene.Backing.Bytes);
        scene.Backing.Reset();
        Assert.Equal(data, await scene.Get("a"));
        Assert.Equal(data, await scene.Get("a", scene.Another()));
        Assert.Equal(data.AsSpan(70_000, 100_000).ToArray(), await scene.Get("a", 70_000, 100_000));
        Assert.Equal((await scene.Backing.HeadAsync("a", CacheScene.None)).Checksum,
            (await scene.Store.HeadAsync("a", CacheScene.None)).Checksum);
        Assert.Equal((1, 0L), (scene.Backing.Calls, scene.Backing.Bytes));
    }

    [Fact]
    public async Task Get_Ranges_FetchTheirBlocksOnce()
    {
        using var scene = new CacheScene();
        var data = CacheScene.Random((20 * Block) + 5, 2);
        await scene.Put("a", data);
        var random = new Random(3);
        for (int i = 0; i < 200; i++)
        {
            int offset = random.Next(data.Length), length = random.Next(Math.Min(data.Length - offset, 3 * Block) + 1);
            Assert.Equal(data.AsSpan(offset, length).ToArray(), await scene.Get("a", offset, length));
        }
        Assert.InRange(scene.Backing.Bytes, 1, data.Length);
    }

    [Theory]
    [InlineData(CacheValidate.Always)]
    [InlineData(CacheValidate.Ttl)]
    [InlineData(CacheValidate.Never)]
    public async Task Get_WrittenBehindTheCache_AsTheValidationSays(CacheValidate validate)
    {
        var clock = new MovedClock();
        using var scene = new CacheScene(CacheScene.Never with { Validate = validate, Ttl = TimeSpan.FromSeconds(60) }, clock);
        var (old, renewed) = (CacheScene.Random(Block + 1, 4), CacheScene.Random(Block + 1, 5));
        await scene.Put("a", old);
        Assert.Equal(old, await scene.Get("a"));
        await scene.Put("a", renewed, scene.Backing);
        Assert.Equal(validate == CacheValidate.Always ? renewed : old, await scene.Get("a"));
        clock.Shift = TimeSpan.FromSeconds(59);
        Assert.Equal(validate == CacheValidate.Always ? renewed : old, await scene.Get("a"));
        clock.Shift = TimeSpan.FromSeconds(61);
        Assert.Equal(validate == CacheValidate.Never ? old : renewed, await scene.Get("a"));
        // a clock that goes back tells no age
        clock.Shift = TimeSpan.FromDays(-1);
        Assert.Equal(validate == CacheValidate.Never ? old : renewed, await scene.Get("a"));
        await scene.Backing.DeleteAsync(["a"], CacheScene.None);
        if (validate == CacheValidate.Always)
            Assert.Equal(ErrorKind.NotFound, (await Assert.ThrowsAsync<StoreException>(() => scene.Get("a"))).Kind);
    }

    [Fact]
    public async Task Write_ThroughTheCache_IsSeenByEveryStoreOfIt()
    {
        using var scene = new CacheScene();
        var other = scene.Another();
        for (int i = 0; i < 20; i++)
        {
            var data = CacheScene.Random(1000 + i, i);
            if (i % 3 == 0)
                await scene.Put("a", data);
            else if (i % 3 == 1)
            {
                await using var writer = await scene.Store.OpenWriteAsync("a", PutOptions.Default, CacheScene.None);
                await writer.WriteAsync(data, CacheScene.None);
                await writer.CompleteAsync(CacheScene.None);
            }
            else
            {
                await scene.Put("b", data);
                await scene.Store.RenameAsync("b", "a", PutOptions.Default, CacheScene.None);
            }
            Assert.Equal(data, await scene.Get("a", other));
            Assert.Equal(data, await scene.Get("a", scene.Store));
        }
        await scene.Store.DeleteAsync(["a"], CacheScene.None);
        Assert.Equal(ErrorKind.NotFound, (await Assert.ThrowsAsync<StoreException>(() => scene.Get("a", other))).Kind);
    }

    [Fact]
    public async Task Write_WhileAnotherAsks_WhatItWasToldIsNotBelieved()
    {
        using var scene = new CacheScene();
        var (old, renewed) = (CacheScene.Random(100, 6), CacheScene.Random(100, 7));
        await scene.Put("a", old);
        var asked = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        scene.Backing.Before = async what =>
        {
            if (what == "read")
            {
                asked.TrySetResult();
                await go.Task;
            }
        };
        // the answer is of the old object, and what is kept of it comes after the write has ended
        var reading = scene.Get("a");
        await asked.Task;
        await scene.Put("a", renewed);
        go.SetResult();
        Assert.Equal(old, await reading);
        scene.Backing.Before = null;
        Assert.Equal(renewed, await scene.Get("a"));
    }

    [Fact]
    public async Task Get_ByManyAtOnce_FetchesOnce()
    {
        using var scene = new CacheScene();
        var data = CacheScene.Random(30 * Block, 8);
        await scene.Put("a", data);
        scene.Backing.Before = _ => Task.Delay(20);
        await Task.WhenAll(Enumerable.Range(0, 24).Select(i =>
            Task.Run(async () => Assert.Equal(data, await scene.Get("a", i % 2 == 0 ? scene.Store : scene.Another())))));
        Assert.Equal(data.Length, scene.Backing.Bytes);
    }

    [Fact]
    public async Task Get_WhoeverFetchesHangs_OthersFetchForThemselves()
    {
        using var scene = new CacheScene();
        var data = CacheScene.Random(100, 9);
        await scene.Put("a", data);
        var go = new TaskCompletionSource();
        int reads = 0;
        scene.Backing.Before = what => what == "read" && Interlocked.Increment(ref reads) == 1 ? go.Task : Task.CompletedTask;
        var hanging = scene.Get("a");
        Assert.Equal(data, await scene.Get("a").WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.False(hanging.IsCompleted);
        go.SetResult();
        Assert.Equal(data, await hanging);
    }

    [Fact]
    public async Task Get_TheFetcherFails_TheNextFetches()
    {
        using var scene = new CacheScene();
        var data = CacheScene.Random(3 * Block, 10);
        await scene.Put("a", data);
        int reads = 0;
        scene.Backing.Before = async what =>
        {
            await Task.Delay(10);
            if (what == "read" && Interlocked.Increment(ref reads) == 1)
                throw new StoreException(ErrorKind.Unavailable, "memory://x", "the server broke off");
        };
        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            try
            {
                return await scene.Get("a");
            }
            catch (StoreException error) when (error.Kind == ErrorKind.Unavailable)
            {
                return null;
            }
        })));
        Assert.Single(results, result => result is null);
        Assert.All(results.Where(result => result is not null), result => Assert.Equal(data, result));
    }

    [Fact]
    public async Task Get_BytesDamagedOnTheWay_AreNotKept()
    {
        using var scene = new CacheScene();
        var data = CacheScene.Random(3 * Block, 11);
        await scene.Put("a", data);
        scene.Backing.Damage = memory => memory.Span[memory.Length / 2] ^= 1;
        Assert.Equal(ErrorKind.ChecksumMismatch, (await Assert.ThrowsAsync<StoreException>(() => scene.Get("a"))).Kind);
        scene.Backing.Damage = null;
        Assert.Equal(data, await scene.Get("a"));
    }

    [Fact]
    public async Task Get_BytesDamagedOnTheWayAndKept_AreForgottenWhenItShows()
    {
        // a whole of several reads: no part of it can be judged by itself
        using var scene = new CacheScene();
        var data = CacheScene.Random(300 * Block, 14);
        await scene.Put("a", data);
        int reads = 0;
        scene.Backing.Damage = memory => memory.Span[0] ^= (byte)(Interlocked.Increment(ref reads) == 2 ? 1 : 0);
        Assert.Equal(ErrorKind.ChecksumMismatch, (await Assert.ThrowsAsync<StoreException>(() => scene.Get("a"))).Kind);
        Assert.Equal(data, await scene.Get("a"));
    }

    [Fact]
    public async Task Head_OfWhatIsNotThere_EndsNothingElse()
    {
        using var scene = new CacheScene();
        await scene.Put("a", [1]);
        await scene.Get("a");
        var before = await File.ReadAllBytesAsync(scene.Path + "/tokens");
        await Assert.ThrowsAsync<StoreException>(async () => await scene.Store.HeadAsync("none", CacheScene.None));
        await Assert.ThrowsAsync<StoreException>(() => scene.Get("none"));
        Assert.Equal(before, await File.ReadAllBytesAsync(scene.Path + "/tokens"));
    }

    [Fact]
    public async Task Read_WrittenBetweenTwoRanges_IsRefusedNotMixed()
    {
        using var scene = new CacheScene(CacheScene.Never with { Validate = CacheValidate.Always });
        var data = CacheScene.Random(4 * Block, 12);
        await scene.Put("a", data);
        Assert.Equal(data.AsSpan(0, 100).ToArray(), await scene.Get("a", 0, 100));
        await using var reader = await scene.Store.OpenReadAsync("a", ReadOptions.Default, CacheScene.None);
        await scene.Put("a", CacheScene.Random(4 * Block, 13), scene.Backing);
        var part = new byte[100];
        await reader.ReadAsync(50, part, CacheScene.None);
        Assert.Equal(data.AsSpan(50, 100).ToArray(), part);
        var error = await Assert.ThrowsAsync<StoreException>(async () => await reader.ReadAsync(3 * Block, part, CacheScene.None));
        Assert.Equal(ErrorKind.Precondition, error.Kind);
    }

    [Fact]
    public async Task Open_OfOneAddressAtTwoPlaces_AreTwoObjects()
    {
        using var scene = new CacheScene();
        await scene.Put("a", [1, 2, 3]);
        await scene.Get("a");
        var elsewhere = new HybridStore(new Elsewhere(scene.Backing), scene.Options);
        scene.Backing.Reset();
        Assert.Equal([1, 2, 3], await scene.Get("a", elsewhere));
        Assert.Equal(1, scene.Backing.Opens);
    }

    [Fact]
    public async Task Open_ThroughAPrefix_FindsTheSameBlocks()
    {
        using var scene = new CacheScene();
        await scene.Put("x/y/a", [1, 2, 3]);
        await scene.Get("x/y/a");
        scene.Backing.Reset();
        Assert.Equal([1, 2, 3], await scene.Get("a", new HybridStore(new PrefixStore(scene.Backing, "x/y"), scene.Options)));
        Assert.Equal(0, scene.Backing.Calls);
    }

    [Fact]
    public void HybridStore_EachMember_IsWrittenOrForwarded()
    {
        // what may change objects has to tell the cache: a new member of the contract is decided on here
        string[] writes =
        [
            "PutAsync", "OpenWriteAsync", "DeleteAsync", "DeleteSeenAsync", "CopyAsync", "RenameAsync", "DeleteTreeAsync",
        ];
        string[] reads = ["OpenReadAsync", "HeadAsync", "IsSameAs"];
        string[] forwarded =
        [
            "get_Root", "get_IsNear", "IsQuickAt", "get_RequestsAtOnce", "IsBrief", "get_WritableAttributes", "get_TagsEachWrite",
            "get_Origin", "ListAsync", "MakeDirectoryAsync",
            "RemoveDirectoryAsync", "FlushDirectoryAsync", "SweepDirectoryAsync", "PresignAsync", "ListUploadsAsync", "AbortUploadAsync",
            "IsDirectoryAsync",
        ];
        var members = typeof(ObjectStore).GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Where(method => method.IsVirtual && !method.IsFinal && !method.IsFamily
                && method.DeclaringType == typeof(ObjectStore)).Select(method => method.Name).Distinct();
        Assert.Empty(members.Except(writes).Except(reads).Except(forwarded));
        var own = typeof(HybridStore).GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.DeclaredOnly).Select(method =>
            method.Name).ToHashSet();
        Assert.DoesNotContain(writes.Concat(reads), name => !own.Contains(name));
    }

    [Theory]
    [InlineData("""{"cache":"relative"}""", "absolute path")]
    [InlineData("""{"cache":"/x","cache_size":"many"}""", "200GiB")]
    [InlineData("""{"cache":"/x","cache_size":-1}""", "200GiB")]
    [InlineData("""{"cache":"/x","cache_mode":"writeback"}""", "read, through")]
    [InlineData("""{"cache":"/x","cache_validate":"sometimes"}""", "always, ttl, never")]
    [InlineData("""{"cache":"/x","cache_block_size":100000}""", "power of two")]
    [InlineData("""{"cache":"/x","cache_eviction":"lru"}""", "s3-fifo, none")]
    [InlineData("""{"cache_size":1000}""", "'cache' is missing")]
    [InlineData("""{"cache":"/x","cash_size":1000}""", "did you mean 'cache_size'")]
    public void Options_Wrong_AreRefusedByName(string json, string said)
    {
        var error = Assert.Throws<StoreException>(() => CacheOptions.Read(StoreOptions.Parse(json, "memory://x")));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"200GiB\"", 200L << 30)]
    [InlineData("\"1.5 kB\"", 1500)]
    [InlineData("12345", 12345)]
    [InlineData("\"12345\"", 12345)]
    public void Options_Size_IsReadInItsUnit(string size, long expected) =>
        Assert.Equal(expected, CacheOptions.Read(StoreOptions.Parse($$"""{"cache":"/x","cache_size":{{size}}}""", "memory://x"))!.Size);

    [Fact]
    public void Wrap_CacheOfTheProcess_IsForStoresFarAway()
    {
        var options = StoreOptions.Parse("""{"defaults":{"cache":"/nowhere/at/all"}}""", "memory://x");
        var store = StoreFactory.Open(StoreUri.Parse("memory://x"), options);
        Assert.Same(store, HybridStore.Wrap(store, options));
    }

    sealed class MovedClock : TimeProvider
    {
        public TimeSpan Shift { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Shift;
    }

    sealed class Elsewhere(ObjectStore inner) : DelegatingStore
    {
        public override string Origin => "elsewhere";

        protected override ObjectStore Inner => inner;
    }
}
