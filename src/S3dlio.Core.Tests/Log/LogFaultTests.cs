using S3dlio.IO;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Log;

/// <summary>A disk that fails: what was acknowledged stays, what was not is not claimed, and the error tells.</summary>
public sealed class LogFaultTests
{
    const string Place = "/d/log";

    static readonly LogOptions Small = new() { SegmentSize = LogOptions.LeastSegment, BufferSize = 4096 };

    static LogWriter Open(Disk disk) => LogWriter.Open(disk, Place, Small);

    static (SimulatedDisk Inner, FaultyDisk Disk) New(Func<string, string, int, DiskFault?> rule)
    {
        var inner = LogModel.NewDisk();
        return (inner, new FaultyDisk(inner, rule));
    }

    [Fact]
    public void Commit_FlushFails_FinalForEveryLaterCall()
    {
        bool fails = false;
        var (inner, disk) = New((call, path, _) =>
            fails && call == "flush" && path.Contains("seg-", StringComparison.Ordinal) ? new DiskFault(Errno.EIO) : null);
        var log = Open(disk);
        log.Append([1]);
        log.Commit();
        log.Append([2]);
        fails = true;
        Assert.Contains("EIO", Assert.Throws<StoreException>(() => log.Commit()).Message, StringComparison.Ordinal);
        // the device is well again: that proves nothing for what was written before
        fails = false;
        foreach (var call in new Action[] { () => log.Commit(), () => log.Append([3]), () => log.AppendBatch(new byte[1], [1]),
            () => log.Truncate(1), log.Close })
        {
            var error = Assert.Throws<StoreException>(call);
            Assert.Equal(ErrorKind.Unavailable, error.Kind);
            Assert.Contains("EIO", error.Message, StringComparison.Ordinal);
        }
        Assert.Equal(1, log.Committed);
        using var again = Open(inner);
        Assert.InRange(again.Committed, 1, 2);
        Assert.Equal([1], again.Read(0));
    }

    [Fact]
    public async Task Commit_FlushFailsWithManyWaiting_AllGetTheError()
    {
        using var entered = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        bool fails = false;
        var (_, disk) = New((call, path, _) =>
        {
            if (!fails || call != "flush" || !path.Contains("seg-", StringComparison.Ordinal))
                return null;
            entered.Set();
            go.Wait();
            return new DiskFault(Errno.EIO);
        });
        var log = Open(disk);
        log.Append([1]);
        fails = true;
        var first = Task.Run(log.Commit);
        entered.Wait();
        log.Append([2]);
        var others =
            Enumerable.Range(0, 6).Select(i => i % 2 == 0 ? Task.Run(log.Commit) : log.CommitAsync(CancellationToken.None)).ToArray();
        var waiting = log.WaitAsync(1, CancellationToken.None).AsTask();
        await Task.Delay(50);
        go.Set();
        foreach (var task in others.Append(first).Append(waiting))
            Assert.Equal(
                ErrorKind.Unavailable, (await Assert.ThrowsAsync<StoreException>(() => task.WaitAsync(TimeSpan.FromSeconds(30)))).Kind);
    }

