using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Log;

/// <summary>Files whose bytes are not what was written: an error that names the place, or the right records, never wrong ones.</summary>
public sealed class LogDamageTests : IDisposable
{
    static readonly LogOptions Small = new() { SegmentSize = LogOptions.LeastSegment, BufferSize = 4096 };

    readonly string _root = Directory.CreateTempSubdirectory("s3dlio-damage-").FullName;

    string Log => Path.Combine(_root, "log");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    static byte[] Record(int number) => [.. Enumerable.Repeat((byte)(number + 1), 40 + (number % 100))];

    void Make(int records, LogOptions options, bool close)
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

    /// <summary>Opens and reads all that can be read: the numbers that failed, or null when the log could not be opened.</summary>
    List<long>? Readable(int records, OnDamage onDamage, bool write)
    {
        RecordLog log;
        try
        {
            log = write ? LogWriter.Open(Log, Small with { OnDamage = onDamage }) : LogReader.Open(Log, onDamage);
        }
        catch (StoreException error)
        {
            Assert.Contains(error.Kind, new[] { ErrorKind.ChecksumMismatch, ErrorKind.InvalidData });
            return null;
        }
        using (log)
        {
            List<long> failed = [];
            Assert.True(log.EndRecord <= records);
            for (long i = 0; i < records; i++)
            {
                try
                {
                    Assert.Equal(Record((int)i), log.Read(i));
                }
                catch (StoreException error)
                {
                    Assert.Contains(error.Kind, new[] { ErrorKind.ChecksumMismatch, ErrorKind.NotFound, ErrorKind.InvalidData });
                    // a clean log never calls committed records absent
                    Assert.True(error.Kind != ErrorKind.NotFound || log.EndRecord < records, error.Message);
                    failed.Add(i);
                }
            }
            return failed;
        }
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 0)]
    [InlineData(true, 3)]
    public void Read_EveryByteFlipped_NoWrongRecordAndNoSilentLoss(bool close, int compression)
    {
        const int records = 400;
        Make(records, Small with { Compression = compression }, close);
        var files = Directory.GetFiles(Log).Where(file => !file.EndsWith("LOCK", StringComparison.Ordinal)).Order().ToArray();
        int step = Environment.GetEnvironmentVariable("S3DLIO_LOG_EVERY_BYTE") is null ? 7 : 1, found = 0, flips = 0;
        var images = files.Select(File.ReadAllBytes).ToArray();
        for (int f = 0; f < files.Length; f++)
        {
            for (int at = f; at < images[f].Length; at += step)
            {
                // what was reserved and never written is zeros, and nobody's
                if (!close && images[f][at] == 0 && at % 64 != 0)
                    continue;
                flips++;
                using (var file = File.OpenWrite(files[f]))
                {
                    file.Position = at;
                    file.WriteByte((byte)(images[f][at] ^ (1 << (at % 8))));
                }
                var failed = Readable(records, OnDamage.Raise, write: false);
                found += failed is null || failed.Count > 0 ? 1 : 0;
                // one flip never takes the rest of the log along when asked to go on
                if (failed is null && images[f].Length > 9000)
                    Assert.True(Readable(records, OnDamage.Skip, write: false) is not { } left || left.Count < 250);
                File.WriteAllBytes(files[f], images[f]);
            }
        }
        Assert.InRange(found, flips / 2, flips);
    }

    [Fact]
    public void Open_EveryLengthOfACutFile_AcknowledgedLossIsTold()
    {
        const int records = 60;
        Make(records, Small, close: true);
        string file = Directory.GetFiles(Log, "seg-*").Single();
        var image = File.ReadAllBytes(file);
        // the last bytes may be padding, which holds nothing
        int step = Environment.GetEnvironmentVariable("S3DLIO_LOG_EVERY_BYTE") is null ? 3 : 1;
        for (int length = 0; length <= image.Length - 8; length += step)
        {
            File.WriteAllBytes(file, image[..length]);
            Assert.Null(Readable(records, OnDamage.Raise, write: true));
            Assert.Equal(length, new FileInfo(file).Length);
        }
        File.WriteAllBytes(file, image);
        Assert.Empty(Readable(records, OnDamage.Raise, write: true)!);
    }

    [Fact]
    public void Open_ZeroedBlockInTheMiddle_IsDamageNotTheEnd()
    {
        var options = new LogOptions();
        Make(400, options, close: false);
        string file = Directory.GetFiles(Log, "seg-*").Single();
        using (var open = File.OpenWrite(file))
        {
            open.Position = 12288;
            open.Write(new byte[4096]);
        }
        var error = Assert.Throws<StoreException>(() => LogWriter.Open(Log, options));
        Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
        Assert.Contains("committed and are damaged", error.Message, StringComparison.Ordinal);
        Assert.InRange(error.Offset!.Value, 8192, 16384);
        using (var log = LogWriter.Open(Log, options with { OnDamage = OnDamage.Skip }))
        {
            Assert.Equal(400, log.EndRecord);
            Assert.NotEmpty(log.Damage);
            Assert.Equal(Record(399), log.Read(399));
            Assert.Equal(Record(0), log.Read(0));
            var plan = log.Plan(0, 400, long.MaxValue, true);
            Assert.InRange(plan.Numbers.Count, 300, 390);
            Assert.Equal(400, log.Append([1]));
            log.Commit();
        }
        // the gap is still there and still told
        Assert.Throws<StoreException>(() => LogWriter.Open(Log, options));
        using var cut = LogWriter.Open(Log, options with { OnDamage = OnDamage.Cut });
        Assert.InRange(cut.EndRecord, 20, 200);
        long next = cut.EndRecord;
        Assert.Equal(next, cut.Append([7]));
        cut.Close();
        LogWriter.Open(Log, options).Close();
    }

    [Fact]
    public void Read_FlippedPayload_OnlyThatRecordFails()
    {
        Make(100, new LogOptions(), close: true);
        string file = Directory.GetFiles(Log, "seg-*").Single();
        var image = File.ReadAllBytes(file);
        int at = image.AsSpan().IndexOf(Record(50));
        image[at + 3] ^= 1;
        File.WriteAllBytes(file, image);
        using var log = LogWriter.Open(Log, new LogOptions());
        Assert.Equal(100, log.EndRecord);
        var error = Assert.Throws<StoreException>(() => log.Read(50));
        Assert.Equal((ErrorKind.ChecksumMismatch, (long?)at), (error.Kind, error.Offset));
        Assert.Contains("record 50", error.Message, StringComparison.Ordinal);
        Assert.Single(log.Damage);
        for (int i = 0; i < 100; i++)
        {
            if (i != 50)
                Assert.Equal(Record(i), log.Read(i));
        }
    }

    [Fact]
    public void Read_ManyApart_DamageIsNamedAndAFileThatWasCutIsNoSignal()
    {
        Make(2000, new LogOptions { SegmentSize = LogOptions.LeastSegment, BufferSize = 4096 }, close: true);
        using var log = LogReader.Open(Log, OnDamage.Raise);
        Assert.InRange(log.Segments.Count, 4, 1000);
        long[] apart = [.. Enumerable.Range(0, 300).Select(i => (i * 997L) % 2000)];
        byte[] ReadThem()
        {
            var plan = log.Plan(apart);
            Assert.InRange(plan.Runs.Count, 200, 300);
            var data = new byte[plan.Length];
            plan.Read(data, CancellationToken.None);
            return data;
        }
        Assert.Equal(apart.SelectMany(number => Record((int)number)), ReadThem());
        string file = log.Segments[1].Path;
        int wanted = (int)apart.First(number => number >= log.Segments[1].FirstRecord && number < log.Segments[2].FirstRecord);
        var image = File.ReadAllBytes(file);
        using (var open = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite))
        {
            int at = image.AsSpan().IndexOf(Record(wanted));
            RandomAccess.Write(open, [(byte)(image[at] ^ 1)], at);
            var error = Assert.Throws<StoreException>(ReadThem);
            Assert.Equal((ErrorKind.ChecksumMismatch, (long?)at), (error.Kind, error.Offset));
            Assert.Contains($"record {wanted} ", error.Message, StringComparison.Ordinal);
            RandomAccess.SetLength(open, 100);
            error = Assert.Throws<StoreException>(ReadThem);
            Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
            Assert.Contains($"record {wanted} ", error.Message, StringComparison.Ordinal);
        }
        File.WriteAllBytes(file, image);
        Assert.Equal(apart.SelectMany(number => Record((int)number)), ReadThem());
    }

    [Fact]
    public async Task ReadAsync_ManyBytes_IsOnSeveralThreadsAndTellsDamage()
    {
        using (var writer = LogWriter.Open(Log, new LogOptions { SegmentSize = 1 << 20 }))
        {
            for (int i = 0; i < 40_000; i++)
                writer.Append(Record(i));
            writer.Close();
        }
        using var log = LogReader.Open(Log, OnDamage.Raise);
        var plan = log.Plan(0, long.MaxValue, long.MaxValue, false);
        Assert.InRange(plan.Length, 1 << 20, int.MaxValue);
        var data = new byte[plan.Length];
        await log.ReadAsync(plan, data, CancellationToken.None);
        Assert.Equal(Enumerable.Range(0, 40_000).SelectMany(Record), data);
        string file = log.Segments[0].Path;
        int at = File.ReadAllBytes(file).AsSpan().IndexOf(Record(99));
        using (var open = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite))
            RandomAccess.Write(open, [(byte)(Record(99)[0] ^ 1)], at);
        var error = await Assert.ThrowsAsync<StoreException>(async () => await log.ReadAsync(plan, data, CancellationToken.None));
        Assert.Equal((ErrorKind.ChecksumMismatch, (long?)at), (error.Kind, error.Offset));
    }

    [Fact]
    public void Read_FramesOfAnotherPlaceOrLog_AreRefused()
    {
        Make(100, new LogOptions(), close: true);
        string file = Directory.GetFiles(Log, "seg-*").Single();
        var image = File.ReadAllBytes(file);
        // the second frame's bytes over the first: same log, another place
        int first = SegmentHeader.Length, second = first;
        do
            second += 8;
        while (BitConverter.ToInt64(image, second + 8) != second);
        image.AsSpan(second, second - first).ToArray().CopyTo(image.AsSpan(first));
        File.WriteAllBytes(file, image);
        Assert.Equal(ErrorKind.ChecksumMismatch, Assert.Throws<StoreException>(() => LogWriter.Open(Log, new LogOptions())).Kind);
        // a segment of another log
        Directory.Move(Log, Log + ".old");
        Make(100, new LogOptions(), close: true);
        File.Copy(Directory.GetFiles(Log + ".old", "seg-*").Single(), file, overwrite: true);
        var error = Assert.Throws<StoreException>(() => LogWriter.Open(Log, new LogOptions()));
        Assert.Equal(ErrorKind.InvalidData, error.Kind);
        Assert.Contains("two logs", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(10)]
    [InlineData(32)]
    public void Open_NewerVersionOrUnknownFeature_IsRefusedByItsMinimumOnly(int field)
    {
        Make(10, new LogOptions(), close: true);
        string file = Directory.GetFiles(Log, "seg-*").Single();
        var image = File.ReadAllBytes(file);
        image[field] = 9;
        BitConverter.TryWriteBytes(image.AsSpan(4092), Hashing.Crc32C.Compute(image.AsSpan(0, 4092)));
        File.WriteAllBytes(file, image);
        if (field == 8)
        {
            // written by a newer version, and readable by this one: it says so
            using var log = LogReader.Open(Log, OnDamage.Raise);
            Assert.Equal(10, log.EndRecord);
            return;
        }
        var error = Assert.Throws<StoreException>(() => LogReader.Open(Log, OnDamage.Raise));
        Assert.Equal(ErrorKind.InvalidData, error.Kind);
        Assert.Contains("newer version", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Open_MetaLost_IsRebuiltFromTheSegments(int lost)
    {
        Make(400, Small, close: true);
        string meta = Path.Combine(Log, "META");
        var image = File.ReadAllBytes(meta);
        if (lost == 2)
            File.Delete(meta);
        else
        {
            image.AsSpan(0, 8192).Clear();
            File.WriteAllBytes(meta, lost == 0 ? image : []);
        }
        Assert.Empty(Readable(400, OnDamage.Raise, write: false)!);
        Assert.Empty(Readable(400, OnDamage.Raise, write: true)!);
        Assert.Empty(Readable(400, OnDamage.Raise, write: true)!);
    }

    [Fact]
    public void Open_SegmentMissing_RecordsAreNamed()
    {
        Make(400, Small, close: true);
        var files = Directory.GetFiles(Log, "seg-*").Order().ToArray();
        Assert.InRange(files.Length, 3, 10);
        File.Delete(files[1]);
        using (var log = LogReader.Open(Log, OnDamage.Raise))
        {
            Assert.Equal(Record(399), log.Read(399));
            Assert.Equal(ErrorKind.ChecksumMismatch, Assert.Throws<StoreException>(() => All(log)).Kind);
        }
        File.Delete(files[^1]);
        string told = Assert.Throws<StoreException>(() => LogWriter.Open(Log, Small)).Message;
        Assert.Contains("newest segment is not there", told, StringComparison.Ordinal);

        static void All(RecordLog log)
        {
            for (long i = 0; i < log.EndRecord; i++)
                log.Read(i);
        }
    }

    [Fact]
    public void Open_RandomBytesInAnyFile_ErrorOrRightRecordsInBoundedMemory()
    {
        const int records = 150;
        Make(records, Small, close: true);
        var files = Directory.GetFiles(Log).Where(file => !file.EndsWith("LOCK", StringComparison.Ordinal)).Order().ToArray();
        var images = files.Select(File.ReadAllBytes).ToArray();
        var random = new Random(5);
        for (int round = 0; round < 600; round++)
        {
            int f = random.Next(files.Length);
            var image = images[f].ToArray();
            for (int i = random.Next(1, 20); i > 0; i--)
            {
                int at = random.Next(image.Length - 8);
                BitConverter.TryWriteBytes(
                    image.AsSpan(at), random.Next(3) switch { 0 => random.NextInt64(), 1 => -1L, _ => long.MaxValue });
            }
            File.WriteAllBytes(files[f], image);
            long before = GC.GetAllocatedBytesForCurrentThread();
            Readable(records, round % 2 == 0 ? OnDamage.Raise : OnDamage.Skip, write: false);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 << 20);
            File.WriteAllBytes(files[f], images[f]);
        }
    }
}
