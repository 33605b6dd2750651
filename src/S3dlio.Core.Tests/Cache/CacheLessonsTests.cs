using System.Text;
using S3dlio.Cache;
using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Tests.Storage;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>
/// What other caches lost or mixed, one test for each that no other class here has. Those are: staged bytes without a limit (JuiceFS 7143:
/// <see cref="WriteBackTests.Journal_FullOfWhatWaits_FurtherPutsGoToTheStore"/>), writes dropped after failed attempts (rclone 2382, 4293:
/// <see cref="WriteBackTests.Send_StoreAwayForLong_ArrivesInTheEnd"/>,
/// <see cref="WriteBackTests.Send_RefusedForGood_IsParkedReportedReadableAndTriedAgainWhenAsked"/>), a file rewritten all the time
/// (rclone: <see cref="WriteBackTests.Put_RewrittenAllTheTime_ArrivesAllTheSame"/>), a directory that two processes share
/// (rclone: <see cref="WriteBackTests.Put_NotSentYet_IsReadListedAndDeletedByEveryProcess"/>), old bytes after an update (s3fs 1047, 1175:
/// <see cref="HybridStoreTests.Get_WrittenBehindTheCache_AsTheValidationSays"/>), a disk that is filled (s3fs 873:
/// <see cref="CacheDamageTests.Disk_Full_ReadsGoOn"/>).
/// </summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class CacheLessonsTests : IDisposable
{
    const int Block = 1 << 16;
    static readonly CancellationToken None = CancellationToken.None;

    readonly TemporaryDirectory _directory = new();
    readonly RemoteStore _remote = new();
    readonly List<WriteBack> _processes = [];

    public void Dispose()
    {
        foreach (var process in _processes)
            process.Leave();
        _directory.Delete();
    }

    (HybridStore Store, WriteBack Back) Held(long size)
    {
        Directory.CreateDirectory(_directory["cache"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var back = new WriteBack(LocalDisk.Shared, _directory["cache/journal"], _remote) { FirstRetry = 1 };
        _processes.Add(back);
        back.Hold(true);
        var store = new HybridStore(_remote, CacheScene.Never with { Directory = _directory["cache"], Mode = CacheMode.Back, Size = size });
        store.Begin(back);
        return (store, back);
    }

    static async Task<byte[]> Get(ObjectStore store, string key)
    {
        await using var reader = await store.OpenReadAsync(key, ReadOptions.Default, None);
        var data = new byte[reader.Meta.Size];
        await reader.ReadAsync(0, data, None);
        return data;
    }

    /// <summary>JuiceFS 6161 stranded staged blocks, MosaicML 988 deleted the only copy: what waits is no part of the cache.</summary>
    [Fact]
    public async Task Eviction_OfEverything_LeavesWhatWaits()
    {
        var (store, back) = Held(size: 4 * Block);
        for (int i = 0; i < 20; i++)
            await store.PutAsync($"only/{i}", new Payload(CacheScene.Random(3 * Block, i)), PutOptions.Default, null, None);
        for (int i = 0; i < 20; i++)
        {
            await _remote.PutAsync($"far/{i}", new Payload(CacheScene.Random(3 * Block, i)), PutOptions.Default, null, None);
            await Get(store, $"far/{i}");
        }
        await store.EvictAsync("", None);
        for (int i = 0; i < 20; i++)
            Assert.Equal(CacheScene.Random(3 * Block, i), await Get(store, $"only/{i}"));
        back.Hold(false);
        Assert.Equal(0, (await store.FlushAsync("", TimeSpan.FromSeconds(60), null, None)).Count);
        for (int i = 0; i < 20; i++)
            Assert.Equal(CacheScene.Random(3 * Block, i), await _remote.Get($"only/{i}"));
    }

    /// <summary>JuiceFS 7558 let a staged block wait for 131 minutes while later ones went.</summary>
    [Fact]
    public async Task Send_ManyThatWait_GoOldestFirst()
    {
        var (store, back) = Held(size: 1 << 30);
        for (int i = 0; i < 300; i++)
            await store.PutAsync($"{i:d3}", new Payload(Encoding.UTF8.GetBytes($"{i}")), PutOptions.Default, null, None);
        back.Hold(false);
        Assert.Equal(0, (await store.FlushAsync("", TimeSpan.FromSeconds(60), null, None)).Count);
        int[] order = [.. _remote.History.Select(static one => int.Parse(one.Key, System.Globalization.CultureInfo.InvariantCulture))];
        Assert.Equal(300, order.Length);
        // eight are on their way at once, so none is more than seven ahead; one whose thread has to wait may be behind by any number
        Assert.All(order.Select(static (number, at) => number - at), static ahead => Assert.InRange(ahead, int.MinValue, 7));
    }

    /// <summary>s3fs 715 and 15 served zeros where its two files did not agree on what had been fetched.</summary>
    [Fact]
    public async Task Entry_FullOfZeros_IsAMiss()
    {
        using var scene = new CacheScene();
        byte[] data = CacheScene.Random(3 * Block, 1);
        await scene.Put("a", data);
        await scene.Get("a");
        foreach (string path in scene.Entries)
        {
            long length = new FileInfo(path).Length;
            foreach (int keep in (int[])[0, 4096, Block])
            {
                byte[] whole = await File.ReadAllBytesAsync(path);
                using (var file = File.OpenWrite(path))
                {
                    // as a file has it whose length was set and whose bytes were not written
                    file.SetLength(Math.Min(keep, length));
                    file.SetLength(length);
                }
                Assert.Equal(data, await scene.Get("a"));
                await File.WriteAllBytesAsync(path, whole);
            }
        }
    }

    /// <summary>s3fs 281 kept a part of an answer, and the text of an error within it.</summary>
    [Fact]
    public async Task Fill_ThatFailsHalfway_LeavesNothing()
    {
        using var scene = new CacheScene();
        byte[] data = CacheScene.Random(5 * Block, 2);
        await scene.Put("a", data);
        bool fails = true;
        scene.Backing.Damage = memory =>
        {
            if (!fails)
                return;
            "<Error><Code>InternalError</Code></Error>"u8.CopyTo(memory.Span);
            throw new StoreException(ErrorKind.Unavailable, "a", "the connection was lost");
        };
        await Assert.ThrowsAsync<StoreException>(() => scene.Get("a"));
        Assert.DoesNotContain(scene.Entries, static path => new FileInfo(path).Length >= Block);
        Assert.Empty(Directory.EnumerateFiles(scene.Path + "/tmp"));
        fails = false;
        Assert.Equal(data, await scene.Get("a"));
        Assert.Equal(data, await scene.Get("a"));
    }

    /// <summary>fsspec 639 gave 69 of 80 readers that came in turns a file that was not complete.</summary>
    [Fact]
    public async Task Fill_UnderWay_OthersSeeAllOrNothing()
    {
        using var scene = new CacheScene(CacheScene.Never with { BlockSize = 1 << 20 });
        byte[] data = CacheScene.Random((12 << 20) + 5, 3);
        await scene.Put("a", data);
        scene.Backing.Before = call => call == "read" ? Task.Delay(2) : Task.CompletedTask;
        var readers = Enumerable.Range(0, 80).Select(async i =>
        {
            await Task.Delay(i);
            // each as a process of its own would open it
            return await scene.Get("a", scene.Another());
        });
        foreach (byte[] found in await Task.WhenAll(readers))
            Assert.True(found.AsSpan().SequenceEqual(data), "bytes that nobody wrote");
    }
}