    [Fact]
    public async Task TryCommit_AnotherFlushIsUnderWay_DoesNothingAndWaitsForNobody()
    {
        using var entered = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        bool waits = false;
        var (_, disk) = New((call, path, _) =>
        {
            if (!waits || call != "flush" || !path.Contains("seg-", StringComparison.Ordinal))
                return null;
            entered.Set();
            go.Wait();
            return null;
        });
        using var log = Open(disk);
        log.Append([1]);
        Assert.True(log.TryCommit(out long durable));
        Assert.Equal((1L, 1L), (durable, log.Committed));
        waits = true;
        log.Append([2]);
        var first = Task.Run(log.Commit);
        entered.Wait();
        Assert.False(log.TryCommit(out durable));
        Assert.Equal((1L, 1L), (durable, log.Committed));
        waits = false;
        go.Set();
        Assert.Equal(2, await first.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.True(log.TryCommit(out durable));
        Assert.Equal(2, durable);
    }

    [Fact]
    public void TryCommit_FlushFails_FinalAsForCommit()
    {
        bool fails = false;
        var (_, disk) = New((call, path, _) =>
            fails && call == "flush" && path.Contains("seg-", StringComparison.Ordinal) ? new DiskFault(Errno.EIO) : null);
        var log = Open(disk);
        log.Append([1]);
        fails = true;
        Assert.Equal(ErrorKind.Unavailable, Assert.Throws<StoreException>(() => log.TryCommit(out _)).Kind);
        fails = false;
        Assert.Equal(ErrorKind.Unavailable, Assert.Throws<StoreException>(() => log.TryCommit(out _)).Kind);
        Assert.Equal(0, log.Committed);
    }

    [Fact]
    public void Append_DiskFullThenFreed_NothingIsLostAndItGoesOn()
    {
        var disk = LogModel.NewDisk();
        disk.Capacity = 60_000;
        var log = Open(disk);
        int taken = 0;
        Action fill = () =>
        {
            for (; ; taken++)
            {
                log.Append(new byte[500].Select(_ => (byte)taken).ToArray());
                log.Commit();
            }
        };
        var error = Assert.Throws<StoreException>(fill);
        Assert.Equal(ErrorKind.OutOfSpace, error.Kind);
        Assert.InRange(taken, 50, 120);
        Assert.Equal(ErrorKind.OutOfSpace, Assert.Throws<StoreException>(() => { log.Commit(); }).Kind);
        Assert.Equal(taken, log.Committed);
        disk.Capacity = 1 << 20;
        // the record whose commit failed was appended and waits
        Assert.Equal(log.EndRecord, log.Commit());
        for (int i = 0; i < 100; i++)
            log.Append(new byte[500]);
        log.Close();
        using var again = Open(disk);
        for (int i = 0; i < taken; i++)
            Assert.Equal((byte)i, again.Read(i)[7]);
    }

    [Theory]
    [InlineData(Errno.EIO)]
    [InlineData(Errno.ENOSPC)]
    public void EveryCall_FailsOnce_AcknowledgedRecordsStay(int errno)
    {
        int calls = 0, failures = 0;
        for (int at = 1; ; at++)
        {
            calls = 0;
            // some bytes of a failing write arrive
            var (inner, disk) =
                New((call, _, _) => call is "read" or "list" or "open" ? null : ++calls == at ? new DiskFault(errno, 30) : null);
            List<byte[]> appended = [];
            long acknowledged = 0;
            LogWriter? log = null;
            var random = new Random(at);
            for (int step = 0; step < 60; step++)
            {
                try
                {
                    log ??= Open(disk);
                    var record = new byte[random.Next(2000)];
                    random.NextBytes(record);
                    long number = log.Append(record);
                    Assert.Equal(appended.Count, number);
                    appended.Add(record);
                    if (step % 7 == 3)
                        acknowledged = log.Commit();
                    if (step % 20 == 19)
                        log.Truncate(acknowledged / 4);
                }
                catch (StoreException error)
                {
                    failures++;
                    Assert.Contains(error.Kind, new[] { ErrorKind.Unavailable, ErrorKind.OutOfSpace });
                    if (errno == Errno.EIO && log is not null)
                        break;
                }
            }
            log?.Dispose();
            var after = inner.Kill();
            after.Capacity = long.MaxValue;
            using var again = Open(after);
            Assert.InRange(again.Committed, acknowledged, appended.Count);
            for (long i = again.Begin; i < again.Committed; i++)
                Assert.Equal(appended[(int)i], again.Read(i));
            if (calls < at)
                break;
        }
        Assert.InRange(failures, 30, int.MaxValue);
    }

    [Fact]
    public void Append_WithoutCommits_MemoryIsBoundedAndOldRecordsStay()
    {
        // a ring that does not wait for the flush overwrites what was not committed yet
        var disk = LogModel.NewDisk();
        var log = Open(disk);
        for (int i = 0; i < 3000; i++)
            log.Append(BitConverter.GetBytes(i).Concat(new byte[60]).ToArray());
        Assert.Equal(3000, log.Commit());
        for (int i = 0; i < 3000; i++)
            Assert.Equal(i, BitConverter.ToInt32(log.Read(i)));
    }

    [Fact]
    public void Open_SealedAndNextMissing_GoesOnInANewSegment()
    {
        // a crash between the seal and the name of the next segment
        for (int cut = 0; cut < 400; cut++)
        {
            var disk = LogModel.NewDisk();
            var log = Open(disk);
            disk.CutBefore = disk.Steps + cut;
            int committed = 0;
            bool isCut = false;
            try
            {
                for (; committed < 60; committed++)
                {
                    log.Append(new byte[1000].Select(_ => (byte)committed).ToArray());
                    log.Commit();
                }
            }
            catch (Exception) when (disk.IsOff)
            {
                isCut = true;
            }
            var after = disk.Crash(new Random(cut));
            using var again = Open(after);
            Assert.InRange(again.Committed, committed, committed + 1);
            again.Append([1]);
            again.Commit();
            for (int i = 0; i < committed; i++)
                Assert.Equal((byte)i, again.Read(i)[999]);
            if (!isCut)
                return;
        }
        Assert.Fail("the work never ended");
    }
}
