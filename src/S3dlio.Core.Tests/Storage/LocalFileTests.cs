using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Storage.Local;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>What only files have: links, permissions, special files, extended attributes, leftovers.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed partial class LocalFileTests : IDisposable
{
    static readonly CancellationToken None = CancellationToken.None;

    readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Delete();

    LocalStore Store => new(StoreUri.Parse($"file://{_directory.Path}"), StoreOptions.Default);

    LocalStore Direct => new(StoreUri.Parse($"direct://{_directory.Path}"), StoreOptions.Default);

    Task<ObjectMeta> Put(string key, string text, PutOptions? options = null) =>
        Store.PutAsync(key, new Payload(Encoding.UTF8.GetBytes(text)), options ?? PutOptions.Default, null, None).AsTask();

    string Text(string name) => File.ReadAllText(_directory[name]);

    IEnumerable<string> Names() =>
        Directory.EnumerateFileSystemEntries(_directory.Path).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal);

    [Theory]
    [InlineData(true, 3, 6)]
    [InlineData(false, 0, 0)]
    public async Task Put_InTheBackground_TakesTheProcessorFromNobody(bool background, int policy, int niceness)
    {
        var seen = new HashSet<(int Policy, int Niceness)>();
        var looks = new SynchronousProgress(_ => seen.Add(Scheduling()));
        var before = Scheduling();
        byte[] data = new byte[(20 << 20) + 1];
        data.AsSpan().Fill(7);
        await Store.PutAsync("x", new Payload(data), PutOptions.Default with { Background = background }, looks, None);
        Assert.Equal((policy, Math.Min(19, before.Niceness + niceness)), Assert.Single(seen));
        // nor do threads of the pool that were made meanwhile keep any of it
        var pool = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => Task.Run(Scheduling)));
        Assert.Equal(before, Assert.Single(pool.Append(Scheduling()).Distinct()));
        Assert.Equal(data, File.ReadAllBytes(_directory["x"]));
        await Assert.ThrowsAsync<StoreException>(
            async () => await Store.PutAsync(
                "x", new Payload(data), PutOptions.Default with { Background = background, Overwrite = false }, null, None));
    }

    static (int Policy, int Niceness) Scheduling()
    {
        // behind the name, which may have blanks: state is the 3rd, niceness the 19th and the policy the 41st field
        string text = File.ReadAllText("/proc/thread-self/stat");
        string[] fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return (int.Parse(fields[41 - 3], System.Globalization.CultureInfo.InvariantCulture),
            int.Parse(fields[19 - 3], System.Globalization.CultureInfo.InvariantCulture));
    }

    async Task<List<string>> List(string prefix, bool recursive)
    {
        var keys = new List<string>();
        await foreach (var page in Store.ListAsync(prefix, ListOptions.Default with { Recursive = recursive }, None))
            keys.AddRange(page.Objects.Select(meta => meta.Key).Concat(page.Prefixes));
        keys.Sort(StringComparer.Ordinal);
        return keys;
    }

    static async Task<StoreException> Fails(ErrorKind kind, Func<Task> call)
    {
        var error = await Assert.ThrowsAsync<StoreException>(call);
        Assert.True(kind == error.Kind, $"expected {kind}, found {error.Kind}: {error.Message}");
        return error;
    }

    static void Shell(string command)
    {
        using var process = Process.Start("/bin/sh", ["-c", command]);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    [LibraryImport("libc")]
    private static partial int setfsuid(uint user);

    /// <summary>Runs on a thread that the kernel judges as nobody's, even when the tests run as root.</summary>
    static void AsNobody(Func<Task> call)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            _ = setfsuid(65534);
            try
            {
                call().GetAwaiter().GetResult();
            }
            catch (Exception error)
            {
                failure = error;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
    }

    [Theory]
    [InlineData("..")]
    [InlineData("../out")]
    [InlineData("a/../../out")]
    [InlineData("a/..")]
    public async Task Key_WithDotDot_IsRefusedByEveryCall(string key)
    {
        Func<Task>[] calls =
        [
            () => Put(key, "x"),
            async () => await Store.OpenReadAsync(key, ReadOptions.Default, None),
            async () => await Store.OpenWriteAsync(key, PutOptions.Default, None),
            async () => await Store.HeadAsync(key, None),
            async () => await Store.DeleteAsync([key], None),
            async () => await Store.CopyAsync("a", key, PutOptions.Default, None),
            async () => await Store.RenameAsync(key, "a", PutOptions.Default, None),
            async () => await Store.MakeDirectoryAsync(key, None),
            async () => await Store.RemoveDirectoryAsync(key, None),
            async () => await Store.IsDirectoryAsync(key, None),
            () => List(key + "/", recursive: true),
        ];
        foreach (var call in calls)
            Assert.Contains("'..'", (await Fails(ErrorKind.InvalidArgument, call)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Key_WithEmptyAndDotSegments_Folds()
    {
        await Put("/a//./b/c", "x");
        Assert.Equal("x", Text("a/b/c"));
        Assert.Equal(1, (await Store.HeadAsync("a/b/./c", None)).Size);
        await Fails(ErrorKind.InvalidArgument, () => Put(".", "x"));
        // keys begin with the prefix as it was written, and still name the object
        Assert.Equal(["a//b/c"], await List("a//", recursive: true));
        Assert.Equal(["a/./b/"], await List("a/./", recursive: false));
    }

    [Fact]
    public async Task Put_ThroughLink_ReplacesWhatItPointsTo()
    {
        Directory.CreateDirectory(_directory["real"]);
        File.WriteAllText(_directory["real/file"], "old");
        File.CreateSymbolicLink(_directory["second"], "real/file");
        File.CreateSymbolicLink(_directory["first"], "second");

        await Put("first", "new");

        Assert.Equal("new", Text("real/file"));
        Assert.Equal("real/file", new FileInfo(_directory["second"]).LinkTarget);
        Assert.Equal("second", new FileInfo(_directory["first"]).LinkTarget);
        Assert.Equal(3, (await Store.HeadAsync("first", None)).Size);
        await Fails(ErrorKind.AlreadyExists, () => Put("first", "x", PutOptions.Default with { Overwrite = false }));
    }

    [Fact]
    public async Task Put_DanglingLink_CreatesItsTarget()
    {
        File.CreateSymbolicLink(_directory["link"], _directory["made/target"]);
        await Fails(ErrorKind.NotFound, async () => await Store.HeadAsync("link", None));
        await Put("link", "x", PutOptions.Default with { Overwrite = false });
        Assert.Equal("x", Text("made/target"));
        Assert.Equal(["link", "made"], Names());
    }

    [Fact]
    public async Task Put_LinkInACircle_InvalidArgument()
    {
        File.CreateSymbolicLink(_directory["a"], "b");
        File.CreateSymbolicLink(_directory["b"], "a");
        await Fails(ErrorKind.InvalidArgument, () => Put("a", "x"));
        await Fails(ErrorKind.InvalidArgument, async () => await Store.HeadAsync("a", None));
        Assert.Equal(["a", "b"], Names());
    }

    [Fact]
    public async Task Fifo_EveryCall_IsRefusedAndKept()
    {
        Shell($"mkfifo '{_directory["fifo"]}'");
        File.WriteAllText(_directory["file"], "x");
        Func<Task>[] calls =
        [
            async () => await Store.HeadAsync("fifo", None),
            async () => await Store.OpenReadAsync("fifo", ReadOptions.Default, None),
            async () => await Direct.OpenReadAsync("fifo", ReadOptions.Default, None),
            async () => await Store.OpenWriteAsync("fifo", PutOptions.Default, None),
            () => Put("fifo", "x"),
            async () => await Store.RenameAsync("fifo", "y", PutOptions.Default, None),
            async () => await Store.RenameAsync("file", "fifo", PutOptions.Default, None),
            async () => await Store.CopyAsync("file", "fifo", PutOptions.Default, None),
            async () => throw (await Store.DeleteAsync(["fifo"], None)).Single().Error,
        ];
        foreach (var call in calls)
            Assert.Contains("FIFO", (await Fails(ErrorKind.InvalidArgument, call)).Message, StringComparison.Ordinal);
        Assert.Equal(["fifo", "file"], Names());
        Assert.Equal(["file"], await List("", recursive: true));
    }

    [Fact]
    public void Device_AsTarget_IsNeverReplaced()
    {
        File.CreateSymbolicLink(_directory["null"], "/dev/null");
        // one step before the store: should the check ever fail, the machine keeps its /dev/null
        foreach (string path in (string[])["/dev/null", _directory["null"]])
        {
            var error = Assert.Throws<StoreException>(() => WriteTarget.Inspect("file:///dev/null", path, PutOptions.Default));
            Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
            Assert.Contains("character device", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Directory_InTheWay_IsDirectory()
    {
        Directory.CreateDirectory(_directory["dir/below"]);
        File.WriteAllText(_directory["file"], "x");
        await Fails(ErrorKind.IsDirectory, () => Put("dir", "x"));
        await Fails(ErrorKind.IsDirectory, async () => await Store.OpenWriteAsync("dir", PutOptions.Default, None));
        await Fails(ErrorKind.IsDirectory, async () => await Store.OpenReadAsync("dir", ReadOptions.Default, None));
        await Fails(ErrorKind.IsDirectory, async () => await Store.HeadAsync("dir", None));
        await Fails(ErrorKind.IsDirectory, async () => await Store.RenameAsync("file", "dir", PutOptions.Default, None));
        await Fails(ErrorKind.IsDirectory, async () => await Store.RenameAsync("dir", "other", PutOptions.Default, None));
        var failure = Assert.Single(await Store.DeleteAsync(["file", "dir"], None));
        Assert.Equal("dir", failure.Key);
        Assert.Equal(ErrorKind.IsDirectory, failure.Error.Kind);
        Assert.Equal(["dir"], Names());
    }

    [Fact]
    public async Task File_InTheWay_NotDirectory()
    {
        File.WriteAllText(_directory["file"], "x");
        await Fails(ErrorKind.NotDirectory, () => Put("file/below", "x"));
        await Fails(ErrorKind.NotDirectory, () => Put("file/below/deep", "x"));
        await Fails(ErrorKind.NotDirectory, async () => await Store.HeadAsync("file/below", None));
        await Fails(ErrorKind.NotDirectory, async () => await Store.MakeDirectoryAsync("file/below", None));
        await Fails(ErrorKind.NotDirectory, async () => await Store.MakeDirectoryAsync("file", None));
        await Fails(ErrorKind.NotDirectory, async () => await Store.RemoveDirectoryAsync("file", None));
        Assert.Empty(await Store.DeleteAsync(["file/below"], None));
        Assert.False(await Store.IsDirectoryAsync("file", None));
        Assert.False(await Store.IsDirectoryAsync("file/below", None));
    }

    [Fact]
    public async Task Put_OverAFile_KeepsItsPermissions()
    {
        const UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;
        await Put("file", "old");
        File.WriteAllText(_directory["plain"], "made by open(2) with the umask");
        Assert.Equal(File.GetUnixFileMode(_directory["plain"]), File.GetUnixFileMode(_directory["file"]));

        File.SetUnixFileMode(_directory["file"], mode);
        await Put("file", "new");
        Assert.Equal(mode, File.GetUnixFileMode(_directory["file"]));
        Assert.Equal("new", Text("file"));
    }

    [Fact]
    public async Task Permissions_Missing_PermissionDenied()
    {
        await Put("locked/file", "x");
        await Put("secret", "x");
        await Put("open/readonly", "x");
        File.SetUnixFileMode(_directory["secret"], UnixFileMode.None);
        File.SetUnixFileMode(_directory["open"], (UnixFileMode)0x1ff);
        File.SetUnixFileMode(_directory["open/readonly"], (UnixFileMode)0x124);
        File.SetUnixFileMode(_directory["locked"], UnixFileMode.None);
        try
        {
            AsNobody(async () =>
            {
                await Fails(ErrorKind.PermissionDenied, async () => await Store.OpenReadAsync("secret", ReadOptions.Default, None));
                await Fails(ErrorKind.PermissionDenied, async () => await Store.HeadAsync("locked/file", None));
                await Fails(ErrorKind.PermissionDenied, () => Put("locked/new", "x"));
                await Fails(ErrorKind.PermissionDenied, () => Put("open/readonly", "y"));
                await Put("open/new", "x");
                await Fails(ErrorKind.PermissionDenied, () => List("locked/", recursive: false));
                Assert.Contains(
                    _directory["locked"], (await Fails(ErrorKind.PermissionDenied, () => List("", recursive: true))).Message,
                    StringComparison.Ordinal);
                Assert.Equal(ErrorKind.PermissionDenied, Assert.Single(await Store.DeleteAsync(["locked/file"], None)).Error.Kind);
            });
        }
        finally
        {
            File.SetUnixFileMode(_directory["locked"], (UnixFileMode)0x1ff);
        }
        Assert.Equal("x", Text("open/readonly"));
    }

    [Fact]
    public async Task Name_Longest_IsStored()
    {
        string name = new('n', 255);
        await Put(name, "x");
        Assert.Equal("x", Text(name));
        await Fails(ErrorKind.InvalidArgument, () => Put(name + "n", "x"));
        Assert.Equal([name], Names());
    }

    [Fact]
    public async Task Record_OfAPut_IsReadableByOtherTools()
    {
        await Put("file", "12345",
            PutOptions.Default with { ContentType = "a/b", Metadata = new Dictionary<string, string> { ["k"] = "v" } });
        Assert.Equal($"{Checksum.Of("12345"u8)} 5", Attribute("file", "user.s3dlio.crc32c"));
        Assert.Equal("""{"content_type":"a/b","metadata":{"k":"v"}}""", Attribute("file", "user.s3dlio.meta"));
    }

    [Fact]
    public async Task Record_OfAFileChangedInPlace_TellsBothSizes()
    {
        await Put("file", "12345");
        Assert.Empty((await Store.HeadAsync("file", None)).Attributes);
        File.AppendAllText(_directory["file"], "67");
        var head = await Store.HeadAsync("file", None);
        Assert.Equal(7, head.Size);
        Assert.Equal(Checksum.Of("12345"u8), head.Checksum);
        Assert.Equal("5", head.Attributes["recorded_size"]);
        // a copy keeps what was recorded, so that it fails validation just as well
        Assert.Equal(Checksum.Of("12345"u8), (await Store.CopyAsync("file", "copy", PutOptions.Default, None)).Checksum);
        Assert.Equal("5", (await Store.HeadAsync("copy", None)).Attributes["recorded_size"]);
        await Fails(ErrorKind.ChecksumMismatch, async () => await Direct.CopyAsync("file", "direct", PutOptions.Default, None));
        Assert.Equal(["copy", "file"], Names());
    }

    [Fact]
    public async Task Record_None_ChecksumIsUnknownUntilCopied()
    {
        File.WriteAllText(_directory["foreign"], "12345");
        Assert.Null((await Store.HeadAsync("foreign", None)).Checksum);
        Assert.Equal(Checksum.Of("12345"u8), (await Store.CopyAsync("foreign", "copy", PutOptions.Default, None)).Checksum);
        Assert.Equal(Checksum.Of("12345"u8), (await Store.HeadAsync("copy", None)).Checksum);
    }

    [Theory]
    [InlineData("user.s3dlio.crc32c", "")]
    [InlineData("user.s3dlio.crc32c", "crc32c:0000000")]
    [InlineData("user.s3dlio.crc32c", "crc32c:00000000")]
    [InlineData("user.s3dlio.crc32c", "crc32c:00000000 ")]
    [InlineData("user.s3dlio.crc32c", "crc32c:00000000 -1")]
    [InlineData("user.s3dlio.crc32c", "crc32c:00000000 99999999999999999999")]
    [InlineData("user.s3dlio.crc32c",
            "crc32c:0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000 1")]
    [InlineData("user.s3dlio.meta", "")]
    [InlineData("user.s3dlio.meta", "[]")]
    [InlineData("user.s3dlio.meta", "{\"content_type\":1}")]
    [InlineData("user.s3dlio.meta", "{\"metadata\":{\"a\":{}}}")]
    [InlineData("user.s3dlio.meta", "{\"metadata\":")]
    [InlineData("user.s3dlio.meta", "{\"content_type\":\"\\ud800\"}")]
    public async Task Record_Broken_InvalidDataNamingIt(string name, string value)
    {
        await Put("file", "x");
        SetAttribute("file", name, value);
        Func<Task>[] calls =
        [
            async () => await Store.HeadAsync("file", None),
            async () => await Store.OpenReadAsync("file", ReadOptions.Default, None),
        ];
        foreach (var call in calls)
        {
            var error = await Fails(ErrorKind.InvalidData, call);
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
            Assert.Contains(_directory["file"], error.Message, StringComparison.Ordinal);
        }
        // a broken record is no reason to refuse a new object
        await Put("file", "y");
        Assert.Equal(Checksum.Of("y"u8), (await Store.HeadAsync("file", None)).Checksum);
    }

    [Fact]
    public async Task Record_WithALaterVersionsField_IsRead()
    {
        await Put("file", "x");
        SetAttribute("file", "user.s3dlio.meta", """{"later":[1,{"a":2}],"content_type":"a/b"}""");
        Assert.Equal("a/b", (await Store.HeadAsync("file", None)).ContentType);
    }

    [Fact]
    public void Record_WithoutExtendedAttributes_LosesTheChecksumButNeverMetadata()
    {
        // procfs has writable files and no attributes
        LocalError.Check(Interop.Open("/proc/self/comm", Interop.ReadWrite, 0, out var handle), "comm", "open");
        using (handle)
        {
            FileAttributeRecord.Of(Checksum.Empty, 0, PutOptions.Default).Write(handle!, "file:///x");
            Assert.Null(FileAttributeRecord.Read(handle!, "file:///x").Checksum);
            var error = Assert.Throws<StoreException>(
                () => FileAttributeRecord.Of(
                    Checksum.Empty, 0, PutOptions.Default with { ContentType = "a/b" }).Write(handle!, "file:///x"));
            Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
            Assert.Contains("extended attributes", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Put_MetadataTooLarge_InvalidArgumentAndNothingLeft()
    {
        var metadata = new Dictionary<string, string> { ["k"] = new string('v', 70_000) };
        var error = await Fails(ErrorKind.InvalidArgument, () => Put("file", "x", PutOptions.Default with { Metadata = metadata }));
        Assert.Contains("65536", error.Message, StringComparison.Ordinal);
        Assert.Empty(Names());
    }

    [Fact]
    public async Task Put_Failing_LeavesOnlyWhatWasThere()
    {
        await Put("file", "old");
        var stale = PutOptions.Default with { IfMatch = "\"stale\"" };
        await Fails(ErrorKind.Precondition, () => Put("file", "new", stale));
        // the file changes between the first look and the commit
        await using (var writer = await Store.OpenWriteAsync(
                "file", PutOptions.Default with { IfMatch = (await Store.HeadAsync("file", None)).ETag }, None))
        {
            File.AppendAllText(_directory["file"], "er");
            await Fails(ErrorKind.Precondition, async () => await writer.CompleteAsync(None));
        }
        await using (var writer = await Store.OpenWriteAsync("new", PutOptions.Default with { Overwrite = false }, None))
        {
            File.WriteAllText(_directory["new"], "somebody else's");
            await Fails(ErrorKind.AlreadyExists, async () => await writer.CompleteAsync(None));
        }
        Assert.Equal("older", Text("file"));
        Assert.Equal("somebody else's", Text("new"));
        Assert.Equal(["file", "new"], Names());
    }

    [Theory]
    [InlineData("file")]
    [InlineData("direct")]
    public async Task Put_LargerThanAnyDisk_OutOfSpaceAtOnce(string scheme)
    {
        var store = new LocalStore(StoreUri.Parse($"{scheme}://{_directory.Path}"), StoreOptions.Default);
        var payload = new Payload([new Endless()]);
        await Fails(ErrorKind.OutOfSpace, async () => await store.PutAsync("file", payload, PutOptions.Default, null, None));
        Assert.Empty(Names());
    }

    /// <summary>More than any file system holds; its bytes must never be asked for.</summary>
    sealed class Endless : LargeMemory
    {
        public override long Length => 1L << 62;

        public override Memory<byte> Slice(long offset, int length) =>
            throw new InvalidOperationException("written before the room was known");
    }

    [Fact]
    public async Task Put_LargeInADirectoryWithLeftovers_ClearsThem()
    {
        string orphan = _directory[TemporaryFiles.NewName()];
        File.WriteAllText(orphan, "half");
        File.SetLastWriteTimeUtc(orphan, DateTime.UtcNow.AddHours(-1));
        await Put("small", "x");
        Assert.True(File.Exists(orphan));
        await Store.PutAsync("large", new Payload(new byte[64 << 20]), PutOptions.Default, null, None);
        Assert.Equal(["large", "small"], Names());
    }

    [Fact]
    public async Task Read_FileCutShort_InvalidData()
    {
        foreach (var store in (LocalStore[])[Store, Direct])
        {
            await store.PutAsync("file", new Payload(new byte[10_000]), PutOptions.Default, null, None);
            await using var reader = await store.OpenReadAsync("file", ReadOptions.Default, None);
            using (var file = File.OpenWrite(_directory["file"]))
                file.SetLength(5000);
            var error = await Fails(ErrorKind.InvalidData, async () => await reader.ReadAsync(0, new byte[10_000], None));
            Assert.Contains("5000 bytes, expected 10000", error.Message, StringComparison.Ordinal);
            await Fails(ErrorKind.InvalidData, async () => await reader.ReadAsync(9000, new byte[1000], None));
        }
    }

    [Fact]
    public async Task Reader_Disposed_Closed()
    {
        await Put("file", "x");
        var reader = await Store.OpenReadAsync("file", ReadOptions.Default, None);
        await reader.DisposeAsync();
        await Fails(ErrorKind.Closed, async () => await reader.ReadAsync(0, new byte[1], None));
    }

    string Attribute(string file, string name)
    {
        var value = new byte[256];
        using var handle = File.OpenHandle(_directory[file]);
        LocalError.Check(Interop.GetAttribute(handle, name, value, out int length), file, "read the attribute");
        return Encoding.UTF8.GetString(value, 0, length);
    }

    void SetAttribute(string file, string name, string value)
    {
        using var handle = File.OpenHandle(_directory[file]);
        LocalError.Check(Interop.SetAttribute(handle, name, Encoding.UTF8.GetBytes(value)), file, "write the attribute");
    }
}
