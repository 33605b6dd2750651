using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Log;

/// <summary>
/// What other logs got wrong, one test for each that no other class here has. Those are: memory without back-pressure and waiters that a
/// failed flush leaves waiting (<see cref="LogFaultTests"/>), committed records cut at one flipped bit (<see cref="LogDamageTests"/>),
/// truncation inside a record or without freeing anything, records larger than a buffer, empty ones (<see cref="LogTests"/>), batches that
/// are loops (<see cref="LogCrashTests"/>), an inspector that guesses (<see cref="LogInspectorTests"/>).
/// </summary>
public sealed class LogLessonsTests
{
    static readonly LogOptions Small = new() { SegmentSize = LogOptions.LeastSegment, BufferSize = 4096 };

    static byte[] Record(long number) => [.. BitConverter.GetBytes(number), .. Enumerable.Repeat((byte)number, (int)(number % 50))];

    static LogWriter Open(Disk disk) => LogWriter.Open(disk, LogModel.Place, Small);

    static void Change(Disk disk, string name, Action<byte[]> change)
    {
        using var file = disk.Open($"{LogModel.Place}/{name}", DiskOpen.Write);
        var image = new byte[file.Length];
        _ = file.Read(image, 0);
        change(image);
        file.Write(image, 0);
        file.Flush();
    }

    [Fact]
    public void Reader_OpenedWhileTheLogIsBeingMade_SeesWhatIsWrittenLater()
    {
        bool isMade = false;
        var disk = LogModel.NewDisk();
        using var log = Open(disk);
        // as if the reader came between the first segment and TAIL
        using var reader = LogReader.Open(new FaultyDisk(disk, (call, path, _) =>
            call == "open" && !isMade && path.EndsWith(LogTail.FileName, StringComparison.Ordinal) ? new DiskFault(Errno.ENOENT) : null),
            LogModel.Place, OnDamage.Skip);
        isMade = true;
        for (long i = 0; i < 3; i++)
        {
            log.Append(Record(i).AsSpan());
            log.Commit();
            Assert.Equal(i + 1, reader.Refresh());
            Assert.Equal(Record(i), reader.Read(i));
        }
    }

    [Fact]
    public async Task Commit_WhileOthersAppend_NoRecordThatIsNotWholeIsEverCommitted()
    {
        // a commit that takes a reserved place whose bytes are still on their way flushes zeros, and recovery ends there
        for (int round = 0; round < 20; round++)
        {
            var disk = LogModel.NewDisk();
            var log = Open(disk);
            long acknowledged = 0;
            var tasks = Enumerable.Range(0, 4).Select(thread => Task.Run(() =>
            {
                for (int i = 0; i < 100; i++)
                {
                    long number = log.Append(BitConverter.GetBytes(thread * 1000 + i));
                    if (i % 5 != thread)
                        continue;
                    long committed = log.Commit();
                    Assert.True(committed > number);
                    long before;
                    while ((before = Volatile.Read(ref acknowledged)) < committed
                        && Interlocked.CompareExchange(ref acknowledged, committed, before) != before)
                    {
                        // another thread's commit was noted meanwhile
                    }
                }
            })).ToArray();
            await Task.WhenAll(tasks);
            var all = Enumerable.Range(0, 400).Select(i => BitConverter.ToInt32(log.Read(i))).ToArray();
            Assert.Equal(400, all.Distinct().Count());
            using var again = Open(disk.Crash(new Random(round)));
            Assert.InRange(again.Committed, acknowledged, 400);
            for (int i = 0; i < again.Committed; i++)
                Assert.Equal(all[i], BitConverter.ToInt32(again.Read(i)));
        }
    }

    [Fact]
    public async Task Committed_WhileTheFlushIsUnderWay_DoesNotMove()
    {
        using var entered = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        bool waits = false;
        var disk = new FaultyDisk(LogModel.NewDisk(), (call, path, _) =>
        {
            if (waits && call == "flush" && path.Contains("seg-", StringComparison.Ordinal))
            {
                entered.Set();
                go.Wait();
            }
            return null;
        });
        using var log = Open(disk);
        log.Append(Record(0));
        log.Commit();
        using var reader = LogReader.Open(disk, LogModel.Place, OnDamage.Raise);
        log.Append(Record(1));
        waits = true;
        var commit = Task.Run(log.Commit);
        try
        {
            Assert.True(entered.Wait(TimeSpan.FromSeconds(30)));
            Assert.Equal((1L, 1L), (log.Committed, reader.Refresh()));
        }
        finally
        {
            // whatever failed: closing the log waits for the flush
            waits = false;
            go.Set();
        }
        Assert.Equal(2, await commit);
        Assert.Equal((2L, 2L), (log.Committed, reader.Refresh()));
    }

    [Fact]
    public void Commit_NothingNew_WritesAndFlushesNothing()
    {
        var inner = LogModel.NewDisk();
        using var log = Open(inner);
        log.Append(Record(1));
        log.Commit();
        int steps = inner.Steps;
        var before = log.Statistics();
        for (int i = 0; i < 100; i++)
            Assert.Equal(1, log.Commit());
        Assert.Equal(steps, inner.Steps);
        Assert.Equal(before, log.Statistics());
    }

