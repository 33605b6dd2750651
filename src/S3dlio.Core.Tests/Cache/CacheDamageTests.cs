using System.Diagnostics;
using System.Runtime.InteropServices;
using S3dlio.Cache;
using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Tests.Storage;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>Whatever lies in a cache's directory, what is read is what was written.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class CacheDamageTests
{
    const int Block = 1 << 16;

    static readonly byte[] Hello = "some bytes that are to come back"u8.ToArray();

    [Fact]
    public async Task Entry_FlippedAtEveryByte_IsNeverWrongData()
    {
        using var scene = new CacheScene();
        await scene.Put("a", Hello);
        await scene.Get("a");
        Assert.Equal(2, scene.Entries.Count);
        var whole = scene.Entries.ToDictionary(path => path, File.ReadAllBytes);
        foreach (var (path, bytes) in whole)
        {
            for (int at = 0; at < bytes.Length; at++)
            {
                Restore(whole);
                var damaged = bytes.ToArray();
                damaged[at] ^= (byte)(1 << (at % 8));
                File.WriteAllBytes(path, damaged);
                scene.Backing.Reset();
                Assert.Equal(Hello, await scene.Get("a"));
                Assert.True(scene.Backing.Calls > 0, $"byte {at} of {Path.GetFileName(path)} is not covered by a checksum");
            }
        }
    }

    [Fact]
    public async Task Block_FlippedAnywhereInALargeOne_IsNeverWrongData()
    {
        using var scene = new CacheScene(CacheScene.Never with { BlockSize = 1 << 18 });
        var data = CacheScene.Random((1 << 18) + 1000, 1);
        await scene.Put("a", data);
        await scene.Get("a");
        string path = scene.Entries.MaxBy(path => new FileInfo(path).Length)!;
        var random = new Random(2);
        for (int i = 0; i < 300; i++)
        {
            using (var file = File.Open(path, FileMode.Open))
            {
                file.Position = random.NextInt64(file.Length);
                int old = file.ReadByte();
                file.Position--;
                file.WriteByte((byte)(old ^ (1 << random.Next(8))));
            }
            int offset = random.Next(data.Length), length = random.Next(data.Length - offset + 1);
            Assert.Equal(data.AsSpan(offset, length).ToArray(), await scene.Get("a", offset, length));
            Assert.Equal(data, await scene.Get("a"));
        }
    }

    [Fact]
    public async Task Entry_CutAtEveryLength_IsNeverWrongData()
    {
        using var scene = new CacheScene();
        await scene.Put("a", Hello);
        await scene.Get("a");
        var whole = scene.Entries.ToDictionary(path => path, File.ReadAllBytes);
        foreach (var (path, bytes) in whole)
        {
            foreach (int length in Enumerable.Range(0, 200).Concat(Enumerable.Range(bytes.Length - 50, 50)).Where(length =>
                length >= 0 && length < bytes.Length).Append(bytes.Length + 1))
            {
                Restore(whole);
                File.WriteAllBytes(path, length > bytes.Length ? [.. bytes, 0] : bytes[..length]);
                Assert.Equal(Hello, await scene.Get("a"));
            }
        }
    }

    [Fact]
    public async Task Entries_SwappedAmongEachOther_AreNeverWrongData()
    {
        using var scene = new CacheScene();
        var objects = Enumerable.Range(0, 6).ToDictionary(i => $"o{i}", i => CacheScene.Random(Block + 100, i));
        foreach (var (key, data) in objects)
            await scene.Put(key, data);
        foreach (string key in objects.Keys)
            await scene.Get(key);
        var random = new Random(3);
        for (int i = 0; i < 100; i++)
        {
            var files = scene.Entries.ToArray();
            var contents = files.Select(File.ReadAllBytes).ToArray();
            random.Shuffle(contents);
            for (int at = 0; at < files.Length; at++)
                File.WriteAllBytes(files[at], contents[at]);
            foreach (var (key, data) in objects)
                Assert.Equal(data, await scene.Get(key));
        }
    }

    [Fact]
    public async Task Names_ThatCollide_AreNeverWrongData()
    {
        try
        {
            EntryId.Hook = id => new EntryId(1, id.Low % 3);
            using var scene = new CacheScene();
            var objects = Enumerable.Range(0, 8).ToDictionary(i => $"o{i}", i => CacheScene.Random((2 * Block) + i, i));
            foreach (var (key, data) in objects)
                await scene.Put(key, data);
            for (int i = 0; i < 3; i++)
            {
                foreach (var (key, data) in objects)
                    Assert.Equal(data, await scene.Get(key));
            }
        }
        finally
        {
            EntryId.Hook = null;
        }
    }

    [Fact]
    public async Task EveryFile_OfAnyBytes_IsNeverWrongData()
    {
        var random = new Random(4);
        for (int round = 0; round < 30; round++)
        {
            using var scene = new CacheScene(CacheScene.Never with { Size = 4 * Block });
            var data = CacheScene.Random((3 * Block) + 5, round);
            await scene.Put("a", data);
            await scene.Get("a");
            foreach (string path in Directory.EnumerateFiles(scene.Path, "*", SearchOption.AllDirectories).Where(path =>
                !path.EndsWith("VERSION", StringComparison.Ordinal)))
            {
                var bytes = new byte[random.Next(10_000)];
                random.NextBytes(bytes);
                using var file = File.Open(path, FileMode.Open, FileAccess.Write);
                file.Write(bytes);
                if (round % 2 == 0)
                    file.SetLength(bytes.Length);
            }
            for (int i = 0; i < 3; i++)
            {
                Assert.Equal(data, await scene.Get("a"));
                Assert.Equal(data, await scene.Get("a", scene.Another()));
            }
        }
    }

    [Fact]
    public async Task Entry_ASymbolicLinkOrADirectory_IsPassedOver()
    {
        using var scene = new CacheScene();
        await scene.Put("a", Hello);
        await scene.Get("a");
        string elsewhere = scene.Path + "-elsewhere";
        foreach (string path in scene.Entries)
        {
            File.Move(path, elsewhere, overwrite: true);
            File.CreateSymbolicLink(path, elsewhere);
            scene.Backing.Reset();
            Assert.Equal(Hello, await scene.Get("a"));
            Assert.True(scene.Backing.Calls > 0);
            // what the link leads to is nobody's business here
            Assert.True(File.Exists(elsewhere));
            File.Delete(path);
            Directory.CreateDirectory(path);
            Assert.Equal(Hello, await scene.Get("a"));
            Directory.Delete(path);
        }
        File.Delete(elsewhere);
    }

    [Fact]
    public async Task Entry_AFifo_HoldsNobodyUp()
    {
        using var scene = new CacheScene();
        await scene.Put("a", Hello);
        await scene.Get("a");
        foreach (string path in scene.Entries)
        {
            File.Delete(path);
            await Run("mkfifo", path);
            Assert.Equal(Hello, await scene.Get("a").WaitAsync(TimeSpan.FromSeconds(20)));
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("entries")]
    [InlineData("tmp")]
    public void Open_FolderIsALink_Refused(string name)
    {
        using var scene = new CacheScene();
        string path = $"{scene.Path}-other";
        Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.CreateSymbolicLink($"{path}/{name}", scene.Path);
        var error = Assert.Throws<StoreException>(() => new HybridStore(scene.Backing, scene.Options with { Directory = path }));
        Assert.Contains("symbolic link", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_OpenToOthers_Refused()
    {
        using var scene = new CacheScene();
        string path = $"{scene.Path}-open";
        Directory.CreateDirectory(path);
        File.SetUnixFileMode(path, (UnixFileMode)0b111_111_111);
        var error = Assert.Throws<StoreException>(() => new HybridStore(scene.Backing, scene.Options with { Directory = path }));
        Assert.Equal(ErrorKind.PermissionDenied, error.Kind);
        Assert.Contains("chmod 700", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Open_OfAnotherUser_Refused()
    {
        if (Interop.geteuid() != 0)
            return;
        using var scene = new CacheScene();
        await scene.Put("a", Hello);
        await scene.Get("a");
        // one file of another user's
        foreach (string file in scene.Entries)
        {
            await Run("chown", "nobody", file);
            scene.Backing.Reset();
            Assert.Equal(Hello, await scene.Get("a"));
            Assert.True(scene.Backing.Calls > 0);
        }
        // a directory of another user's
        string path = $"{scene.Path}-foreign";
        Directory.CreateDirectory(path);
        await Run("chown", "nobody", path);
        var error = Assert.Throws<StoreException>(() => new HybridStore(scene.Backing, scene.Options with { Directory = path }));
        Assert.Equal(ErrorKind.PermissionDenied, error.Kind);
        Assert.Contains("belongs to user", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_OfANewerVersion_Refused()
    {
        using var scene = new CacheScene();
        string path = $"{scene.Path}-newer";
        Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.WriteAllText($"{path}/VERSION", "s3dlio cache 2\n");
        var error = Assert.Throws<StoreException>(() => new HybridStore(scene.Backing, scene.Options with { Directory = path }));
        Assert.Contains("s3dlio cache 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Directory_TakenAway_IsMadeAnew()
    {
        using var scene = new CacheScene();
        await scene.Put("a", Hello);
        await scene.Get("a");
        Directory.Delete(scene.Path, recursive: true);
        Assert.Equal(Hello, await scene.Get("a"));
        scene.Backing.Reset();
        Assert.Equal(Hello, await scene.Get("a"));
        Assert.Equal(0, scene.Backing.Calls);
    }

    [Fact]
    public void Directory_ManyThatWereDeleted_KeepNoFilesOpen()
    {
        var places = new TemporaryDirectory();
        for (int i = 0; i < 100; i++)
            OpenAndDelete(places[$"{i}"]);
        _ = CacheDirectory.Open(places["last"]);
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        string[] open = [.. Directory.EnumerateFiles("/proc/self/fd").Select(static name => new FileInfo(name).LinkTarget ?? "")];
        // some five of each
        Assert.InRange(open.Count(target => target.StartsWith(places["x"][..^1], StringComparison.Ordinal)), 1, 50);
        places.Delete();

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static void OpenAndDelete(string path)
        {
            _ = CacheDirectory.Open(path);
            Directory.Delete(path, recursive: true);
        }
    }

    /// <summary>A second object of it would close its lock files, and with them give up the first one's locks.</summary>
    [Fact]
    public void Directory_Renamed_IsTheSame()
    {
        var places = new TemporaryDirectory();
        var first = CacheDirectory.Open(places["one"]);
        Directory.Move(places["one"], places["two"]);
        _ = CacheDirectory.Open(places["other"]);
        Assert.False(first.IsCurrent);
        Assert.Same(first, CacheDirectory.Open(places["two"]));
        places.Delete();
    }

    [Fact]
    public async Task Directory_AFileInItsPlace_ReadsGoOn()
    {
        using var scene = new CacheScene();
        await scene.Put("a", Hello);
        await scene.Get("a");
        Directory.Delete(scene.Path, recursive: true);
        await File.WriteAllTextAsync(scene.Path, "no directory");
        Assert.Equal(Hello, await scene.Get("a"));
        await scene.Put("a", [1]);
        Assert.Equal([1], await scene.Get("a"));
    }

    [Fact]
    public async Task Disk_Full_ReadsGoOn()
    {
        if (Interop.geteuid() != 0)
            return;
        using var scene = new CacheScene();
        string disk = scene.Path + "-disk";
        Directory.CreateDirectory(disk);
        await Run("mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", disk);
        try
        {
            var store = new HybridStore(scene.Backing, scene.Options with { Directory = disk + "/cache" });
            for (int i = 0; i < 20; i++)
                await scene.Put($"o{i}", CacheScene.Random(12 * Block, i));
            for (int round = 0; round < 3; round++)
            {
                for (int i = 0; i < 20; i++)
                    Assert.Equal(CacheScene.Random(12 * Block, i), await scene.Get($"o{i}", store));
                // another program takes what is left
                await FillAsync(disk + "/other", (round + 1) * 1_000_000);
            }
            await FillAsync(disk + "/rest");
            for (int i = 0; i < 20; i++)
            {
                Assert.Equal(CacheScene.Random(12 * Block, i), await scene.Get($"o{i}", store));
                await scene.Put($"o{i}", Hello, store);
                Assert.Equal(Hello, await scene.Get($"o{i}", store));
            }
        }
        finally
        {
            await Run("umount", "-l", disk);
        }
    }

    [Fact]
    public async Task Disk_FullFromTheStart_IsSaidOrServes()
    {
        if (Interop.geteuid() != 0)
            return;
        using var scene = new CacheScene();
        string disk = scene.Path + "-disk";
        Directory.CreateDirectory(disk);
        await Run("mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", disk);
        try
        {
            await FillAsync(disk + "/rest");
            await scene.Put("a", Hello);
            try
            {
                Assert.Equal(Hello, await scene.Get("a",
                    new HybridStore(scene.Backing, scene.Options with { Directory = disk + "/cache" })));
            }
            catch (StoreException error)
            {
                Assert.Equal(ErrorKind.OutOfSpace, error.Kind);
                Assert.Contains("option 'cache'", error.Message, StringComparison.Ordinal);
            }
        }
        finally
        {
            await Run("umount", "-l", disk);
        }
    }

    static async Task FillAsync(string path, int length = 100_000_000)
    {
        try
        {
            using var file = File.Create(path);
            for (int i = 0; i < length / 1000; i++)
                await file.WriteAsync(new byte[1000]);
        }
        catch (IOException)
        {
            // full
        }
    }

    static void Restore(Dictionary<string, byte[]> files)
    {
        foreach (var (path, bytes) in files)
            File.WriteAllBytes(path, bytes);
    }

    static async Task Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }
}
