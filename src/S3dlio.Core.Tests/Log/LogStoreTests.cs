using S3dlio.Storage;
using S3dlio.Transfer;
using S3dlio.Storage.Memory;
using Xunit;

namespace S3dlio.Log;

/// <summary>Sealed segments in a store: uploaded once, read by ranges, followed as more arrive.</summary>
public sealed class LogStoreTests : IDisposable
{
    static readonly LogOptions Small = new() { SegmentSize = LogOptions.LeastSegment, BufferSize = 4096 };

    readonly string _root = Directory.CreateTempSubdirectory("s3dlio-upload-").FullName;
    readonly MemoryStore _store = new(StoreUri.Parse($"memory://{Guid.NewGuid():n}"));

    string Log => Path.Combine(_root, "log");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    static byte[] Record(long number) => [.. Enumerable.Repeat((byte)(number + 1), (int)(40 + (number % 100)))];

    static void Append(LogWriter log, int count)
    {
        for (int i = 0; i < count; i++)
            log.Append(Record(log.EndRecord));
    }

    ValueTask<LogUploadSummary> UploadAsync() => LogUpload.RunAsync(Log, _store, "runs/a/", null, CancellationToken.None);

    ValueTask<StoreLog> OpenAsync(OnDamage onDamage = OnDamage.Raise) =>
        StoreLog.OpenAsync(_store, "runs/a/", onDamage, CancellationToken.None);

    static async Task CheckAsync(RecordLog log, long begin, long end)
    {
        Assert.Equal((begin, end), (log.Begin, log.EndRecord));
        var plan = await log.PlanAsync(begin, long.MaxValue, long.MaxValue, false, CancellationToken.None);
        var data = new byte[plan.Length];
        await log.ReadAsync(plan, data, CancellationToken.None);
        Assert.Equal(Enumerable.Range((int)begin, (int)(end - begin)).SelectMany(i => Record(i)), data);
        long[] numbers = [.. Enumerable.Range(0, 200).Select(i => begin + (i * 7919 % (end - begin)))];
        plan = await log.PlanAsync(numbers, CancellationToken.None);
        data = new byte[plan.Length];
        await log.ReadAsync(plan, data, CancellationToken.None);
        Assert.Equal(numbers.SelectMany(Record), data);
    }

    [Fact]
    public async Task Upload_WhileItGrows_EachSegmentOnceAndReadersSeeMore()
    {
        using var log = LogWriter.Open(Log, Small);
        Append(log, 500);
        var first = await UploadAsync();
        Assert.Equal(log.Segments[^1].FirstRecord, first.End);
        Assert.Equal(log.Segments.Count - 1, first.Uploaded);
        await using var reader = await OpenAsync();
        await CheckAsync(reader, 0, first.End);
        Assert.Equal(0, (await UploadAsync()).Uploaded);
        Append(log, 300);
        log.Seal();
        var second = await UploadAsync();
        Assert.Equal((800L, log.Segments.Count - 1), (second.End, first.Uploaded + second.Uploaded));
        Assert.Equal(800, await reader.RefreshAsync(CancellationToken.None));
        await CheckAsync(reader, 0, 800);
        Assert.Equal(ErrorKind.NotFound,
            (await Assert.ThrowsAsync<StoreException>(() => reader.PlanAsync([800], CancellationToken.None).AsTask())).Kind);
    }

