using Xunit;

namespace S3dlio.IO;

/// <summary>The simulation loses exactly what a power cut may lose, and never what was flushed.</summary>
public sealed class SimulatedDiskTests
{
    static SimulatedDisk New()
    {
        var disk = new SimulatedDisk();
        disk.CreateDirectory("/d");
        return disk;
    }

    static byte[]? Content(Disk disk, string path)
    {
        try
        {
            using var file = disk.Open(path, DiskOpen.Read);
            var bytes = new byte[file.Length];
            Assert.Equal(bytes.Length, file.Read(bytes, 0));
            return bytes;
        }
        catch (DiskException error) when (error.IsMissing)
        {
            return null;
        }
    }

    static byte[] Bytes(int length, byte value) => [.. Enumerable.Repeat(value, length)];

    [Fact]
    public void Crash_FlushedFileAndName_AreThereInEveryImage()
    {
        for (int seed = 0; seed < 100; seed++)
        {
            var disk = New();
            using (var file = disk.Open("/d/a", DiskOpen.Create))
            {
                file.Write(Bytes(2000, 1), 0);
                file.Flush();
            }
            disk.SyncDirectory("/d");
            Assert.Equal(0, disk.WaitingCount);
            Assert.Equal(Bytes(2000, 1), Content(disk.Crash(new Random(seed)), "/d/a"));
        }
    }

    [Fact]
    public void Crash_NothingFlushed_EveryOutcomeIsMet()
    {
        HashSet<string> met = [];
        for (int seed = 0; seed < 400; seed++)
        {
            var disk = New();
            using (var file = disk.Open("/d/a", DiskOpen.Create))
                file.Write(Bytes(1024, 1), 0);
            var left = Content(disk.Crash(new Random(seed)), "/d/a");
            met.Add(left is null ? "no name" : left.Length == 0 ? "no bytes" : left.All(b => b == 1) && left.Length == 1024
                    ? "whole"
                    : "torn");
        }
        Assert.Equal(["no bytes", "no name", "torn", "whole"], met.Order());
    }

    [Fact]
    public void Crash_LaterWriteKept_EarlierMayBeLost()
    {
        bool reordered = false;
        for (int seed = 0; seed < 200; seed++)
        {
            var disk = New();
            using var file = disk.Open("/d/a", DiskOpen.Create);
            file.Write(new byte[1024], 0);
            file.Flush();
            disk.SyncDirectory("/d");
            file.Write(Bytes(512, 1), 0);
            file.Write(Bytes(512, 2), 512);
            var left = Content(disk.Crash(new Random(seed)), "/d/a")!;
            Assert.Contains(left[0], new byte[] { 0, 1 });
            Assert.Contains(left[512], new byte[] { 0, 2 });
            reordered |= left[0] == 0 && left[512] == 2;
        }
        Assert.True(reordered);
    }

    [Fact]
    public void Crash_SectorWrittenAgain_IsOldOrNewNeverMixed()
    {
        for (int seed = 0; seed < 200; seed++)
        {
            var disk = New();
            using var file = disk.Open("/d/a", DiskOpen.Create);
            file.Write(Bytes(4096, 7), 0);
            file.Flush();
            disk.SyncDirectory("/d");
            file.Write(Bytes(3000, 8), 100);
            var left = Content(disk.Crash(new Random(seed)), "/d/a")!;
            Assert.All(left[..100], value => Assert.Equal(7, value));
            for (int sector = 0; sector < 8; sector++)
            {
                var written = left[Math.Max(100, sector * 512)..Math.Min(3100, (sector + 1) * 512).Clamp(Math.Max(100, sector * 512))];
                Assert.True(written.Distinct().Count() <= 1);
            }
        }
    }

    [Fact]
    public void Crash_RenameNotSynced_OldNameOrNewName()
    {
        HashSet<string> met = [];
        for (int seed = 0; seed < 50; seed++)
        {
            var disk = New();
            using (var file = disk.Open("/d/tmp", DiskOpen.Create))
            {
                file.Write(Bytes(10, 1), 0);
                file.Flush();
            }
            disk.SyncDirectory("/d");
            disk.Rename("/d/tmp", "/d/a");
            met.Add(string.Join(",", disk.Crash(new Random(seed)).List("/d").Order()));
        }
        Assert.Equal(["a", "tmp"], met.Order());
    }

