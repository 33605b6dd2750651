using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using S3dlio.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Transfer;

/// <summary>Work on items while more are found.</summary>
public sealed class BulkEachTests
{
    readonly ConcurrentBag<StoreException> _failures = [];
    int _found;

    static StoreException Error(string uri) => new(ErrorKind.NotFound, uri, "not there");

    static async IAsyncEnumerable<int> Numbers(int count, bool fails = false, [EnumeratorCancellation] CancellationToken cancel = default)
    {
        for (int i = 0; i < count; i++)
        {
            cancel.ThrowIfCancellationRequested();
            if (i % 100 == 0)
                await Task.Yield();
            yield return i;
        }
        if (fails)
            throw Error("the listing");
    }

    Task<bool> Run(IAsyncEnumerable<int> items, Func<int, CancellationToken, ValueTask> work, CancellationToken cancel = default) =>
        Bulk.EachAsync(items, 8, 0, work, () => Interlocked.Increment(ref _found), _failures.Add, cancel);

    [Fact]
    public async Task EachAsync_ManyItems_EachIsDoneOnceAndNoMoreThanAllowedAtOnce()
    {
        var done = new ConcurrentBag<int>();
        var second = new TaskCompletionSource();
        int now = 0, most = 0;
        Assert.True(await Run(Numbers(5000), async (i, cancel) =>
        {
            int here = Interlocked.Increment(ref now);
            for (int seen = most; here > seen;)
                seen = Interlocked.CompareExchange(ref most, here, seen) is var old && old == seen ? here : old;
            if (i == 1)
                second.SetResult();
            await (i == 0 ? second.Task.WaitAsync(TimeSpan.FromMinutes(5), cancel) : Task.CompletedTask);
            await Task.Yield();
            done.Add(i);
            Interlocked.Decrement(ref now);
        }));
        Assert.Equal(Enumerable.Range(0, 5000), done.Order());
        Assert.InRange(most, 2, 8);
        Assert.Equal(1, _found);
        Assert.Empty(_failures);
    }

    [Fact]
    public async Task EachAsync_SomeFail_TheRestIsDone()
    {
        int done = 0;
        Assert.True(await Run(Numbers(100), (i, _) =>
        {
            if (i % 10 == 0)
                throw Error($"{i}");
            Interlocked.Increment(ref done);
            return ValueTask.CompletedTask;
        }));
        Assert.Equal(90, done);
        Assert.Equal(10, _failures.Count);
    }

    [Fact]
    public async Task EachAsync_TheSearchFails_WhatWasFoundIsDoneAndItIsTold()
    {
        int done = 0;
        Assert.False(await Run(Numbers(50, fails: true), (_, _) =>
        {
            Interlocked.Increment(ref done);
            return ValueTask.CompletedTask;
        }));
        Assert.Equal(50, done);
        Assert.Equal("the listing", Assert.Single(_failures).Uri);
        Assert.Equal(0, _found);
    }

    [Fact]
    public async Task EachAsync_EveryWorkerFaults_EndsAndTellsOfIt()
    {
        Assert.False(await Run(Numbers(1_000_000), (_, _) => throw new InvalidOperationException("a fault of ours")));
        Assert.Equal(8, _failures.Count);
    }

    [Fact]
    public async Task EachAsync_Cancelled_Ends()
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Run(Numbers(int.MaxValue), async (_, cancel) =>
            await Task.Delay(TimeSpan.FromMinutes(5), cancel), stop.Token));
    }
}
