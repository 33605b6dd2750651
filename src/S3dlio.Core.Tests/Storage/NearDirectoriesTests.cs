using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Storage.Local;
using Xunit;

namespace S3dlio.Tests.Storage;

public sealed class NearDirectoriesTests
{
    [Theory]
    [InlineData(0xef53, true)]
    [InlineData(0x01021994, true)]
    [InlineData(0x9123683e, true)]
    [InlineData(0x65735546, false)] // FUSE
    [InlineData(0x6969, false)] // NFS
    [InlineData(0x0bd00bd0, false)] // Lustre
    [InlineData(0xff534d42, false)] // CIFS
    [InlineData(0xfe534d42, false)] // SMB2
    [InlineData(0x01021997, false)] // 9p
    [InlineData(0x00c36400, false)] // Ceph
    [InlineData(0x12345678, false)]
    public void IsLocal_ByTheKernelsNumbers(long type, bool isLocal) => Assert.Equal(isLocal, Interop.IsLocal(type));

    [Fact]
    public void Holds_ADirectoryOfThisMachineBesideOtherMounts_IsKnownOnceItWasAsked()
    {
        using var mounts = new MountList("22 1 254:0 / / rw - ext4 /dev/vda rw", "40 22 0:50 / /mnt/data rw - nfs4 server:/data rw");
        var near = new NearDirectories(key => "/dev/shm/" + key, mounts.Read());
        // nothing is asked of a file system on the caller's thread
        Assert.False(near.Holds("not/there/yet/x"));
        near.Learn("not/there/yet/x");
        Assert.True(near.Holds("not/there/yet/y"));
        Assert.False(near.Holds("not/there/x"));
    }

    [Fact]
    public void Holds_AFileSystemThatIsNotOfADisk_NeverBecomesTrue()
    {
        using var mounts = new MountList("40 22 0:50 / /mnt/data rw shared:3 - fuse.sshfs host: rw");
        var near = new NearDirectories(key => "/proc", mounts.Read());
        near.Learn("x");
        Assert.False(near.Holds("x"));
    }

    [Theory]
    [InlineData(true, "22 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw", "23 22 0:20 / /proc rw - proc proc rw",
            "24 22 0:21 / /dev/shm rw - tmpfs tmpfs rw")]
    [InlineData(false, "22 1 254:0 / / rw - ext4 /dev/vda rw", "40 22 0:50 / /mnt rw - fuse.sshfs host: rw")]
    [InlineData(false, "40 22 0:50 / /home rw - autofs systemd-1 rw")]
    [InlineData(false, "a line of another form")]
    public void AllAreLocal_ByTheTypesOfMounts(bool expected, params string[] lines)
    {
        using var mounts = new MountList(lines);
        Assert.Equal(expected, mounts.Read().AllAreLocal);
        Assert.Equal(expected, new NearDirectories(key => "/proc", mounts.Read()).Holds("x"));
        Assert.False(new LocalMounts("/proc/self/no-such-list").AllAreLocal);
    }

    sealed class MountList : IDisposable
    {
        readonly string _file = Path.GetTempFileName();

        public MountList(params string[] lines) => File.WriteAllLines(_file, lines);

        public LocalMounts Read() => new(_file);

        public void Dispose() => File.Delete(_file);
    }
}
