using S3dlio.Cache;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>How much a cache takes, and what it keeps.</summary>
public sealed class EvictionTests
{
    const int Block = 1 << 16;

    [Fact]
    public async Task Size_Given_IsHeld()
    {
        const long size = 20 * Block;
        using var scene = new CacheScene(CacheScene.Never with { Size = size });
        for (int i = 0; i < 60; i++)
        {
            await scene.Put($"o{i}", CacheScene.Random(3 * Block, i));
            Assert.Equal(CacheScene.Random(3 * Block, i), await scene.Get($"o{i}"));
            Assert.InRange(scene.Bytes, 0, size + Block + 8192);
        }
        Assert.InRange(scene.Bytes, size / 2, size);
        Assert.Equal(scene.Store.Statistics().Bytes, scene.Bytes);
        Assert.True(scene.Store.Statistics().Counts.Single(count => count.Name == "evicted").Value > 0);
    }

    [Fact]
    public async Task Entries_ReadAgain_OutliveAScan()
    {
        using var scene = new CacheScene(CacheScene.Never with { Size = 50 * Block });
        for (int i = 0; i < 20; i++)
            await scene.Put($"hot{i}", CacheScene.Random(Block - 5000, i));
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < 20; i++)
                await scene.Get($"hot{i}");
        }
        for (int i = 0; i < 200; i++)
        {
            await scene.Put("scan", CacheScene.Random(Block - 5000, i));
            await scene.Get("scan");
        }
        scene.Backing.Reset();
        for (int i = 0; i < 20; i++)
            await scene.Get($"hot{i}");
        Assert.InRange(scene.Backing.Opens, 0, 2);
    }

    [Fact]
    public async Task None_WhenFull_KeepsWhatIsIn()
    {
        using var scene = new CacheScene(CacheScene.Never with { Size = 20 * Block, Eviction = CacheEviction.None });
        for (int i = 0; i < 40; i++)
            await scene.Put($"o{i}", CacheScene.Random(Block - 5000, i));
        for (int epoch = 0; epoch < 3; epoch++)
        {
            scene.Backing.Reset();
            for (int i = 0; i < 40; i++)
                Assert.Equal(CacheScene.Random(Block - 5000, i), await scene.Get($"o{i}"));
            if (epoch > 0)
                Assert.InRange(scene.Backing.Opens, 15, 25);
        }
    }

    [Theory]
    [InlineData(false, 1.0)]
    [InlineData(true, 0.7)]
    public async Task S3Fifo_AgainstLru_MissesNoMore(bool scans, double most)
    {
        // one block and one description each: 4 KiB and a little
        const int objects = 400, room = 60;
        using var scene = new CacheScene(CacheScene.Never with { Size = room * 4900L });
        for (int i = 0; i < objects; i++)
            await scene.Put($"o{i}", [(byte)i]);
        for (int i = 0; i < 2400; i++)
            await scene.Put($"scan{i}", [1]);
        // a list in the order of use, with as much room: what an LRU cache of whole objects would have
        var (lru, random) = (new LinkedList<string>(), new Random(5));
        int lruMisses = 0, requests = 0, scanned = 0;
        scene.Backing.Reset();
        for (int i = 0; i < 6000; i++)
        {
            await Request($"o{Zipf(random, objects)}");
            if (scans && i % 250 == 249)
            {
                for (int j = 0; j < 100; j++)
                    await Request($"scan{scanned++}");
            }
        }
        int misses = scene.Backing.Opens;
        // what is scanned once nobody can have
        Assert.True(misses - scanned <= most * (lruMisses - scanned),
            $"{misses - scanned} misses of {requests}, LRU has {lruMisses - scanned}");

        async Task Request(string key)
        {
            requests++;
            await scene.Get(key);
            if (!lru.Remove(key))
            {
                lruMisses++;
                if (lru.Count == room)
                    lru.RemoveLast();
            }
            lru.AddFirst(key);
        }
    }

    [Fact]
    public async Task Evict_APrefix_RemovesThatAlone()
    {
        using var scene = new CacheScene();
        foreach (string key in (string[])["x/a", "x/b", "xy", "z"])
            await scene.Put(key, CacheScene.Random(2 * Block, key.Length));
        foreach (string key in (string[])["x/a", "x/b", "xy", "z"])
            await scene.Get(key);
        var removed = await scene.Store.EvictAsync("x/", CacheScene.None);
        Assert.Equal(6, removed.Entries);
        Assert.Equal(scene.Bytes, scene.Store.Statistics().Bytes);
        scene.Backing.Reset();
        await scene.Get("xy");
        await scene.Get("z");
        Assert.Equal(0, scene.Backing.Calls);
        await scene.Get("x/a");
        Assert.Equal(1, scene.Backing.Opens);
        await scene.Store.EvictAsync("", CacheScene.None);
        Assert.Empty(scene.Entries);
    }

    [Fact]
    public async Task Queues_Lost_AreBuiltAnew()
    {
        using var scene = new CacheScene(CacheScene.Never with { Size = 20 * Block });
        await scene.Put("o", CacheScene.Random(15 * Block, 1));
        await scene.Get("o");
        foreach (string name in (string[])["queue", "small", "main", "heat", "ghosts"])
            await File.WriteAllBytesAsync($"{scene.Path}/{name}", CacheScene.Random(777, 2));
        for (int i = 0; i < 30; i++)
        {
            await scene.Put("p", CacheScene.Random(3 * Block, i));
            Assert.Equal(CacheScene.Random(3 * Block, i), await scene.Get("p"));
        }
        Assert.InRange(scene.Bytes, 1, (20 * Block) + Block + 8192);
    }

    [Fact]
    public async Task Through_WhatWasWritten_IsReadFromTheCache()
    {
        using var scene = new CacheScene(CacheScene.Never with { Mode = CacheMode.Through });
        var data = CacheScene.Random((3 * Block) + 7, 3);
        await scene.Put("a", data);
        await using (var writer = await scene.Store.OpenWriteAsync("b", S3dlio.Storage.PutOptions.Default, CacheScene.None))
        {
            await writer.WriteAsync(data.AsMemory(0, 1000), CacheScene.None);
            await writer.WriteAsync(data.AsMemory(1000), CacheScene.None);
            await writer.CompleteAsync(CacheScene.None);
        }
        scene.Backing.Reset();
        foreach (string key in (string[])["a", "b"])
            Assert.Equal(data, await scene.Get(key));
        // that it is still the same is asked once
        Assert.Equal((2, 0, 0L), (scene.Backing.Heads, scene.Backing.Opens, scene.Backing.Bytes));
        Assert.Equal(data, await scene.Get("a"));
        Assert.Equal(2, scene.Backing.Heads);
    }

    static int Zipf(Random random, int count)
    {
        // by rejection: weight 1/(k+1)
        while (true)
        {
            int k = (int)(Math.Exp(random.NextDouble() * Math.Log(count + 1)) - 1);
            if (k < count)
                return k;
        }
    }
}
