using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Storage.Local;
using S3dlio.Tests.Checkpoint;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Who may read what is written, and whose turn it is to replace it: permissions, access lists and locks of files.</summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed partial class LocalAccessTests : IDisposable
{
    const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    const UnixFileMode Open = Private | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead;

    static readonly CancellationToken None = CancellationToken.None;

    readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Delete();

    LocalStore Store => new(StoreUri.Parse($"file://{_directory.Path}"), StoreOptions.Default) { LockPatience = TimeSpan.FromSeconds(0.3) };

    Task<ObjectMeta> Put(string key, string text, PutOptions? options = null) =>
        Store.PutAsync(key, new Payload(System.Text.Encoding.UTF8.GetBytes(text)), options ?? PutOptions.Default, null, None).AsTask();

    string Temporary => Assert.Single(Directory.EnumerateFiles(_directory.Path, ".s3dlio-*"));

    [Fact]
    public async Task Writer_ReplacingAPrivateFile_IsPrivateWhileWritten()
    {
        await Put("file", "old");
        File.SetUnixFileMode(_directory["file"], Private);
        await using var writer = await Store.OpenWriteAsync("file", PutOptions.Default, None);
        await writer.WriteAsync(new byte[1 << 20], None);
        Assert.Equal(Private, File.GetUnixFileMode(Temporary));
        await writer.CompleteAsync(None);
        Assert.Equal(Private, File.GetUnixFileMode(_directory["file"]));
    }

    [Fact]
    public async Task Writer_ReplacingAFileOpenToOthers_IsPrivateUntilItIsWhole()
    {
        await Put("file", "old");
        File.SetUnixFileMode(_directory["file"], Open);
        await using var writer = await Store.OpenWriteAsync("file", PutOptions.Default, None);
        await writer.WriteAsync(new byte[1 << 20], None);
        Assert.Equal(Private, File.GetUnixFileMode(Temporary));
        await writer.CompleteAsync(None);
        Assert.Equal(Open, File.GetUnixFileMode(_directory["file"]));
    }

    [Fact]
    public async Task Put_AndCopyOverAPrivateFile_ArePrivateFromTheFirstByte()
    {
        await Put("file", "old");
        await Put("source", "new");
        File.SetUnixFileMode(_directory["file"], Private);
        var seen = new List<UnixFileMode>();
        var looks = new SynchronousProgress(_ => seen.Add(File.GetUnixFileMode(Temporary)));
        await Store.PutAsync("file", new Payload(new byte[20 << 20]), PutOptions.Default, looks, None);
        Assert.Equal(Private, Assert.Single(seen.Distinct()));
        await Store.CopyAsync("source", "file", PutOptions.Default, None);
        Assert.Equal(Private, File.GetUnixFileMode(_directory["file"]));
    }

    [Fact]
    public async Task Writer_FileIsClosedToOthersMeanwhile_IsClosedTo()
    {
        await Put("file", "old");
        File.SetUnixFileMode(_directory["file"], Open);
        await using (var writer = await Store.OpenWriteAsync("file", PutOptions.Default, None))
        {
            File.SetUnixFileMode(_directory["file"], Private);
            await writer.CompleteAsync(None);
        }
        Assert.Equal(Private, File.GetUnixFileMode(_directory["file"]));

        // and one that somebody made since the write began
        await using (var writer = await Store.OpenWriteAsync("late", PutOptions.Default, None))
        {
            File.WriteAllText(_directory["late"], "");
            File.SetUnixFileMode(_directory["late"], Private);
            await writer.CompleteAsync(None);
        }
        Assert.Equal(Private, File.GetUnixFileMode(_directory["late"]));
    }

    [Fact]
    public async Task WhatIsMadeOfAPrivateFile_IsPrivate()
    {
        await Put("file", "secret");
        File.SetUnixFileMode(_directory["file"], Private);
        File.CreateSymbolicLink(_directory["link"], "file");
        Directory.CreateDirectory(_directory["elsewhere"]);
        var elsewhere = new LocalStore(StoreUri.Parse($"file://{_directory["elsewhere"]}"), StoreOptions.Default);
        await Store.CopyAsync("file", "copied", PutOptions.Default, None);
        await Store.CopyAsync("file", "described", PutOptions.Default with { ContentType = "text/plain" }, None);
        await ObjectCopy.CopyAsync(Store, "file", elsewhere, "pumped", PutOptions.Default, NoProgress.Instance, None);
        // a link is copied, as is a file where the two places are on different file systems
        await Store.RenameAsync("link", "moved", PutOptions.Default, None);
        await ObjectCopy.RenameAsync(Store, "moved", elsewhere, "moved", PutOptions.Default, NoProgress.Instance, None);
        await Store.CopyAsync("file", "moved", PutOptions.Default, None);
        foreach (string name in new[] { "copied", "described", "elsewhere/pumped", "elsewhere/moved", "moved" })
            Assert.Equal(Private, File.GetUnixFileMode(_directory[name]));
    }

    [Fact]
    public async Task Copy_OfAFileThatNobodyMayWrite_CanBeReplaced()
    {
        await Put("file", "old");
        File.SetUnixFileMode(_directory["file"], UnixFileMode.UserRead);
        await Store.CopyAsync("file", "copied", PutOptions.Default, None);
        Assert.Equal(Private, File.GetUnixFileMode(_directory["copied"]));
    }

    [Fact]
    public async Task Put_FileOfAGroupThatCannotBeKept_AnotherGroupGetsNoMoreThanOthers()
    {
        if (Environment.UserName != "root")
            return;
        File.SetUnixFileMode(_directory.Path, (UnixFileMode)0x1ff);
        await Put("file", "old");
        using (var handle = File.OpenHandle(_directory["file"]))
            Assert.Equal(0, Interop.Chown(handle, 65534, 12345));
        File.SetUnixFileMode(_directory["file"], Private | UnixFileMode.GroupRead);
        AsNobody(() => Put("file", "new"));
        Assert.Equal("new", File.ReadAllText(_directory["file"]));
        Assert.Equal(Private, File.GetUnixFileMode(_directory["file"]));
    }

    [Fact]
    public async Task Put_FileWithAnAccessList_KeepsIt()
    {
        await Put("file", "old");
        // rw for its owner and for one other user; its group may do nothing, though the group bits (the list's mask) say rw
        byte[] list = [2, 0, 0, 0, .. Entry(1, 6), .. Entry(2, 6, 65534), .. Entry(4, 0), .. Entry(0x10, 6), .. Entry(0x20, 0)];
        if (!TrySet(_directory["file"], "system.posix_acl_access", list))
            return;
        await Put("file", "new");
        Assert.Equal(list, Get(_directory["file"], "system.posix_acl_access"));
    }

    [Fact]
    public async Task Put_DirectoryWithADefaultList_DoesNotOpenAFileThatHadNone()
    {
        await Put("file", "old");
        File.SetUnixFileMode(_directory["file"], Open);
        byte[] list = [2, 0, 0, 0, .. Entry(1, 7), .. Entry(2, 7, 65534), .. Entry(4, 7), .. Entry(0x10, 7), .. Entry(0x20, 0)];
        if (!TrySet(_directory.Path, "system.posix_acl_default", list))
            return;
        await Put("file", "new");
        Assert.Equal(Open, File.GetUnixFileMode(_directory["file"]));
        Assert.Null(Get(_directory["file"], "system.posix_acl_access"));
        // a new file gets what its directory says, as any does
        await Put("fresh", "new");
        Assert.NotNull(Get(_directory["fresh"], "system.posix_acl_access"));
    }

    [Fact]
    public async Task Put_IfMatchWhileAnotherHasTheLock_UnavailableInTimeAndNothingChanged()
    {
        string tag = (await Put("file", "old")).ETag!;
        using (Locked("file"))
        {
            var watch = Stopwatch.StartNew();
            var error = await Assert.ThrowsAsync<StoreException>(() => Put("file", "new", PutOptions.Default with { IfMatch = tag }));
            Assert.Equal(ErrorKind.Unavailable, error.Kind);
            Assert.Contains("lslocks", error.Message, StringComparison.Ordinal);
            Assert.InRange(watch.Elapsed.TotalSeconds, 0.29, 20);
            Assert.Equal(["file"], Directory.EnumerateFileSystemEntries(_directory.Path).Select(Path.GetFileName));
        }
        Assert.Equal("old", File.ReadAllText(_directory["file"]));
        await Put("file", "new", PutOptions.Default with { IfMatch = tag });
    }

    [Fact]
    public async Task Put_IfMatchWaitingForTheLock_HearsACancelAndHoldsNoThread()
    {
        string tag = (await Put("file", "old")).ETag!;
        var store = new LocalStore(StoreUri.Parse($"file://{_directory.Path}"), StoreOptions.Default);
        var held = Locked("file");
        using var stop = new CancellationTokenSource();
        // the call comes back while it waits: a thread of the caller's would hear neither its signals nor its deadline
        var put = store.PutAsync("file", new Payload(new byte[1]), PutOptions.Default with { IfMatch = tag }, null, stop.Token);
        Assert.False(put.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await put);
        held.Dispose();
        Assert.Equal("old", File.ReadAllText(_directory["file"]));
    }

    [Fact]
    public async Task Writer_Completed_LeavesNoLockOnTheObject()
    {
        await using var writer = await Store.OpenWriteAsync("file", PutOptions.Default, None);
        await writer.WriteAsync(new byte[1], None);
        // what a process that is forked now gets: the kernel keeps a lock until every copy is closed
        using var forked = new SafeFileHandle(dup(DescriptorOf(Temporary)), ownsHandle: true);
        var made = await writer.CompleteAsync(None);
        await Put("file", "new", PutOptions.Default with { IfMatch = made.ETag });
    }

    [LibraryImport("libc")]
    private static partial int dup(int descriptor);

    [LibraryImport("libc")]
    private static partial int setfsuid(uint user);

    static void AsNobody(Func<Task> call)
    {
        var thread = new Thread(() =>
        {
            _ = setfsuid(65534);
            call().GetAwaiter().GetResult();
        });
        thread.Start();
        thread.Join();
    }

    static int DescriptorOf(string path)
    {
        foreach (string entry in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            if (new FileInfo(entry).LinkTarget == path)
                return int.Parse(Path.GetFileName(entry), System.Globalization.CultureInfo.InvariantCulture);
        }
        throw new InvalidOperationException($"{path} is not open");
    }

    SafeFileHandle Locked(string name)
    {
        Assert.Equal(0, Interop.Open(_directory[name], Interop.ReadOnly, 0, out var handle));
        Assert.Equal(0, Interop.TryLock(handle!));
        return handle!;
    }

    /// <summary>struct posix_acl_xattr_entry</summary>
    static byte[] Entry(byte tag, byte permissions, uint id = uint.MaxValue) => [tag, 0, permissions, 0, .. BitConverter.GetBytes(id)];

    static bool TrySet(string path, string name, byte[] value)
    {
        Assert.Equal(0, Interop.Open(path, Interop.ReadOnly, 0, out var handle));
        using (handle)
        {
            int errno = Interop.SetAttribute(handle!, name, value);
            Assert.True(errno is 0 or Errno.EOPNOTSUPP, $"errno {errno}");
            return errno == 0;
        }
    }

    static byte[]? Get(string path, string name)
    {
        var value = new byte[1024];
        int errno = Interop.GetAttribute(path, name, value, out int length);
        Assert.True(errno is 0 or Errno.ENODATA, $"errno {errno}");
        return errno == 0 ? value[..length] : null;
    }
}
