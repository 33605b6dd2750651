using System.Diagnostics;
using System.Text;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Storage.Local;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Directories, moves, leftovers of dead processes, and O_DIRECT where it is refused.</summary>
public sealed class LocalTreeTests : IDisposable
{
    static readonly CancellationToken None = CancellationToken.None;

    readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Delete();

    LocalStore Store => new(StoreUri.Parse($"file://{_directory.Path}"), StoreOptions.Default);

    void Write(params string[] names)
    {
        foreach (string name in names)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_directory[name])!);
            File.WriteAllText(_directory[name], name);
        }
    }

    async Task<List<string>> List(string prefix, bool recursive)
    {
        var keys = new List<string>();
        await foreach (var page in Store.ListAsync(prefix, ListOptions.Default with { Recursive = recursive }, None))
            keys.AddRange(page.Objects.Select(meta => meta.Key).Concat(page.Prefixes));
        keys.Sort(StringComparer.Ordinal);
        return keys;
    }

    static async Task Shell(string command)
    {
        using var process = Process.Start("/bin/sh", ["-c", command]);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    static async Task<StoreException> Fails(ErrorKind kind, Func<Task> call)
    {
        var error = await Assert.ThrowsAsync<StoreException>(call);
        Assert.True(kind == error.Kind, $"expected {kind}, found {error.Kind}: {error.Message}");
        return error;
    }

    [Fact]
    public async Task List_LinksAndEmptyDirectories_AsDocumented()
    {
        Write("dir/file", "plain");
        Directory.CreateDirectory(_directory["empty"]);
        File.CreateSymbolicLink(_directory["link to dir"], "dir");
        File.CreateSymbolicLink(_directory["dir/circle"], "..");
        File.CreateSymbolicLink(_directory["link to file"], "plain");
        File.CreateSymbolicLink(_directory["dangling"], "nowhere");

        Assert.Equal(["dir/file", "link to file", "plain"], await List("", recursive: true));
        Assert.Equal(["dir/", "empty/", "link to dir/", "link to file", "plain"], await List("", recursive: false));
        // a prefix may lead through a link
        Assert.Equal(["link to dir/file"], await List("link to dir/", recursive: true));
        Assert.Equal(["dir/circle/", "dir/file"], await List("dir/", recursive: false));
    }

    [Fact]
    public async Task List_NamesThatAreNotUtf8_AreGivenAndReachTheirFiles()
    {
        Write("tree/good", "tree/sub/good", "other");
        await Shell($"touch '{_directory.Path}/tree/'$(printf 'bad\\377') && mkdir '{_directory.Path}/tree/'$(printf 'dir\\377') && touch "
            + $"'{_directory.Path}/tree/'$(printf 'dir\\377')/in");
        Assert.Equal(["tree/bad\uDCFF", "tree/dir\uDCFF/", "tree/good", "tree/sub/"], await List("tree/", recursive: false));
        Assert.Equal(["tree/bad\uDCFF", "tree/dir\uDCFF/in", "tree/good", "tree/sub/good"], await List("tree/", recursive: true));
        Assert.Equal(["tree/good"], await List("tree/go", recursive: true));
        Assert.Equal(0, (await Store.HeadAsync("tree/dir\uDCFF/in", None)).Size);
        var error = await Fails(ErrorKind.NotFound, () => Store.HeadAsync("tree/other\uDCFF", None).AsTask());
        Assert.Equal($"file://{_directory.Path}/tree/other\uDCFF", error.Uri);
        Assert.StartsWith($"file://{_directory.Path}/tree/other\\xff: ", error.Message, StringComparison.Ordinal);
        Assert.Equal(4, (await Store.DeleteTreeAsync("tree", new SynchronousProgress(_ => { }), None))!.Deleted);
        Assert.Equal(["other"], Directory.EnumerateFileSystemEntries(_directory.Path).Select(Path.GetFileName));
    }

    [Fact]
    public async Task DeleteTree_DirectoryIsSwappedForALink_NothingOutsideIsTouched()
    {
        for (int number = 0; number < 5; number++)
        {
            for (int i = 0; i < 50; i++)
                Write($"victim/{i}", $"tree/sub/{i}", $"tree/zz/{i}");
            bool swapped = false;
            // at the first object that goes
            var looks = new SynchronousProgress(_ =>
            {
                if (swapped)
                    return;
                swapped = true;
                foreach (string name in (string[])["sub", "zz"])
                {
                    Directory.Move(_directory[$"tree/{name}"], _directory[$"moved-{number}-{name}"]);
                    File.CreateSymbolicLink(_directory[$"tree/{name}"], _directory["victim"]);
                }
            });
            await Store.DeleteTreeAsync("tree", looks, None);
            Assert.True(swapped);
            Assert.Equal(50, Directory.GetFiles(_directory["victim"]).Length);
            Directory.Delete(_directory["tree"], recursive: true);
        }
    }

    [Fact]
    public async Task DeleteTree_Links_AreRemovedAndNeverFollowed()
    {
        Write("real/kept", "tree/file");
        File.CreateSymbolicLink(_directory["tree/link"], _directory["real"]);
        File.CreateSymbolicLink(_directory["tree/circle"], "..");
        File.CreateSymbolicLink(_directory["tree/nowhere"], "none");
        File.CreateSymbolicLink(_directory["link"], "real");
        await Fails(ErrorKind.NotDirectory, async () => await Store.DeleteTreeAsync("link/", new SynchronousProgress(_ => { }), None));
        Assert.Equal(1, (await Store.DeleteTreeAsync("link", new SynchronousProgress(_ => { }), None))!.Deleted);
        Assert.Equal(4, (await Store.DeleteTreeAsync("tree/", new SynchronousProgress(_ => { }), None))!.Deleted);
        Assert.Equal(["real"], Directory.EnumerateFileSystemEntries(_directory.Path).Select(Path.GetFileName));
        Assert.True(File.Exists(_directory["real/kept"]));
        Assert.Equal(0, (await Store.DeleteTreeAsync("never/was", new SynchronousProgress(_ => { }), None))!.Deleted);
        Assert.Equal(0, (await Store.DeleteTreeAsync("real/kept/", new SynchronousProgress(_ => { }), None))!.Deleted);
    }

    [Fact]
    public async Task DeleteTree_DeeperThanDirectoriesAreKeptOpen_IsGone()
    {
        string deep = string.Join('/', Enumerable.Repeat("d", 300));
        Write($"tree/{deep}/file", "tree/d/d/beside");
        Assert.Equal(2, (await Store.DeleteTreeAsync("tree", new SynchronousProgress(_ => { }), None))!.Deleted);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory.Path));
    }

    [Fact]
    public async Task DeleteTree_StoresOwnDirectoryIsALink_ItsContentGoes()
    {
        Write("real/a/b");
        File.CreateSymbolicLink(_directory["root"], "real");
        var store = new LocalStore(StoreUri.Parse($"file://{_directory.Path}/root"), StoreOptions.Default);
        Assert.Equal(1, (await store.DeleteTreeAsync("", new SynchronousProgress(_ => { }), None))!.Deleted);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory["real"]));
        await Fails(ErrorKind.InvalidArgument, async () => await new LocalStore(
                StoreUri.Parse("file:///"), StoreOptions.Default).DeleteTreeAsync("", new SynchronousProgress(_ => { }), None));
    }

    [Fact]
    public async Task Writes_BesideDeletesOfTheirDirectory_Succeed()
    {
        using var stop = new CancellationTokenSource();
        var deleting = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
                await Store.DeleteTreeAsync("tree", new SynchronousProgress(_ => { }), None);
        });
        Write("source");
        await Task.WhenAll(Enumerable.Range(0, 2).Select(worker => Task.Run(async () =>
        {
            for (int i = 0; i < 1500; i++)
            {
                await Store.PutAsync(
                    $"tree/a/b{worker}/c", new Payload(new byte[10]), PutOptions.Default with { Durable = i % 100 == 0 }, null, None);
                await Store.CopyAsync("source", $"tree/a/d{worker}/e", PutOptions.Default, None);
                await Store.MakeDirectoryAsync($"tree/a/b{worker}/f/g", None);
            }
        })));
        await stop.CancelAsync();
        await deleting;
    }

    [Fact]
    public async Task List_OfAFileAsDirectory_IsEmpty()
    {
        Write("file");
        Assert.Empty(await List("file/", recursive: true));
        Assert.Empty(await List("file/below/", recursive: false));
    }

    [Fact]
    public async Task List_EntriesVanishingMeanwhile_AreSkipped()
    {
        Write("a", "b/c", "b/d", "e");
        var seen = new List<string>();
        await foreach (var page in Store.ListAsync("", ListOptions.Default with { PageSize = 1 }, None))
        {
            seen.AddRange(page.Objects.Select(meta => meta.Key));
            if (seen.Count == 1)
            {
                Directory.Delete(_directory["b"], recursive: true);
                File.Delete(_directory["e"]);
                Write("f");
            }
        }
        Assert.Equal(["a"], seen);
    }

    [Fact]
    public async Task Directories_MakeLookRemove_GoTogether()
    {
        Assert.False(await Store.IsDirectoryAsync("a", None));
        await Store.MakeDirectoryAsync("a/b/c", None);
        await Store.MakeDirectoryAsync("a/b/", None);
        Assert.True(await Store.IsDirectoryAsync("a/b/c", None));
        Assert.True(await Store.IsDirectoryAsync("", None));
        Write("a/x/kept");
        Directory.CreateDirectory(_directory["beside"]);

        await Store.RemoveDirectoryAsync("a", None);
        await Store.RemoveDirectoryAsync("never/was", None);

        Assert.False(Directory.Exists(_directory["a/b"]));
        Assert.True(File.Exists(_directory["a/x/kept"]));
        Assert.True(Directory.Exists(_directory["beside"]));
    }

    [Fact]
    public async Task RemoveDirectory_ALink_IsNotFollowed()
    {
        Directory.CreateDirectory(_directory["real/empty"]);
        Directory.CreateDirectory(_directory["tree"]);
        File.CreateSymbolicLink(_directory["tree/link"], _directory["real"]);
        File.CreateSymbolicLink(_directory["link"], "real");
        await Store.RemoveDirectoryAsync("tree", None);
        await Store.RemoveDirectoryAsync("link", None);
        Assert.True(Directory.Exists(_directory["real/empty"]));
        Assert.True(Directory.Exists(_directory["tree/link"]));
    }

    [Fact]
    public async Task Sweep_RemovesOrphansOnly()
    {
        string orphan = Orphan("", TimeSpan.FromHours(1)), young = Orphan("", TimeSpan.Zero);
        // of other hosts, whose locks may not be seen from here
        Write(".s3dlio-1-0123456789abcdef.tmp", ".s3dlio-2-0123456789abcdef.tmp");
        string foreign = _directory[".s3dlio-1-0123456789abcdef.tmp"], forgotten = _directory[".s3dlio-2-0123456789abcdef.tmp"];
        File.SetLastWriteTimeUtc(forgotten, DateTime.UtcNow.AddDays(-2));
        Write(".s3dlio-1-0123456789abcde.tmp", ".s3dlio-x-0123456789abcdef.tmp", ".s3dlio-1-0123456789abcdef.tmp2",
            "s3dlio-1-0123456789abcdef.tmp");
        foreach (string path in Directory.EnumerateFiles(_directory.Path))
        {
            if (path != young && path != forgotten)
                File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddHours(-1));
        }
        await using var writer = await Store.OpenWriteAsync("alive", PutOptions.Default, None);
        string living = Directory.EnumerateFiles(_directory.Path, ".s3dlio-*").Single(
            path => TemporaryFiles.IsName(Path.GetFileName(path)) && path != orphan && path != young && path != foreign
                && path != forgotten);
        File.SetLastWriteTimeUtc(living, DateTime.UtcNow.AddHours(-1));

        Assert.Equal(4, (await List("", recursive: true)).Count);
        Assert.Equal(2, TemporaryFiles.Sweep(_directory.Path, TemporaryFiles.Grace));

        Assert.False(File.Exists(orphan));
        Assert.False(File.Exists(forgotten));
        Assert.True(File.Exists(young));
        Assert.True(File.Exists(foreign));
        Assert.Equal(4, (await List("", recursive: true)).Count);
        await writer.WriteAsync("still works"u8.ToArray(), None);
        await writer.CompleteAsync(None);
        Assert.Equal("still works", File.ReadAllText(_directory["alive"]));
    }

    [Fact]
    public async Task RemoveDirectory_WithOrphans_TakesThemAlong()
    {
        Directory.CreateDirectory(_directory["tree/below"]);
        Orphan("tree/below", TimeSpan.FromHours(1));
        await Store.RemoveDirectoryAsync("tree", None);
        Assert.False(Directory.Exists(_directory["tree"]));
    }

    string Orphan(string directory, TimeSpan age)
    {
        string path = Path.Combine(_directory[directory], TemporaryFiles.NewName());
        File.WriteAllText(path, "half");
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow - age);
        return path;
    }

    [Fact]
    public async Task Rename_OntoItsOwnOtherName_LeavesOne()
    {
        Write("a");
        using (var process = Process.Start("/bin/ln", [_directory["a"], _directory["b"]]))
            await process.WaitForExitAsync();
        await Store.RenameAsync("a", "b", PutOptions.Default, None);
        Assert.Equal(["b"], await List("", recursive: true));
    }

    [Fact]
    public async Task Rename_OfALink_MovesTheObjectNotTheLink()
    {
        Write("real");
        File.CreateSymbolicLink(_directory["link"], "real");
        await Store.RenameAsync("link", "other/place", PutOptions.Default, None);
        Assert.Equal("real", File.ReadAllText(_directory["other/place"]));
        Assert.Null(new FileInfo(_directory["other/place"]).LinkTarget);
        Assert.Equal(["other/place", "real"], await List("", recursive: true));
    }

    [Fact]
    public async Task Rename_ToAnotherFileSystem_CopiesThenDeletes()
    {
        string elsewhere = $"/dev/shm/s3dlio-test-{Guid.NewGuid():n}";
        Directory.CreateDirectory(elsewhere);
        try
        {
            File.CreateSymbolicLink(_directory["elsewhere"], elsewhere);
            await Store.PutAsync("a", new Payload("data"u8.ToArray()), PutOptions.Default, null, None);
            var moved = await Store.RenameAsync("a", "elsewhere/b", PutOptions.Default with { Durable = true }, None);
            Assert.Equal(Checksum.Of("data"u8), moved.Checksum);
            Assert.Equal("data", File.ReadAllText(elsewhere + "/b"));
            Assert.False(File.Exists(_directory["a"]));
        }
        finally
        {
            Directory.Delete(elsewhere, recursive: true);
        }
    }

    [Fact]
    public async Task Direct_Refused_SaysWhatToDo()
    {
        Write("file");
        var store = new LocalStore(StoreUri.Parse($"direct://{_directory.Path}"), StoreOptions.Default) { DirectIsRefused = true };
        Func<Task>[] calls =
        [
            async () => await store.PutAsync("new", new Payload(new byte[10]), PutOptions.Default, null, None),
            async () => await store.OpenWriteAsync("new", PutOptions.Default, None),
            async () => await store.OpenReadAsync("file", ReadOptions.Default, None),
            // a real refusal
            async () => await new LocalStore(
                StoreUri.Parse("direct:///proc"), StoreOptions.Default).OpenReadAsync("version", ReadOptions.Default, None),
        ];
        foreach (var call in calls)
        {
            var error = await Fails(ErrorKind.InvalidArgument, call);
            Assert.Contains("file://", error.Message, StringComparison.Ordinal);
            Assert.Contains("direct_fallback", error.Message, StringComparison.Ordinal);
        }
        Assert.Equal(["file"], Directory.EnumerateFileSystemEntries(_directory.Path).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(128)]
    public async Task Direct_AlignedMemory_GoesBothWays(int shift)
    {
        var store = new LocalStore(StoreUri.Parse($"direct://{_directory.Path}"), StoreOptions.Default);
        var source = new AlignedBuffer(3 << 20);
        var target = new AlignedBuffer(3 << 20);
        try
        {
            new Random(1).NextBytes(source.GetSpan());
            var data = source.Memory[shift..^5];
            await store.PutAsync("x", new Payload(data), PutOptions.Default, null, None);
            Assert.True(File.ReadAllBytes(_directory["x"]).AsSpan().SequenceEqual(data.Span));
            await using var reader = await store.OpenReadAsync("x", ReadOptions.Default, None);
            foreach (int offset in (int[])[0, 4096, 4097, 1 << 20])
            {
                target.GetSpan().Clear();
                var part = target.Memory.Slice(shift, data.Length - offset);
                await reader.ReadAsync(offset, part, None);
                Assert.True(part.Span.SequenceEqual(data.Span[offset..]), $"from {offset}");
            }
        }
        finally
        {
            source.Return();
            target.Return();
        }
    }
}
