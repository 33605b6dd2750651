using S3dlio.OpLog;
using S3dlio.Storage;
using S3dlio.Tests.Storage;
using Xunit;

namespace S3dlio.Tests.OpLog;

/// <summary>A store that is recorded obeys the same contract.</summary>
public sealed class RecordedMemoryTests : StoreConformance, IDisposable
{
    readonly OpLogWriter _log;

    public RecordedMemoryTests()
    {
        _log = new OpLogWriter(Path.Combine(Path.GetTempPath(), $"s3dlio-{Guid.NewGuid():n}.tsv.zst"), 1, "test");
        Store = new RecordedStore(StoreFactory.Open(StoreUri.Parse($"memory://{Guid.NewGuid():n}/some/prefix"), StoreOptions.Default),
            _log);
    }

    protected override ObjectStore Store { get; }

    public void Dispose()
    {
        _log.Close();
        File.Delete(_log.Path);
    }
}

/// <summary>What becomes rows, and what they hold.</summary>
public sealed class RecordedStoreTests : IDisposable
{
    readonly string _path = Path.Combine(Path.GetTempPath(), $"s3dlio-{Guid.NewGuid():n}.tsv.zst");
    readonly string _name = $"{Guid.NewGuid():n}";

    public void Dispose() => File.Delete(_path);

    [Fact]
    public async Task EachOperation_BecomesOneRow()
    {
        await RecordAsync(async store =>
        {
            await store.PutAsync("a", new Payload(new byte[100]), PutOptions.Default, null, default);
            await using (var writer = await store.OpenWriteAsync("b", PutOptions.Default, default))
            {
                await writer.WriteAsync(new byte[70], default);
                await writer.CompleteAsync(default);
            }
            await using (var reader = await store.OpenReadAsync("a", ReadOptions.Default, default))
            {
                await reader.ReadAsync(0, new byte[60], default);
                await reader.ReadAsync(60, new byte[40], default);
            }
            await using (var reader = await store.OpenReadAsync("a", ReadOptions.Default, default))
                await reader.ReadAsync(10, new byte[5], default);
            await store.HeadAsync("b", default);
            await foreach (var _ in store.ListAsync("", ListOptions.Default, default))
            {
                // pages are counted
            }
            await store.CopyAsync("a", "c", PutOptions.Default, default);
            await store.RenameAsync("c", "d", PutOptions.Default, default);
            await store.DeleteAsync(["a", "b"], default);
        });
        var rows = Read();
        Assert.Equal(["PUT 100 1", "PUT 70 1", "GET 100 1", "GET 5 1", "STAT 0 1", "LIST 0 2", "COPY 0 1", "MOVE 0 1", "DELETE 0 2"],
            rows.Select(row => $"{row.Op} {row.Bytes} {row.Objects}"));
        Assert.Equal(Enumerable.Range(0, 9).Select(i => (long)i), rows.Select(row => row.Index));
        Assert.All(rows, row => Assert.True(row is { ClientId: "test", Error: "", Duration: >= 0, Thread: >= 0 and < 65536 }
            && row.Endpoint == $"memory://{_name}"));
        Assert.Equal((null, 10L), (rows[2].Offset, rows[3].Offset));
        Assert.All(rows.Where(row => row.Op == "GET"), row => Assert.InRange(row.FirstByte!.Value, row.Start, row.End));
        Assert.Equal($"{_name}/a", rows[0].File);
        long now = (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100;
        Assert.InRange(rows[0].Start, now - 60_000_000_000, now + 1_000_000_000);
    }

    [Fact]
    public async Task Failures_AreRowsWithTheirReason()
    {
        await RecordAsync(async store =>
        {
            await Assert.ThrowsAsync<StoreException>(async () => await store.OpenReadAsync("gone", ReadOptions.Default, default));
            await Assert.ThrowsAsync<StoreException>(async () => await store.HeadAsync("gone", default));
            await using (var writer = await store.OpenWriteAsync("given up", PutOptions.Default, default))
                await writer.WriteAsync(new byte[10], default);
            using var cancelled = new CancellationTokenSource();
            await cancelled.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await store.HeadAsync("a", cancelled.Token));
        });
        var rows = Read();
        Assert.StartsWith("NotFound: ", rows[0].Error, StringComparison.Ordinal);
        Assert.StartsWith("NotFound: ", rows[1].Error, StringComparison.Ordinal);
        Assert.Equal(("PUT", "cancelled"), (rows[2].Op, rows[2].Error));
        Assert.Equal(("STAT", "cancelled"), (rows[3].Op, rows[3].Error));
    }

    [Fact]
    public async Task ManyAtOnce_NothingIsDropped()
    {
        const int count = 20_000;
        await RecordAsync(store =>
            Parallel.ForAsync(0, count, async (i, cancel) =>
            await store.PutAsync($"k{i}", new Payload(new byte[1]), PutOptions.Default, null, cancel)));
        var rows = Read();
        Assert.Equal(count, rows.Count);
        Assert.Equal(count, rows.Select(row => row.File).Distinct().Count());
    }

    [Theory]
    [InlineData("tab\there")]
    [InlineData("quote\"d")]
    [InlineData("line\nend")]
    [InlineData(" blank first")]
    [InlineData("comma, in it")]
    [InlineData("ünïcode \U0001f600")]
    public async Task OddNames_ComeBackWhole(string key)
    {
        await RecordAsync(async store => await store.PutAsync(key, new Payload(new byte[1]), PutOptions.Default, null, default));
        Assert.Equal($"{_name}/{key}", Assert.Single(Read()).File);
    }

    [Fact]
    public void SecondClose_AndRowsBehindIt_AreNoFault()
    {
        var log = new OpLogWriter(_path, 1, "test");
        log.Append(new OpRecord { Op = "GET", Start = 1, End = 2 });
        log.Close();
        log.Append(new OpRecord { Op = "GET", Start = 1, End = 2 });
        log.Close();
        Assert.Single(Read());
    }

    [Fact]
    public void ProcessThatDies_LeavesWhatIsASecondOld()
    {
        using var log = new OpLogWriter(_path, 1, "test");
        log.Append(new OpRecord { Op = "GET", Start = 1_000_000_000, End = 1_000_000_005 });
        var until = DateTime.UtcNow.AddSeconds(20);
        while (new FileInfo(_path).Length == 0 && DateTime.UtcNow < until)
            Thread.Sleep(20);
        // read while the writer still has it
        Assert.Equal(5, Assert.Single(Read()).Duration);
    }

    [Fact]
    public void FullDisk_EndsTheLogAndNothingElse()
    {
        if (!File.Exists("/dev/full"))
            return;
        var log = new OpLogWriter("/dev/full", 1, "test");
        for (int i = 0; i < 100_000; i++)
            log.Append(new OpRecord { Op = "GET", Start = 1, End = 2, File = "some/name/of/a/file" });
        Assert.Equal(ErrorKind.OutOfSpace, Assert.Throws<StoreException>(log.Close).Kind);
    }

    async Task RecordAsync(Func<ObjectStore, Task> work)
    {
        using var log = new OpLogWriter(_path, 1, "test");
        await work(new RecordedStore(StoreFactory.Open(StoreUri.Parse($"memory://{_name}"), StoreOptions.Default), log));
        log.Close();
    }

    List<OpRecord> Read()
    {
        using var log = new OpLogReader(_path);
        var rows = new List<OpRecord>();
        while (log.Read(out var row))
            rows.Add(row);
        return rows;
    }
}
