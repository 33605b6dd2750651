using System.Text;
using S3dlio.IO;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Log;

/// <summary>What a log does while nothing goes wrong, on the machine's own disk.</summary>
public sealed class LogTests : IDisposable
{
    static readonly LogOptions Small = new() { SegmentSize = LogOptions.LeastSegment, BufferSize = 4096 };

    readonly string _root = Directory.CreateTempSubdirectory("s3dlio-log-").FullName;

    string Log => Path.Combine(_root, "a/log");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    static byte[] Numbered(int number, int length)
    {
        var bytes = new byte[length];
        new Random(number).NextBytes(bytes);
        return bytes;
    }

    static List<byte[]> All(RecordLog log, bool skip = false)
    {
        List<byte[]> records = [];
        var plan = log.Plan(log.Begin, long.MaxValue, long.MaxValue, skip);
        var data = new byte[plan.Length];
        plan.Read(data, CancellationToken.None);
        int start = 0;
        foreach (long end in plan.Ends)
        {
            records.Add(data[start..(int)end]);
            start = (int)end;
        }
        return records;
    }

    [Fact]
    public void Reader_WhenWhatItHadNotSeenIsTruncated_GoesOnWhereTheLogBegins()
    {
        using var log = LogWriter.Open(Log, Small);
        log.Append(Text("first"));
        log.Commit();
        using var reader = LogReader.Open(Log, OnDamage.Raise);
        for (int i = 1; i < 400; i++)
        {
            log.Append(Numbered(i, 300));
            log.Commit();
        }
        log.Truncate(321);
        Assert.Equal(400, reader.Refresh());
        Assert.Equal(321, reader.Begin);
        Assert.Equal(Enumerable.Range(321, 79).Select(i => Numbered(i, 300)), All(reader));
        Assert.Equal(ErrorKind.NotFound, Assert.Throws<StoreException>(() => reader.Read(320)).Kind);
        log.Append(Text("last"));
        log.Commit();
        Assert.Equal(401, reader.Refresh());
        Assert.Equal(Text("last"), reader.Read(400));
    }

    [Fact]
    public void Cursor_SetAndReopened_IsWhereItWasAndNeverBeforeTheLog()
    {
        using var log = LogWriter.Open(Log, Small);
        for (int i = 0; i < 10; i++)
            log.Append(Text("x"));
        log.Commit();
        using var reader = LogReader.Open(Log, OnDamage.Raise);
        Assert.Equal(0, reader.Cursor("a"));
        foreach (long number in new long[] { 4, 9, 3 })
        {
            reader.SetCursor("a", number);
            Assert.Equal(number, log.Cursor("a"));
        }
        log.Truncate(6);
        Assert.Equal(6, reader.Cursor("a"));
        Assert.Equal(ErrorKind.InvalidArgument, Assert.Throws<StoreException>(() => log.SetCursor("../a", 1)).Kind);
        Assert.Equal(ErrorKind.InvalidArgument, Assert.Throws<StoreException>(() => log.SetCursor("a", -1)).Kind);
    }

    [Fact]
    public void Append_ThenReopened_RecordsAndNumbersGoOn()
    {
        using (var log = LogWriter.Open(Log, new LogOptions()))
        {
            Assert.Equal(0, log.Append(Text("a")));
            Assert.Equal(1, log.Append(Text("")));
            Assert.Equal(2, log.AppendBatch(Text("bccddd"), [1, 3, 6]));
            Assert.Equal(0, log.Committed);
            Assert.Equal("ccddd", string.Concat(new[] { 3, 4 }.Select(n => Encoding.UTF8.GetString(log.Read(n)))));
            Assert.Equal(5, log.Commit());
            log.Close();
        }
        using var again = LogWriter.Open(Log, new LogOptions());
        Assert.Equal(5, again.Append(Text("e")));
        Assert.Equal(["a", "", "b", "cc", "ddd", "e"], All(again).Select(Encoding.UTF8.GetString));
        Assert.Empty(again.Damage);
    }

