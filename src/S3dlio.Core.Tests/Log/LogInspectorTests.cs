using System.Text;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;
using S3dlio.Storage.Memory;
using Xunit;

namespace S3dlio.Log;

/// <summary>
/// What the inspector counts and the self-check finds, and what a repair leaves: on logs that are whole, open, damaged and cut.
/// </summary>
public sealed class LogInspectorTests : IDisposable
{
    static readonly LogOptions Small = new() { SegmentSize = LogOptions.LeastSegment, BufferSize = 4096 };

    readonly string _root = Directory.CreateTempSubdirectory("s3dlio-inspect-").FullName;

    string Log => Path.Combine(_root, "log");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    static byte[] Record(long number) => [.. Enumerable.Repeat((byte)(number + 1), (int)(40 + (number % 100)))];

    void Make(int records, LogOptions options, bool close = true)
    {
        var log = LogWriter.Open(Log, options);
        for (int i = 0; i < records; i++)
        {
            log.Append(Record(i));
            if (i % 10 == 9)
                log.Commit();
        }
        log.Commit();
        if (close)
            log.Close();
        else
            log.Dispose();
    }

    string[] Segments => [.. Directory.GetFiles(Log, "seg-*").Order()];

    static void Flip(string file, long at)
    {
        var image = File.ReadAllBytes(file);
        image[at] ^= 4;
        File.WriteAllBytes(file, image);
    }

    LogInspection Repair(ObjectStore? copy = null) => LogRepair.RunAsync(Log, copy, "c/", CancellationToken.None).AsTask().Result.After;

    LogInspection Plan(ObjectStore? copy = null) => LogRepair.PlanAsync(Log, copy, "c/", CancellationToken.None).AsTask().Result;

    /// <summary>Every record but those that are missing, as they were appended.</summary>
    void CheckRecords(int records, params long[] missing)
    {
        using var log = LogWriter.Open(Log, new LogOptions { ChecksSchema = false });
        Assert.Equal(records, log.EndRecord);
        for (long i = 0; i < records; i++)
        {
            if (missing.Contains(i))
                Assert.Equal(ErrorKind.ChecksumMismatch, Assert.Throws<StoreException>(() => log.Read(i)).Kind);
            else
                Assert.Equal(Record(i), log.Read(i));
        }
    }

    [Fact]
    public void Inspect_ValidLog_CountsAreExact()
    {
        Make(1000, Small);
        using (var log = LogReader.Open(Log, OnDamage.Raise))
            log.SetCursor("trainer", 17);
        var found = LogSurvey.Inspect(Log);
        Assert.True(found.IsWhole);
        Assert.Empty(found.Findings);
        Assert.Equal(
            (0L, 1000L, true, null, 1, 1), (found.Begin, found.End, found.IsClosed, found.Writer, found.Version, found.LeastVersion));
        Assert.Equal((Small.SegmentSize, 8, 0, 1L), (found.SegmentSize, found.Alignment, found.RecordSize, found.Epoch));
        Assert.Equal(Segments.Select(Path.GetFileName), found.Segments.Select(one => one.Name));
        Assert.Equal(1000, found.Segments.Sum(one => one.EndRecord - one.FirstRecord));
        Assert.Equal(Segments.Sum(file => new FileInfo(file).Length), found.Segments.Sum(one => one.Length));
        Assert.All(found.Segments.SkipLast(1), one => Assert.True(one.IsSealed && one.Frames > 0));
        Assert.Equal(17, found.Cursors["trainer"]);
        Assert.Equal(0, found.RecordsChecked);
    }

    [Fact]
    public void Inspect_DefaultConfiguredLog_NeedsNoConfiguration()
    {
        // an inspector that guesses the segment size, the record size or the page size tells nonsense here
        Make(100, new LogOptions());
        var found = LogSurvey.Inspect(Log);
        Assert.Equal((100L, 64L << 20, true), (found.End, found.SegmentSize, found.IsWhole));
        Assert.Equal((100L, 1), (found.Segments[0].EndRecord, found.Segments.Count));
    }

