using S3dlio.Cache;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>What is told of a cache's directory without the stores behind it.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class CacheSurveyTests
{
    static readonly byte[] Hello = "some bytes that are to come back"u8.ToArray();

    [Fact]
    public async Task Check_EntryFlippedAtEveryByte_FindsIt()
    {
        using var scene = new CacheScene();
        await scene.Put("a", Hello);
        await scene.Get("a");
        Assert.Empty(Check(scene).Damage);
        foreach (string path in scene.Entries.ToArray())
        {
            var whole = File.ReadAllBytes(path);
            for (int at = 0; at < whole.Length; at++)
            {
                var damaged = whole.ToArray();
                damaged[at] ^= (byte)(1 << (at % 8));
                File.WriteAllBytes(path, damaged);
                var damage = Assert.Single(Check(scene).Damage);
                Assert.Equal(path, damage.Path);
            }
            File.WriteAllBytes(path, whole);
        }
    }

    [Fact]
    public async Task Check_EntriesSwappedOrCut_AreFoundAndRemovedWhenAsked()
    {
        using var scene = new CacheScene();
        foreach (string key in new[] { "a", "b", "c" })
        {
            await scene.Put(key, [.. Hello, .. System.Text.Encoding.UTF8.GetBytes(key)]);
            await scene.Get(key);
        }
        var whole = scene.Entries.ToDictionary(path => path, File.ReadAllBytes);
        string[] paths = [.. whole.Keys];
        File.WriteAllBytes(paths[0], whole[paths[1]]);
        File.WriteAllBytes(paths[1], whole[paths[0]]);
        File.WriteAllBytes(paths[2], whole[paths[2]][..^1]);
        Assert.Equal(paths[..3].Order(), Check(scene).Damage.Select(one => one.Path).Order());
        Assert.Equal(6, scene.Entries.Count);
        Assert.Equal(3, CacheSurvey.Check(scene.Path, removes: true, null, CancellationToken.None).Damage.Count);
        Assert.Equal(3, scene.Entries.Count);
        Assert.Empty(Check(scene).Damage);
    }

    [Fact]
    public async Task Count_SeveralObjects_AreCountedOnceEach()
    {
        using var scene = new CacheScene(CacheScene.Never with { BlockSize = 1 << 16 });
        await scene.Put("a", new byte[200_000]);
        await scene.Put("b", Hello);
        await scene.Get("a");
        await scene.Get("b");
        var share = Assert.Single(CacheSurvey.Count(scene.Path, CancellationToken.None));
        Assert.Equal((2, 5), (share.Objects, share.Blocks));
        Assert.Equal(scene.Entries.Sum(path => new FileInfo(path).Length), share.Bytes);
    }

    [Fact]
    public void Count_NoCacheThere_MakesNone()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        try
        {
            var error = Assert.Throws<StoreException>(() => CacheSurvey.Count(folder, CancellationToken.None));
            Assert.Equal(ErrorKind.NotFound, error.Kind);
            Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    static CacheCheck Check(CacheScene scene) => CacheSurvey.Check(scene.Path, removes: false, null, CancellationToken.None);
}
