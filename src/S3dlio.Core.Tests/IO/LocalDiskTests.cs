using Xunit;

namespace S3dlio.IO;

/// <summary>The real disk does what the simulated one is measured by.</summary>
public sealed class LocalDiskTests : IDisposable
{
    readonly string _root = Directory.CreateTempSubdirectory("s3dlio-disk-").FullName;
    readonly LocalDisk _disk = LocalDisk.Shared;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    string At(string name) => Path.Combine(_root, name);

    [Fact]
    public void Write_PiecesAndSpans_AreReadBack()
    {
        using var file = _disk.Open(At("a"), DiskOpen.Create);
        var pieces = Enumerable.Range(0, 1200).Select(i => (ReadOnlyMemory<byte>)new byte[] { (byte)i, (byte)(i >> 8) }).ToArray();
        file.Write(pieces, 5);
        file.Write([9, 9], 0);
        file.Flush();
        var whole = new byte[3000];
        Assert.Equal(2405, file.Read(whole, 0));
        Assert.Equal([9, 9, 0, 0, 0, 0, 0, 1, 0], whole[..9]);
        Assert.Equal([(byte)(1199 & 255), (byte)(1199 >> 8)], whole[2403..2405]);
    }

    [Fact]
    public void Allocate_ThenPunch_LengthStaysAndBlocksGo()
    {
        using var file = _disk.Open(At("a"), DiskOpen.Create);
        file.Allocate(1 << 20);
        Assert.Equal(1 << 20, file.Length);
        file.Write(new byte[1 << 20], 0);
        file.Flush();
        Assert.True(file.AllocatedLength >= 1 << 20);
        file.PunchHole(0, 1 << 19);
        Assert.Equal(1 << 20, file.Length);
        Assert.True(file.AllocatedLength <= (1 << 19) + 8192);
        file.SetLength(10);
        Assert.Equal(10, file.Length);
    }

    [Fact]
    public void Open_MissingOrThere_ErrnoTells()
    {
        Assert.True(Assert.Throws<DiskException>(() => _disk.Open(At("none"), DiskOpen.Read)).IsMissing);
        _disk.Open(At("a"), DiskOpen.Create).Dispose();
        Assert.Equal(Errno.EEXIST, Assert.Throws<DiskException>(() => _disk.Open(At("a"), DiskOpen.Create)).Errno);
        Assert.True(Assert.Throws<DiskException>(() => _disk.List(At("none"))).IsMissing);
    }

    [Fact]
    public void Rename_OverAnother_ReplacesIt()
    {
        using (var file = _disk.Open(At("a"), DiskOpen.Create))
            file.Write([1], 0);
        _disk.Open(At("b"), DiskOpen.Create).Dispose();
        _disk.Rename(At("a"), At("b"));
        _disk.SyncDirectory(_root);
        Assert.Equal(["b"], _disk.List(_root));
        _disk.Unlink(At("b"));
        Assert.Empty(_disk.List(_root));
        Assert.True(_disk.FreeSpace(_root) > 0);
    }

    [Fact]
    public void TryLock_HeldHere_SecondIsRefusedAndFirstStays()
    {
        var first = _disk.TryLock(At("LOCK"), out _);
        Assert.NotNull(first);
        Assert.Null(_disk.TryLock(At("LOCK"), out string holder));
        Assert.Contains($"process {Environment.ProcessId}", holder, StringComparison.Ordinal);
        Assert.Null(_disk.TryLock(At("LOCK"), out _));
        first.Dispose();
        first.Dispose();
        using var second = _disk.TryLock(At("LOCK"), out _);
        Assert.NotNull(second);
    }

    [Fact]
    public void BootId_IsKnown() => Assert.NotEqual(0ul, _disk.BootId);
}