    [Fact]
    public void Check_ValidLog_EveryRecordWasRead()
    {
        Make(1000, Small);
        var found = LogSurvey.Check(Log);
        Assert.Empty(found.Findings);
        Assert.Equal(1000, found.RecordsChecked);
        Assert.InRange(found.BytesChecked, Enumerable.Range(0, 1000).Sum(i => Record(i).Length), long.MaxValue);
    }

    [Fact]
    public void Inspect_OpenLog_NamesTheWriterAndCountsCommittedRecords()
    {
        using var log = LogWriter.Open(Log, Small);
        for (int i = 0; i < 300; i++)
            log.Append(Record(i));
        log.Commit();
        log.Append(Record(300));
        foreach (bool checks in new[] { false, true })
        {
            var found = checks ? LogSurvey.Check(Log) : LogSurvey.Inspect(Log);
            Assert.Equal((300L, false, true), (found.End, found.IsClosed, found.IsWhole));
            Assert.Contains($"process {Environment.ProcessId}", found.Writer, StringComparison.Ordinal);
        }
        // it took no lock and freed none
        Assert.Equal(301, log.Commit());
        Assert.Throws<StoreException>(() => LogWriter.Open(Log, Small));
        Assert.Equal(ErrorKind.Unavailable, Assert.Throws<AggregateException>(() => Repair())
            .InnerExceptions.OfType<StoreException>().Single().Kind);
    }

    [Fact]
    public async Task Check_WhileWrittenAndTruncated_FindsNothingWrong()
    {
        using var log = LogWriter.Open(Log, Small);
        using var stop = new CancellationTokenSource();
        var writing = Task.Run(() =>
        {
            for (long i = 0; !stop.IsCancellationRequested; i++)
            {
                log.Append(Record(i % 200));
                if (i % 7 == 0)
                    log.Commit();
                if (i % 500 == 499)
                    log.Truncate(log.Committed - 200);
            }
        });
        try
        {
            for (int i = 0; i < 40; i++)
                Assert.DoesNotContain(
                    LogSurvey.Run(LocalDisk.Shared, Log, i % 2 == 0, CancellationToken.None).Findings,
                    one => one.Kind == FindingKind.Damage);
        }
        finally
        {
            stop.Cancel();
            await writing;
        }
    }

    [Fact]
    public void Inspect_InvalidLogs_AreToldApart()
    {
        Assert.Equal(ErrorKind.NotFound, Assert.Throws<StoreException>(() => LogSurvey.Inspect(Log)).Kind);
        Directory.CreateDirectory(Log);
        Assert.Equal(ErrorKind.NotFound, Assert.Throws<StoreException>(() => LogSurvey.Inspect(Log)).Kind);
        File.WriteAllText($"{Log}/{SegmentWriter.NameOf(0)}", "this is no segment at all, and it is long enough to be looked at");
        var found = LogSurvey.Inspect(Log);
        Assert.False(found.IsWhole);
        Assert.Equal(FindingKind.Damage, Assert.Single(found.Findings).Kind);
    }

    [Theory]
    [InlineData(8, true)]
    [InlineData(10, false)]
    public void Inspect_LogOfAnotherVersion_TellsTheVersionAndWhetherThisReaderMayReadIt(int field, bool isReadable)
    {
        Make(10, new LogOptions());
        var image = File.ReadAllBytes(Segments[0]);
        image[field] = 9;
        BitConverter.TryWriteBytes(image.AsSpan(4092), Crc32C.Compute(image.AsSpan(0, 4092)));
        File.WriteAllBytes(Segments[0], image);
        var found = LogSurvey.Check(Log);
        Assert.Equal(isReadable, found.IsWhole);
        Assert.Equal(isReadable ? 9 : 1, found.Version);
        Assert.Equal(isReadable ? 1 : 9, found.LeastVersion);
        if (!isReadable)
            Assert.Contains("newer version", Assert.Single(found.Findings).What, StringComparison.Ordinal);
        // no repair touches what it does not understand
        if (!isReadable)
            Assert.False(Repair().IsWhole);
        Assert.Equal(image, File.ReadAllBytes(Segments[0]));
    }

