using S3dlio.Cache;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>What was read is kept behind the reads.</summary>
public class FillQueueTests
{
    const int Block = 1 << 16;

    [Fact]
    public async Task Get_OfWhatIsNotKeptYet_WaitsForItAndFetchesNothing()
    {
        using var scene = new CacheScene();
        byte[] data = CacheScene.Random((3 * Block) + 5, 1);
        await scene.Put("a", data);
        Task<byte[]> second;
        using (Hold())
        {
            Assert.Equal(data, await Read(scene, "a"));
            Assert.Single(scene.Entries);
            second = Task.Run(() => Read(scene, "a"));
            Assert.NotSame(second, await Task.WhenAny(second, Task.Delay(100)));
        }
        long reads = scene.Backing.Bytes;
        Assert.Equal(data, await second);
        Assert.Equal(reads, scene.Backing.Bytes);
    }

    [Fact]
    public async Task Distrust_BeforeItIsKept_IsNotKept()
    {
        using var scene = new CacheScene();
        byte[] data = CacheScene.Random(3 * Block, 2);
        await scene.Put("a", data);
        using (Hold())
        {
            await using var reader = await scene.Store.OpenReadAsync("a", ReadOptions.Default, CacheScene.None);
            await reader.ReadAsync(0, new byte[data.Length], CacheScene.None);
            reader.Distrust();
        }
        CacheScene.Settle();
        Assert.Empty(scene.Entries);
        Assert.Equal(data, await scene.Get("a"));
    }

    [Fact]
    public async Task Get_CallersMemoryIsWrittenMeanwhile_TheBytesOfTheStoreAreKept()
    {
        using var scene = new CacheScene();
        byte[] data = CacheScene.Random(2 << 20, 3), target = new byte[data.Length];
        await scene.Put("a", data);
        using (Hold())
        {
            await using var reader = await scene.Store.OpenReadAsync("a", ReadOptions.Default, CacheScene.None);
            await reader.ReadAsync(0, target, CacheScene.None);
            Array.Clear(target);
        }
        long reads = scene.Backing.Bytes;
        Assert.Equal(data, await scene.Get("a"));
        Assert.Equal(reads, scene.Backing.Bytes);
    }

    [Fact]
    public void Copy_BeyondTheRoom_IsRefusedUntilItIsWritten()
    {
        var queue = new FillQueue();
        ReadRange[] parts = [new(7, new byte[(5 << 20) + 3]), new((5 << 20) + 10, new byte[40 << 20])];
        Random.Shared.NextBytes(parts[0].Target.Span);
        var copy = queue.TryCopy(parts)!;
        Assert.Equal(parts.SelectMany(static part => part.Target.ToArray()), copy.Parts.SelectMany(static part => part.Target.ToArray()));
        Assert.Equal(7, copy.Parts[0].Offset);
        Assert.Null(queue.TryCopy(parts));
        bool isDone = false, hasEnded = false;
        queue.Add(copy, () => isDone = true, () => hasEnded = true);
        Assert.True(queue.Drain(TimeSpan.FromSeconds(30)));
        Assert.True(isDone && hasEnded);
        copy = queue.TryCopy(parts)!;
        queue.Add(copy, static () => throw new InvalidOperationException("a fault"), () => hasEnded = false);
        Assert.True(queue.Drain());
        Assert.False(hasEnded);
    }

    /// <summary>Nothing is kept until this is disposed.</summary>
    static Held Hold() => new();

    sealed class Held : IDisposable
    {
        readonly ManualResetEventSlim _free = new();

        public Held()
        {
            var copy = FillQueue.Shared.TryCopy([new ReadRange(0, new byte[1])]);
            FillQueue.Shared.Add(copy!, _free.Wait, _free.Dispose);
        }

        public void Dispose() => _free.Set();
    }

    static async Task<byte[]> Read(CacheScene scene, string key)
    {
        await using var reader = await scene.Store.OpenReadAsync(key, ReadOptions.Default, CacheScene.None);
        var data = new byte[reader.Meta.Size];
        await reader.ReadAsync(0, data, CacheScene.None);
        return data;
    }
}
