using System.Diagnostics;
using S3dlio.Storage;
using S3dlio.Tests.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Transfer;

/// <summary>A store with a bounded rate obeys the same contract.</summary>
public sealed class LimitedMemoryTests : StoreConformance
{
    protected override ObjectStore Store { get; } = new LimitedStore(
        StoreFactory.Open(StoreUri.Parse($"memory://{Guid.NewGuid():n}/some/prefix"), StoreOptions.Default), new Bandwidth(1L << 40),
        new Bandwidth(1L << 40));
}

/// <summary>How fast bytes go through.</summary>
public sealed class LimitedStoreTests
{
    const int Rate = 1 << 20;

    static readonly CancellationToken None = CancellationToken.None;

    readonly ObjectStore _plain = StoreFactory.Open(StoreUri.Parse($"memory://{Guid.NewGuid():n}"), StoreOptions.Default);

    LimitedStore Limited(long reads = 1L << 40, long writes = 1L << 40) => new(_plain, new Bandwidth(reads), new Bandwidth(writes));

    static async Task<double> Seconds(Func<Task> work)
    {
        long begun = Stopwatch.GetTimestamp();
        await work();
        return Stopwatch.GetElapsedTime(begun).TotalSeconds;
    }

    [Fact]
    public async Task Read_SeveralAtOnce_ShareTheRate()
    {
        await _plain.PutAsync("a", new Payload(new byte[Rate]), PutOptions.Default, null, None);
        var store = Limited(reads: Rate);
        double seconds = await Seconds(async () =>
        {
            await using var reader = await store.OpenReadAsync("a", ReadOptions.Default, None);
            await Task.WhenAll(Enumerable.Range(0, 4).Select(i => reader.ReadAsync(i * Rate / 4, new byte[Rate / 4], None).AsTask()));
        });
        Assert.InRange(seconds, 0.95, 30);
    }

    [Fact]
    public async Task Write_StreamOrWhole_TakesItsTime()
    {
        var store = Limited(writes: Rate);
        var data = new byte[Rate / 2];
        new Random(1).NextBytes(data);
        Assert.InRange(await Seconds(async () => await store.PutAsync("a", new Payload(data), PutOptions.Default, null, None)), 0.45, 30);
        Assert.InRange(await Seconds(async () =>
        {
            await using var writer = await store.OpenWriteAsync("b", PutOptions.Default, None);
            await writer.WriteAsync(data, None);
            await writer.CompleteAsync(None);
        }), 0.45, 30);
        foreach (string key in new[] { "a", "b" })
        {
            var found = new byte[data.Length];
            await using var reader = await store.OpenReadAsync(key, ReadOptions.Default, None);
            await reader.ReadAsync(0, found, None);
            Assert.Equal(data, found);
        }
    }

    [Fact]
    public async Task Read_CancelledWhileItWaits_Ends()
    {
        await _plain.PutAsync("a", new Payload(new byte[Rate]), PutOptions.Default, null, None);
        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await using var reader = await Limited(reads: 1).OpenReadAsync("a", ReadOptions.Default, None);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await reader.ReadAsync(0, new byte[1000], stop.Token));
    }
}