    [Fact]
    public void Inspect_EveryLengthOfACutLog_NeverThrowsAndCountsWhatIsThere()
    {
        Make(60, Small, close: false);
        var image = File.ReadAllBytes(Segments[0]);
        for (int length = 0; length <= 8192; length += 3)
        {
            File.WriteAllBytes(Segments[0], image[..length]);
            foreach (bool checks in new[] { false, true })
            {
                var found = checks ? LogSurvey.Check(Log) : LogSurvey.Inspect(Log);
                // META proves the first commits, TAIL the last one: what is cut off is damage
                Assert.False(found.IsWhole, $"cut to {length}");
                Assert.InRange(found.End, 0, 60);
            }
            Assert.Equal(length, new FileInfo(Segments[0]).Length);
        }
    }

    [Fact]
    public void Check_DryRun_ChangesNothingAndTheLogStillRefusesToOpen()
    {
        Make(400, new LogOptions(), close: false);
        using (var open = File.OpenWrite(Segments[0]))
        {
            open.Position = 12288;
            open.Write(new byte[4096]);
        }
        var before = Directory.GetFiles(Log).Order().Select(File.ReadAllBytes).ToArray();
        var found = Plan();
        Assert.False(found.IsWhole);
        var damage = found.Findings.Where(one => one.Kind == FindingKind.Damage).ToArray();
        var gap = Assert.Single(damage, one => one.Repair == FindingRepair.Seal);
        Assert.All(damage, one => Assert.InRange(one.Offset!.Value, 8192, 16384));
        Assert.Equal(before, Directory.GetFiles(Log).Order().Select(File.ReadAllBytes));
        Assert.Equal(ErrorKind.ChecksumMismatch, Assert.Throws<StoreException>(() => LogWriter.Open(Log, new LogOptions())).Kind);
        // repaired: it opens by default, gives every record that is whole and names the others
        var after = Repair();
        long[] missing = [.. damage.SelectMany(one => Enumerable.Range((int)one.FirstRecord, (int)(one.EndRecord - one.FirstRecord)))
            .Select(i => (long)i)];
        Assert.InRange(missing.Length, 10, 100);
        CheckRecords(400, missing);
        Assert.Equal(
            damage.Select(one => (one.FirstRecord, one.EndRecord)), after.Findings.Select(one => (one.FirstRecord, one.EndRecord)));
        Assert.All(after.Findings, one => Assert.Equal(FindingRepair.None, one.Repair));
        using var log = LogWriter.Open(Log, new LogOptions());
        Assert.Equal(400, log.Append([1]));
    }

    [Fact]
    public void Check_FlippedBytesOfRecords_EachIsNamedWithItsPlace()
    {
        Make(1000, Small);
        var image = File.ReadAllBytes(Segments[1]);
        long first = LogSurvey.Inspect(Log).Segments[1].FirstRecord;
        int[] places = [.. new long[] { first, first + 1, first + 11 }.Select(number => image.AsSpan().IndexOf(Record(number)))];
        foreach (int place in places)
            Flip(Segments[1], place + 1);
        var found = LogSurvey.Check(Log);
        Assert.Equal(places.Select(place => (long?)place), found.Findings.Select(one => one.Offset));
        Assert.Equal([first, first + 1, first + 11], found.Findings.Select(one => one.FirstRecord));
        Assert.All(found.Findings, one => Assert.Equal((FindingKind.Damage, Segments[1]), (one.Kind, one.Path)));
        // an inspection reads no records
        Assert.True(LogSurvey.Inspect(Log).IsWhole);
        CheckRecords(1000, first, first + 1, first + 11);
    }