    [Fact]
    public void Crash_UnlinkNotSynced_MayComeBack()
    {
        HashSet<int> met = [];
        for (int seed = 0; seed < 50; seed++)
        {
            var disk = New();
            disk.Open("/d/a", DiskOpen.Create).Dispose();
            disk.SyncDirectory("/d");
            disk.Unlink("/d/a");
            met.Add(disk.Crash(new Random(seed)).List("/d").Count);
        }
        Assert.Equal([0, 1], met.Order());
    }

    [Fact]
    public void Crash_LengthNotFlushed_MayBeLostThoughBytesWereWritten()
    {
        HashSet<int> met = [];
        for (int seed = 0; seed < 200; seed++)
        {
            var disk = New();
            using var file = disk.Open("/d/a", DiskOpen.Create);
            file.Write(Bytes(512, 1), 0);
            file.Flush();
            disk.SyncDirectory("/d");
            file.Write(Bytes(512, 2), 512);
            met.Add(Content(disk.Crash(new Random(seed)), "/d/a")!.Length);
        }
        Assert.Equal([512, 1024], met.Order());
    }

    [Fact]
    public void Crashes_FourOperations_SixteenImages()
    {
        var disk = New();
        using var file = disk.Open("/d/a", DiskOpen.Create);
        disk.SyncDirectory("/d");
        for (int i = 0; i < 4; i++)
            file.Write(Bytes(1, (byte)(i + 1)), i);
        var images = disk.Crashes().Select(image => Convert.ToHexString(Content(image, "/d/a")!)).ToArray();
        Assert.Equal(16, images.Length);
        Assert.Equal(16, images.Distinct().Count());
        Assert.Contains("01020304", images);
        Assert.Contains("", images);
        Assert.Contains("00000004", images);
    }

    [Fact]
    public void Crash_SameSeed_SameImage()
    {
        byte[]? Image(int seed)
        {
            var disk = New();
            using var file = disk.Open("/d/a", DiskOpen.Create);
            file.Write(Bytes(9000, 1), 0);
            file.Write(Bytes(9000, 2), 4000);
            return Content(disk.Crash(new Random(seed)), "/d/a");
        }
        for (int seed = 0; seed < 20; seed++)
            Assert.Equal(Image(seed), Image(seed));
    }

    [Fact]
    public void Flush_Fails_BytesAreReadableAndNeverDurable()
    {
        var disk = New();
        using var file = disk.Open("/d/a", DiskOpen.Create);
        disk.SyncDirectory("/d");
        file.Write(Bytes(10, 1), 0);
        disk.FailFlushOf = "a";
        Assert.Equal(Errno.EIO, Assert.Throws<DiskException>(file.Flush).Errno);
        disk.FailFlushOf = null;
        file.Flush();
        Assert.Equal(Bytes(10, 1), Content(disk, "/d/a"));
        Assert.Empty(Content(disk.Crash(new Random(1)), "/d/a")!);
    }

    [Fact]
    public void CutBefore_EachStep_StopsThereAndForGood()
    {
        int Run(int? cut)
        {
            var disk = New();
            disk.CutBefore = cut;
            try
            {
                using var file = disk.Open("/d/a", DiskOpen.Create);
                file.Write(Bytes(10, 1), 0);
                file.Flush();
                disk.SyncDirectory("/d");
            }
            catch (PowerCutException)
            {
                Assert.Throws<PowerCutException>(() => disk.List("/d"));
            }
            return disk.Steps;
        }
        int steps = Run(null);
        Assert.Equal(4, steps);
        for (int cut = 0; cut < steps; cut++)
            Assert.Equal(cut, Run(cut));
    }

    [Fact]
    public void Kill_PageCacheStays_AndIsStillNotDurable()
    {
        var disk = New();
        using (var file = disk.Open("/d/a", DiskOpen.Create))
            file.Write(Bytes(10, 1), 0);
        var after = disk.Kill();
        Assert.Equal(Bytes(10, 1), Content(after, "/d/a"));
        Assert.Equal(2, after.WaitingCount);
    }

    [Fact]
    public void Capacity_Reached_NoSpaceAndBytesStay()
    {
        var disk = New();
        disk.Capacity = 100;
        using var file = disk.Open("/d/a", DiskOpen.Create);
        file.Write(Bytes(90, 1), 0);
        Assert.True(Assert.Throws<DiskException>(() => file.Write(Bytes(20, 2), 90)).IsOutOfSpace);
        Assert.Equal(Bytes(90, 1), Content(disk, "/d/a"));
    }
}

static class Clamped
{
    /// <summary>Not below the start of a range.</summary>
    public static int Clamp(this int value, int least) => Math.Max(value, least);
}