    [Fact]
    public void Append_AcrossManySegments_EveryRecordIsReadEitherWay()
    {
        var wanted = Enumerable.Range(0, 1000).Select(i => Numbered(i, i % 400)).ToArray();
        using var log = LogWriter.Open(Log, Small);
        foreach (var record in wanted)
            log.Append(record);
        log.Commit();
        Assert.InRange(log.Segments.Count, 10, 1000);
        Assert.Equal(wanted, All(log));
        using var reader = LogReader.Open(Log, OnDamage.Raise);
        Assert.Equal(1000, reader.EndRecord);
        Assert.Equal(wanted, All(reader));
        var random = new Random(1);
        var ids = Enumerable.Range(0, 3000).Select(_ => (long)random.Next(1000)).ToArray();
        var plan = reader.Plan(ids);
        var data = new byte[plan.Length];
        plan.Read(data, CancellationToken.None);
        for (int i = 0, start = 0; i < ids.Length; start = (int)plan.Ends[i], i++)
            Assert.Equal(wanted[ids[i]], data[start..(int)plan.Ends[i]]);
    }

    [Fact]
    public void Append_LargerThanBufferAndSegment_HasAFrameForItself()
    {
        var (large, larger) = (Numbered(1, 300_000), Numbered(2, 5_000_000));
        using (var log = LogWriter.Open(Log, Small))
        {
            log.Append(Text("x"));
            log.Append((ReadOnlyMemory<byte>)large);
            log.Append(larger.AsSpan());
            log.AppendBatch(larger, [1, 2_000_000, 5_000_000]);
            log.Append(Text("y"));
            log.Close();
        }
        using var reader = LogReader.Open(Log, OnDamage.Raise);
        Assert.Equal([Text("x"), large, larger, larger[..1], larger[1..2_000_000], larger[2_000_000..], Text("y")], All(reader));
    }

    [Fact]
    public void Append_FixedSize_OtherSizesAndOtherSchemasAreRefused()
    {
        var options = new LogOptions { RecordSize = 8, Schema = "{\"dtype\":\"<f8\"}" };
        using (var log = LogWriter.Open(Log, options))
        {
            Assert.Equal(0, log.AppendBatch(new byte[80], []));
            Assert.Equal(10, log.Append(new byte[8]));
            Assert.Equal(ErrorKind.InvalidArgument, Assert.Throws<StoreException>(() => log.Append(new byte[7])).Kind);
            Assert.Equal(ErrorKind.InvalidArgument, Assert.Throws<StoreException>(() => log.AppendBatch(new byte[12], [])).Kind);
            log.Close();
        }
        var wrong = Assert.Throws<StoreException>(() => LogWriter.Open(Log, new LogOptions()));
        Assert.Equal(ErrorKind.InvalidArgument, wrong.Kind);
        Assert.Contains("<f8", wrong.Message, StringComparison.Ordinal);
        using var reader = LogReader.Open(Log, OnDamage.Raise);
        Assert.Equal((8, options.Schema, 11L), (reader.RecordSize, reader.Schema, reader.EndRecord));
    }

    [Fact]
    public void AppendBatch_EndsOutOfOrder_NothingIsTaken()
    {
        using var log = LogWriter.Open(Log, new LogOptions());
        foreach (long[] ends in new long[][] { [2, 1, 3], [1, 4], [1, 2], [-1, 3] })
            Assert.Equal(ErrorKind.InvalidArgument, Assert.Throws<StoreException>(() => log.AppendBatch(new byte[3], ends)).Kind);
        Assert.Equal(0, log.EndRecord);
        Assert.Equal(0, log.AppendBatch(Array.Empty<byte>(), []));
    }

    [Fact]
    public void Open_SecondWriter_IsRefusedAndNamesTheFirst()
    {
        using var log = LogWriter.Open(Log, new LogOptions());
        var error = Assert.Throws<StoreException>(() => LogWriter.Open(Log, new LogOptions()));
        Assert.Equal(ErrorKind.Unavailable, error.Kind);
        Assert.Contains($"process {Environment.ProcessId}", error.Message, StringComparison.Ordinal);
        log.Close();
        LogWriter.Open(Log, new LogOptions()).Close();
    }