    [Fact]
    public void Plan_DamageInTheMiddle_IsAnErrorAndNotTheEnd()
    {
        var disk = LogModel.NewDisk();
        using (var log = Open(disk))
        {
            for (int i = 0; i < 60; i++)
            {
                log.Append(Record(i));
                log.Commit();
            }
            log.Close();
        }
        // the header of a frame in the middle: a scan that stops there quietly has lost the rest
        Change(disk, SegmentWriter.NameOf(0), image => image[image.AsSpan().IndexOf(Record(47)) - 72] ^= 1);
        var error = Assert.Throws<StoreException>(() => LogReader.Open(disk, LogModel.Place, OnDamage.Raise));
        Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
        using var reader = LogReader.Open(disk, LogModel.Place, OnDamage.Skip);
        Assert.Equal(60, reader.EndRecord);
        Assert.Equal(ErrorKind.ChecksumMismatch, Assert.Throws<StoreException>(() => reader.Plan(0, 60, long.MaxValue, false)).Kind);
        Assert.Equal(Enumerable.Range(0, 60).Where(i => i != 47).Select(i => (long)i), reader.Plan(0, 60, long.MaxValue, true).Numbers);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Read_WordsSwappedOrFlippedInPairs_IsDamage(int kind)
    {
        // an exclusive or of the words is the same after each of these
        var record = Enumerable.Range(0, 256).Select(i => (byte)(i * 7)).ToArray();
        var disk = LogModel.NewDisk();
        using (var log = Open(disk))
        {
            log.Append(record);
            log.Close();
        }
        Change(disk, SegmentWriter.NameOf(0), image =>
        {
            var bytes = image.AsSpan(image.AsSpan().IndexOf(record));
            if (kind == 0)
            {
                var word = bytes[..8].ToArray();
                bytes[8..16].CopyTo(bytes);
                word.CopyTo(bytes[8..]);
            }
            else if (kind == 1)
            {
                bytes[3] ^= 0x10;
                bytes[11] ^= 0x10;
            }
            else
                bytes[64..128].Clear();
        });
        using var again = LogReader.Open(disk, LogModel.Place, OnDamage.Skip);
        Assert.Equal(ErrorKind.ChecksumMismatch, Assert.Throws<StoreException>(() => again.Read(0)).Kind);
    }

    [Fact]
    public void Open_MetaTornAtEveryPlace_TheLogIsTheOneBeforeOrAfter()
    {
        var disk = LogModel.NewDisk();
        var log = Open(disk);
        for (int i = 0; i < 200; i++)
            log.Append(Record(i));
        log.Commit();
        log.Truncate(100);
        byte[] before, after;
        using (var file = disk.Open($"{LogModel.Place}/META", DiskOpen.Write))
        {
            before = Image(file);
            var (content, generation) = TwoSlots.Read(before)!.Value;
            TwoSlots.Write(file, (LogMeta.Parse(content, "META") with { Begin = 150 }).ToBytes(), generation + 1);
            after = Image(file);
        }
        for (int cut = 0; cut <= before.Length; cut += 32)
        {
            disk = disk.Kill();
            Change(disk, "META", image =>
            {
                before.CopyTo(image, 0);
                after.AsSpan(0, cut).CopyTo(image);
            });
            using var again = Open(disk);
            Assert.Contains(again.Begin, new[] { 100L, 150L });
            Assert.Equal(200, again.EndRecord);
            Assert.Equal(Record(199), again.Read(199));
        }

        static byte[] Image(DiskFile file)
        {
            var image = new byte[file.Length];
            _ = file.Read(image, 0);
            return image;
        }
    }

    [Fact]
    public void Open_NothingCanBeRead_IsAnErrorAndNeverAnEmptyLog()
    {
        var disk = LogModel.NewDisk();
        using (var log = Open(disk))
        {
            for (int i = 0; i < 500; i++)
                log.Append(Record(i));
            log.Close();
        }
        var names = disk.List(LogModel.Place).Where(name => name != "LOCK").ToArray();
        foreach (string name in names)
            Change(disk, name, image => image.AsSpan().Fill(0xa5));
        foreach (var onDamage in new[] { OnDamage.Raise, OnDamage.Skip })
        {
            Assert.Throws<StoreException>(() => LogWriter.Open(disk, LogModel.Place, Small with { OnDamage = onDamage }));
            Assert.Throws<StoreException>(() => LogReader.Open(disk, LogModel.Place, onDamage));
        }
    }

    [Fact]
    public void Cursors_AfterReopening_GoOnWhereTheyWere()
    {
        var disk = LogModel.NewDisk();
        using (var log = Open(disk))
        {
            for (int i = 0; i < 300; i++)
                log.Append(Record(i));
            log.Commit();
            log.SetCursor("seen", 120);
            log.SetCursor("all", 300);
            log.SetCursor("behind", 10);
            log.Truncate(100);
            log.Close();
        }
        using var again = Open(disk.Crash(new Random(3)));
        // what was read, what is to come, and what was truncated before it was read: the three ways to resume
        Assert.Equal((120L, 300L, 100L, 100L), (again.Cursor("seen"), again.Cursor("all"), again.Cursor("behind"), again.Cursor("never")));
    }
}