    [Fact]
    public async Task Upload_ThenTruncated_TheStoreKeepsAllAndALateCopyBeginsLater()
    {
        using var log = LogWriter.Open(Log, Small);
        Append(log, 500);
        log.Seal();
        await UploadAsync();
        log.Truncate(333);
        Append(log, 100);
        log.Seal();
        await UploadAsync();
        await using (var reader = await OpenAsync())
            await CheckAsync(reader, 0, 600);
        // a place that never had the older ones: the first segment has a hole where they were
        await LogUpload.RunAsync(Log, _store, "late/", null, CancellationToken.None);
        await using var late = await StoreLog.OpenAsync(_store, "late/", OnDamage.Raise, CancellationToken.None);
        await CheckAsync(late, 333, 600);
        var gone = await Assert.ThrowsAsync<StoreException>(() => late.PlanAsync([332], CancellationToken.None).AsTask());
        Assert.Contains("truncated", gone.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Open_WholeLogCopiedWithItsNewestSegment_IsReadToItsEnd()
    {
        using (var log = LogWriter.Open(Log, Small))
        {
            Append(log, 500);
            log.Close();
        }
        foreach (string file in Directory.GetFiles(Log))
            await _store.PutAsync(
                "runs/a/" + Path.GetFileName(file), new Payload(File.ReadAllBytes(file)), PutOptions.Default, null, CancellationToken.None);
        await using var reader = await OpenAsync();
        await CheckAsync(reader, 0, 500);
    }

    [Fact]
    public async Task Read_FlippedByteInTheStore_IsDamageWithItsPlace()
    {
        using var log = LogWriter.Open(Log, Small);
        Append(log, 500);
        log.Seal();
        await UploadAsync();
        string name = Path.GetFileName(Directory.GetFiles(Log, "seg-*").Order().First());
        var image = File.ReadAllBytes(Path.Combine(Log, name));
        int at = image.AsSpan().IndexOf(Record(3));
        image[at] ^= 1;
        await _store.PutAsync("runs/a/" + name, new Payload(image), PutOptions.Default, null, CancellationToken.None);
        await using var reader = await OpenAsync();
        var plan = await reader.PlanAsync([3], CancellationToken.None);
        var error =
            await Assert.ThrowsAsync<StoreException>(() => reader.ReadAsync(plan, new byte[plan.Length], CancellationToken.None).AsTask());
        Assert.Equal((ErrorKind.ChecksumMismatch, (long?)at), (error.Kind, error.Offset));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(3)]
    public async Task Check_EveryRecordOfAStoresLog_NamesThoseThatAreDamaged(int flipped)
    {
        using var log = LogWriter.Open(Log, Small);
        Append(log, 500);
        log.Seal();
        await UploadAsync();
        if (flipped >= 0)
        {
            string name = Path.GetFileName(Directory.GetFiles(Log, "seg-*").Order().First());
            var image = File.ReadAllBytes(Path.Combine(Log, name));
            image[image.AsSpan().IndexOf(Record(flipped))] ^= 1;
            await _store.PutAsync("runs/a/" + name, new Payload(image), PutOptions.Default, null, CancellationToken.None);
        }
        await using var reader = await OpenAsync(OnDamage.Skip);
        var report = await RecordCheck.RunAsync(reader, NoProgress.Instance, CancellationToken.None);
        Assert.Equal(flipped < 0 ? 500 : 499, report.Records);
        Assert.Equal(Enumerable.Range(0, 500).Where(i => i != flipped).Sum(i => (long)Record(i).Length), report.Bytes);
        if (flipped < 0)
        {
            Assert.Empty(report.Damage);
        }
        else
        {
            var damage = Assert.Single(report.Damage);
            Assert.Equal((flipped, flipped + 1), (damage.First, damage.End));
            Assert.Contains($"record {flipped} is damaged", damage.What, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Upload_DamagedSegmentOrAnotherLogThere_IsRefused()
    {
        using (var log = LogWriter.Open(Log, Small))
        {
            Append(log, 500);
            log.Close();
        }
        string file = Directory.GetFiles(Log, "seg-*").Order().First();
        var image = File.ReadAllBytes(file);
        image[5000] ^= 1;
        File.WriteAllBytes(file, image);
        var error = await Assert.ThrowsAsync<StoreException>(() => UploadAsync().AsTask());
        Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
        Assert.Equal(ErrorKind.NotFound, (await Assert.ThrowsAsync<StoreException>(() => OpenAsync().AsTask())).Kind);
        image[5000] ^= 1;
        File.WriteAllBytes(file, image);
        await UploadAsync();
        Directory.Move(Log, Log + ".old");
        using var other = LogWriter.Open(Log, Small);
        Append(other, 500);
        Assert.Equal(ErrorKind.AlreadyExists, (await Assert.ThrowsAsync<StoreException>(() => UploadAsync().AsTask())).Kind);
    }

    [Fact]
    public async Task WaitAsync_RecordsThatAreUploadedLater_AreHeardOf()
    {
        using var log = LogWriter.Open(Log, Small);
        Append(log, 10);
        log.Seal();
        await UploadAsync();
        await using var reader = await OpenAsync();
        var waiting = reader.WaitAsync(10, CancellationToken.None).AsTask();
        Append(log, 10);
        log.Seal();
        await UploadAsync();
        Assert.Equal(20, await waiting.WaitAsync(TimeSpan.FromSeconds(30)));
        var closed = reader.WaitAsync(20, CancellationToken.None).AsTask();
        await Task.Delay(20);
        await reader.DisposeAsync();
        Assert.Equal(20, await closed.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public async Task CommitAfter_WithoutACall_RecordsBecomeDurable()
    {
        using var log = LogWriter.Open(Log, Small with { CommitAfter = 20 });
        for (int i = 0; i < 3; i++)
        {
            log.Append(Record(i));
            Assert.Equal(i + 1, await log.WaitAsync(i, CancellationToken.None).AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
        }
        using var bySize = LogWriter.Open(Log + "2", Small with { CommitBytes = 2000 });
        Append(bySize, 100);
        Assert.InRange(await bySize.WaitAsync(80, CancellationToken.None).AsTask().WaitAsync(TimeSpan.FromSeconds(30)), 81, 100);
        bySize.Commit();
        bySize.Append([1]);
        await Task.Delay(60);
        Assert.Equal(100, bySize.Committed);
    }

    [Fact]
    public void Retain_BytesRecordsAge_DropWholeSegmentsOnlyAndNeverTooMany()
    {
        using (var log = LogWriter.Open(Log, Small with { RetainRecords = 300 }))
        {
            Append(log, 2000);
            log.Commit();
            Assert.InRange(log.EndRecord - log.Begin, 300, 800);
            Assert.Equal(Record(1999), log.Read(1999));
            log.Close();
        }
        using (var log = LogWriter.Open(Log + "2", Small with { RetainBytes = 100_000 }))
        {
            Append(log, 5000);
            log.Commit();
            Assert.InRange(Directory.GetFiles(Log + "2", "seg-*").Length, 2, 7);
            Assert.InRange(log.Begin, 3000, 4900);
            log.Close();
        }
        using (var log = LogWriter.Open(Log + "3", Small with { RetainAge = TimeSpan.FromHours(1) }))
        {
            Append(log, 1000);
            log.Close();
        }
        Thread.Sleep(30);
        using var old = LogWriter.Open(Log + "3", Small with { RetainAge = TimeSpan.FromMilliseconds(10) });
        Assert.Equal(old.Segments[^1].FirstRecord, old.Begin);
        Assert.InRange(old.Begin, 500, 999);
    }
}