    [Fact]
    public void Open_NothingThere_NotFoundUnlessItMayBeMade()
    {
        Assert.Equal(ErrorKind.NotFound, Assert.Throws<StoreException>(() => LogReader.Open(Log, OnDamage.Raise)).Kind);
        Assert.Equal(ErrorKind.NotFound, Assert.Throws<StoreException>(() => LogWriter.Open(Log, new LogOptions { Create = false })).Kind);
        Assert.False(Directory.Exists(Log));
    }

    [Fact]
    public void Truncate_Basic_BeginMovesSurvivesAndRoomIsFreed()
    {
        long Used() => Directory.EnumerateFiles(Log, "seg-*").Sum(file =>
        {
            using var open = LocalDisk.Shared.Open(file, DiskOpen.Read);
            return open.AllocatedLength;
        });
        using (var log = LogWriter.Open(Log, Small))
        {
            for (int i = 0; i < 1000; i++)
                log.Append(Numbered(i, 300));
            log.Commit();
            long before = Used(), promised = log.Reclaimable(500);
            Assert.Equal(0, log.Reclaimable(0));
            Assert.Equal(500, log.Truncate(500));
            Assert.InRange(before - Used(), promised - 4096, promised + 4096);
            Assert.True(promised > 100_000);
            // again, and backwards: nothing happens
            Assert.Equal(500, log.Truncate(500));
            Assert.Equal(500, log.Truncate(3));
            Assert.Equal(0, log.Reclaimable(500));
            var gone = Assert.Throws<StoreException>(() => log.Read(499));
            Assert.Equal(ErrorKind.NotFound, gone.Kind);
            Assert.Contains("truncated", gone.Message, StringComparison.Ordinal);
            Assert.Equal(ErrorKind.InvalidArgument, Assert.Throws<StoreException>(() => log.Truncate(1001)).Kind);
            log.Append(Text("uncommitted"));
            Assert.Equal(ErrorKind.InvalidArgument, Assert.Throws<StoreException>(() => log.Truncate(1001)).Kind);
            log.Close();
        }
        using var again = LogWriter.Open(Log, Small);
        Assert.Equal(500, again.Begin);
        Assert.Equal(Numbered(500, 300), again.Read(500));
        Assert.Equal(501, All(again).Count);
        Assert.Equal(1001, again.Truncate(1001));
        Assert.Empty(All(again));
        Assert.Equal(1001, again.Append(Text("next")));
        again.Close();
        using var last = LogReader.Open(Log, OnDamage.Raise);
        Assert.Equal((1001L, 1002L), (last.Begin, last.EndRecord));
    }

    [Fact]
    public void Reader_WhileWritten_SeesCommittedRecordsOnly()
    {
        using var log = LogWriter.Open(Log, Small);
        log.Append(Text("a"));
        using var reader = LogReader.Open(Log, OnDamage.Raise);
        Assert.Equal(0, reader.EndRecord);
        log.Commit();
        Assert.Equal(1, reader.Refresh());
        for (int i = 1; i < 500; i++)
            log.Append(Numbered(i, 200));
        log.Commit();
        Assert.Equal(500, reader.Refresh());
        Assert.Equal(500, All(reader).Count);
        log.Truncate(400);
        // a file that is open stays readable until the reader looks again; then the record is truncated, not damaged
        Assert.Equal(Numbered(10, 200), reader.Read(10));
        reader.Refresh();
        Assert.Contains("truncated", Assert.Throws<StoreException>(() => reader.Read(10)).Message, StringComparison.Ordinal);
        using (var late = LogReader.Open(Log, OnDamage.Raise))
            Assert.Equal(100, All(late).Count);
        Assert.Equal(100, All(reader).Count);
        Assert.False(reader.IsEnded);
        log.Close();
        reader.Refresh();
        Assert.True(reader.IsEnded);
    }