    [Fact]
    public void Repair_DamagedFooter_IsMadeAnewFromTheFrames()
    {
        Make(1000, Small);
        string file = Segments[2];
        var before = File.ReadAllBytes(file);
        Flip(file, before.Length - 40);
        Assert.Contains(Plan().Findings, one => one is { Kind: FindingKind.Redundant, Repair: FindingRepair.Footer });
        Assert.Empty(Repair().Findings);
        Assert.Equal(before.Length, new FileInfo(file).Length);
        CheckRecords(1000);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-1)]
    public void Repair_DamagedHeader_IsMadeAnewFromMetaAndTheFrames(int which)
    {
        Make(1000, Small);
        string file = which < 0 ? Segments[^1] : Segments[which];
        var before = File.ReadAllBytes(file);
        for (int at = 0; at < 4096; at += 16)
            Flip(file, at);
        if (which < 0)
            Assert.Throws<StoreException>(() => LogWriter.Open(Log, Small));
        Assert.Contains(Plan().Findings, one => one.Repair == FindingRepair.Header);
        Assert.Empty(Repair().Findings);
        // all but the time of creation, which nothing else tells
        var after = File.ReadAllBytes(file);
        Assert.Equal(before[..64], after[..64]);
        Assert.Equal(before[72..4092], after[72..4092]);
        CheckRecords(1000);
    }

    [Fact]
    public async Task Repair_SegmentWithACopy_IsHealedAndReported()
    {
        Make(1000, Small);
        var store = new MemoryStore(StoreUri.Parse($"memory://{Guid.NewGuid():n}"));
        await LogUpload.RunAsync(Log, store, "c/", null, CancellationToken.None);
        var images = Segments.SkipLast(1).ToDictionary(file => file, File.ReadAllBytes);
        Flip(Segments[1], 5000);
        Flip(Segments[3], 4200);
        File.Delete(Segments[2]);
        var plan = Plan(store);
        Assert.All(plan.Findings.Where(one => one.Kind == FindingKind.Damage), one => Assert.Equal(FindingRepair.Copy, one.Repair));
        Assert.InRange(plan.Findings.Count, 3, 30);
        Assert.Empty(Repair(store).Findings);
        foreach (var (file, image) in images)
            Assert.Equal(image, File.ReadAllBytes(file));
        CheckRecords(1000);
    }

    [Fact]
    public async Task Repair_CopyThatIsDamagedOrOfAnotherLog_IsRefusedAndNothingChanges()
    {
        Make(1000, Small);
        var store = new MemoryStore(StoreUri.Parse($"memory://{Guid.NewGuid():n}"));
        await LogUpload.RunAsync(Log, store, "c/", null, CancellationToken.None);
        string name = "c/" + Path.GetFileName(Segments[1]);
        var image = File.ReadAllBytes(Segments[1]);
        Flip(Segments[1], 5000);
        var damaged = File.ReadAllBytes(Segments[1]);
        foreach (byte[] copy in new[] { damaged, [.. image[..^1], (byte)(image[^1] ^ 1)], image[..5000], [] })
        {
            await store.PutAsync(name, new Payload(copy), PutOptions.Default, null, CancellationToken.None);
            var error = Assert.IsType<StoreException>(Assert.Throws<AggregateException>(() => Repair(store)).InnerException);
            Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
            Assert.Equal(damaged, File.ReadAllBytes(Segments[1]));
        }
        await store.PutAsync(name, new Payload(image), PutOptions.Default, null, CancellationToken.None);
        Assert.Empty(Repair(store).Findings);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Check_EveryByteFlipped_WhatCannotBeReadIsFoundAndRepairKeepsTheRest(bool close)
    {
        const int records = 300;
        Make(records, Small, close);
        var files = Directory.GetFiles(Log).Where(file => !file.EndsWith("LOCK", StringComparison.Ordinal)).Order().ToArray();
        var images = files.Select(File.ReadAllBytes).ToArray();
        int step = Environment.GetEnvironmentVariable("S3DLIO_LOG_EVERY_BYTE") is null ? 41 : 1;
        for (int f = 0; f < files.Length; f++)
        {
            for (int at = f; at < images[f].Length; at += step)
            {
                if (!close && images[f][at] == 0 && at % 64 != 0)
                    continue;
                Flip(files[f], at);
                var found = LogSurvey.Check(Log);
                HashSet<long> damaged = [];
                foreach (var one in found.Findings.Where(one => one.FirstRecord >= 0))
                    damaged.UnionWith(Enumerable.Range((int)one.FirstRecord, (int)Math.Max(0, one.EndRecord - one.FirstRecord))
                        .Select(i => (long)i));
                // at most what shares a frame is lost, and all that is lost is named
                Assert.InRange(damaged.Count, 0, 120);
                var after = Repair();
                using (var log = LogReader.Open(Log, OnDamage.Raise))
                {
                    Assert.Equal(records, log.EndRecord);
                    for (long i = 0; i < records; i++)
                    {
                        if (damaged.Contains(i))
                            Assert.Throws<StoreException>(() => log.Read(i));
                        else
                            Assert.Equal(Record(i), log.Read(i));
                    }
                }
                Assert.All(after.Findings, one => Assert.Equal(FindingRepair.None, one.Repair));
                foreach (string file in Directory.GetFiles(Log).Except(files)
                    .Where(file => !file.EndsWith("LOCK", StringComparison.Ordinal)))
                    File.Delete(file);
                for (int i = 0; i < files.Length; i++)
                    File.WriteAllBytes(files[i], images[i]);
            }
        }
    }

    [Fact]
    public async Task Repair_CrashAtEveryStep_LosesNothingThatCouldBeRead()
    {
        for (int cut = 0; ; cut++)
        {
            var disk = LogModel.NewDisk();
            var log = LogWriter.Open(disk, LogModel.Place, Small);
            for (int i = 0; i < 300; i++)
                log.Append(Record(i));
            log.Close();
            foreach (string name in disk.List(LogModel.Place).Where(name => name.StartsWith("seg-", StringComparison.Ordinal)).Order()
                .Take(2))
            {
                using var file = disk.Open($"{LogModel.Place}/{name}", DiskOpen.Write);
                file.Write(new byte[8], name.EndsWith("0000.s3l", StringComparison.Ordinal) ? 40 : file.Length - 20);
                file.Flush();
            }
            disk.CutBefore = disk.Steps + cut;
            bool isCut = false;
            try
            {
                Assert.Empty((await LogRepair.RunAsync(disk, LogModel.Place, null, "", CancellationToken.None)).After.Findings);
            }
            catch (Exception) when (disk.IsOff)
            {
                isCut = true;
            }
            disk = disk.Crash(new Random(cut));
            Assert.Empty((await LogRepair.RunAsync(disk, LogModel.Place, null, "", CancellationToken.None)).After.Findings);
            using var again = LogWriter.Open(disk, LogModel.Place, Small);
            for (int i = 0; i < 300; i++)
                Assert.Equal(Record(i), again.Read(i));
            if (!isCut)
                return;
        }
    }

    [Fact]
    public void Statistics_AfterWork_AreWhatWasDone()
    {
        using var log = LogWriter.Open(Log, Small);
        Assert.Equal(default, log.Statistics() with { DiskBytes = 0, Segments = 0 });
        for (int i = 0; i < 500; i++)
            log.Append(Record(i));
        log.Commit();
        log.Append(Record(500));
        log.Truncate(100);
        var found = log.Statistics();
        Assert.Equal((100L, 501L, 500L, 501L, 1L, (long)Record(500).Length),
            (found.Begin, found.End, found.Committed, found.Appended, found.BufferedRecords, found.BufferedBytes));
        Assert.Equal((Enumerable.Range(0, 501).Sum(i => (long)Record(i).Length), 100L), (found.AppendedBytes, found.Truncated));
        Assert.Equal(log.Segments.Count, found.Segments);
        Assert.InRange(found.FrameBytes, found.AppendedBytes - found.BufferedBytes, 2 * found.AppendedBytes);
        Assert.InRange(found.Rolls, 1, 30);
        Assert.InRange(found.Flushes, 1, 2);
        Assert.InRange(found.SlowestFlushNanoseconds, 1, found.FlushNanoseconds);
    }
}
