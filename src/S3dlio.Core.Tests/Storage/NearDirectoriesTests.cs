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
    public void IsLocal_ByTheKernelsNumbers(long type, bool isLocal) => Assert.Equal(isLocal, NearDirectories.IsLocal(type));

    [Fact]
    public async Task Holds_ADirectoryOfThisMachine_IsKnownAfterAMoment()
    {
        var near = new NearDirectories(key => "/dev/shm/" + key);
        // nothing is asked of a file system on the caller's thread
        Assert.False(near.Holds("not/there/yet/x"));
        for (int i = 0; i < 500 && !near.Holds("not/there/yet/x"); i++)
            await Task.Delay(10);
        Assert.True(near.Holds("not/there/yet/x"));
        Assert.False(new NearDirectories(key => "/proc").Holds("x"));
    }

    [Fact]
    public async Task Holds_AFileSystemThatIsNotOfADisk_NeverBecomesTrue()
    {
        var near = new NearDirectories(key => "/proc");
        for (int i = 0; i < 20; i++)
        {
            Assert.False(near.Holds("x"));
            await Task.Delay(10);
        }
    }
}