    [Fact]
    public async Task WaitAsync_ReaderAndWriter_WakeAtTheCommit()
    {
        using var log = LogWriter.Open(Log, new LogOptions());
        using var reader = LogReader.Open(Log, OnDamage.Raise);
        var (far, near) = (reader.WaitAsync(0, CancellationToken.None).AsTask(), log.WaitAsync(0, CancellationToken.None).AsTask());
        log.Append(Text("a"));
        await Task.Delay(20);
        Assert.False(far.IsCompleted || near.IsCompleted);
        Assert.Equal(1, await log.CommitAsync(CancellationToken.None));
        Assert.Equal(1, await near.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(1, await far.WaitAsync(TimeSpan.FromSeconds(30)));
        using var stop = new CancellationTokenSource(20);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reader.WaitAsync(1, stop.Token).AsTask());
    }

    [Fact]
    public async Task Commit_ManyThreads_OrderIsKeptAndEveryCommitCovers()
    {
        using var log = LogWriter.Open(Log, Small);
        var own = new long[8][];
        await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(async () =>
        {
            own[thread] = new long[200];
            for (int i = 0; i < 200; i++)
            {
                long number = own[thread][i] = log.Append(Text($"{thread}:{i}"));
                if (i % 20 == 0)
                    Assert.True((thread % 2 == 0 ? log.Commit() : await log.CommitAsync(CancellationToken.None)) > number);
            }
        })));
        Assert.Equal(1600, log.Commit());
        Assert.Equal(Enumerable.Range(0, 1600).Select(i => (long)i), own.SelectMany(numbers => numbers).Order());
        for (int thread = 0; thread < 8; thread++)
        {
            for (int i = 0; i < 200; i++)
                Assert.Equal($"{thread}:{i}", Encoding.UTF8.GetString(log.Read(own[thread][i])));
            Assert.Equal(own[thread].Order(), own[thread]);
        }
    }

    [Fact]
    public void Close_AfterReadsRollsAndTruncations_NoFileStaysOpen()
    {
        using var log = LogWriter.Open(Log, Small);
        for (int i = 0; i < 400; i++)
        {
            log.Append(Numbered(i, 300));
            if (i % 10 == 9)
                log.Commit();
            // from a file, where it is in one
            log.Read(Math.Max(0, i - 15));
            log.Read(i);
        }
        log.Truncate(200);
        Assert.InRange(log.Segments.Count, 2, 100);
        log.Close();
        Assert.DoesNotContain(Directory.GetFiles("/proc/self/fd"),
            one => new FileInfo(one).LinkTarget?.StartsWith(_root, StringComparison.Ordinal) == true);
        Assert.DoesNotContain(_root, File.ReadAllText("/proc/self/maps"), StringComparison.Ordinal);
    }

    [Fact]
    public void Close_Twice_AndUseAfter_ClosedIsTold()
    {
        var log = LogWriter.Open(Log, new LogOptions());
        log.Append(Text("a"));
        log.Close();
        log.Close();
        log.Dispose();
        Assert.Equal(ErrorKind.Closed, Assert.Throws<StoreException>(() => log.Append(Text("b"))).Kind);
        Assert.Equal(ErrorKind.Closed, Assert.Throws<StoreException>(() => log.Commit()).Kind);
    }

    [Fact]
    public void Append_Compressed_FilesAreSmallAndEveryRecordIsReadEitherWay()
    {
        var wanted = Enumerable.Range(0, 3000)
            .Select(i => i % 10 == 0 ? Numbered(i, 300) : Text($"step {i} loss {i * 0.001:0.000} ".PadRight(i % 400))).ToArray();
        using (var log = LogWriter.Open(Log, Small with { Compression = 3 }))
        {
            for (int i = 0; i < 2000; i++)
                log.Append(wanted[i]);
            log.AppendBatch(wanted.AsSpan(2000).ToArray().SelectMany(one => one).ToArray(), Ends(wanted[2000..]));
            log.Commit();
            Assert.Equal(wanted, All(log));
            log.Close();
        }
        long bytes = Directory.EnumerateFiles(Log, "seg-*").Sum(file => new FileInfo(file).Length - SegmentHeaderLength);
        Assert.InRange(bytes, 1000, wanted.Sum(one => one.Length) * 2 / 3);
        using (var reader = LogReader.Open(Log, OnDamage.Raise))
        {
            Assert.Equal(wanted, All(reader));
            Assert.Equal(wanted[1777], reader.Read(1777));
        }
        Assert.Empty(LogSurvey.Check(Log).Findings);
        // opened without compression it goes on uncompressed, and what was written stays readable
        using var again = LogWriter.Open(Log, Small);
        again.Append(Text("plain"));
        again.Commit();
        Assert.Equal(wanted.Append(Text("plain")), All(again));
    }

    const int SegmentHeaderLength = 4096;

    static long[] Ends(byte[][] records)
    {
        var ends = new long[records.Length];
        for (int i = 0; i < ends.Length; i++)
            ends[i] = (i == 0 ? 0 : ends[i - 1]) + records[i].Length;
        return ends;
    }

    [Theory]
    [InlineData(64, 64, 1.16)]
    [InlineData(1024, 64, 1.015)]
    public void Commit_BatchesOf64_OverheadIsSmall(int size, int batch, double most)
    {
        using (var log = LogWriter.Open(Log, new LogOptions { RecordSize = size }))
        {
            for (int i = 0; i < 1000; i++)
            {
                log.AppendBatch(new byte[size * batch], []);
                log.Commit();
            }
            log.Close();
        }
        long bytes = Directory.EnumerateFiles(Log, "seg-*").Sum(file => new FileInfo(file).Length);
        Assert.InRange((double)bytes / (1000L * size * batch), 1, most);
    }

    /// <summary>A commit costs its frame and nothing that grows with the number of commits or threads.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void Commit_EachRecordAlone_TheLogGrowsByAFrameAtMost(int threads)
    {
        const int records = 1600, size = 64, frame = 64 + 8 + size;
        using (var log = LogWriter.Open(Log, new LogOptions()))
        {
            Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, _ =>
            {
                for (int i = 0; i < records / threads; i++)
                {
                    log.Append(new byte[size].AsSpan());
                    log.Commit();
                }
            });
            Assert.Equal(records, log.Commit());
            log.Close();
        }
        long bytes = Directory.EnumerateFiles(Log, "seg-*").Sum(file => new FileInfo(file).Length);
        // beside the frames: the header's block, the footer, and the empty frames of idle moments
        Assert.InRange(bytes, records * size, (records * frame) + (16 << 10));
        Assert.InRange(new FileInfo(Path.Combine(Log, "META")).Length, 1, 16 << 10);
    }

    /// <summary>Segments roll all the time, are truncated behind the readers, and nobody sees a record twice, late or wrong.</summary>
    [Fact]
    public async Task Append_ManyThreadsBesideFollowersAndTruncation_EveryRecordIsSeenOnceInOrder()
    {
        const int writers = 8, each = 500, last = writers * each;
        using var log = LogWriter.Open(Log, Small);
        var slowest = new long[2];
        var following = Enumerable.Range(0, 2).Select(follower => Task.Run(async () =>
        {
            using var reader = LogReader.Open(Log, OnDamage.Raise);
            var seen = new int[writers];
            for (long at = 0; at < last;)
            {
                long end = await reader.WaitAsync(at, CancellationToken.None);
                for (; at < end; at++)
                {
                    byte[] record = reader.Read(at);
                    // each writer's own records come in its order, whole
                    Assert.Equal(Numbered((record[0] * each) + seen[record[0]]++, 200), record[1..]);
                    Volatile.Write(ref slowest[follower], at);
                }
            }
            Assert.All(seen, count => Assert.Equal(each, count));
        })).ToArray();
        var writing = Enumerable.Range(0, writers).Select(writer => Task.Run(async () =>
        {
            for (int i = 0; i < each; i++)
            {
                log.Append(new ReadOnlySpan<byte>([(byte)writer, .. Numbered((writer * each) + i, 200)]));
                if (i % 5 == 4)
                    _ = writer % 2 == 0 ? log.Commit() : await log.CommitAsync(CancellationToken.None);
            }
        })).ToArray();
        var written = Task.WhenAll(writing);
        while (await Task.WhenAny(written, Task.Delay(5)) != written)
            log.Truncate(slowest.Min());
        await written;
        log.Commit();
        await Task.WhenAll(following).WaitAsync(TimeSpan.FromMinutes(2));
        log.Truncate(last);
        Assert.Equal((last, last), (log.Begin, log.EndRecord));
    }
}
