using S3dlio.IO;
using Xunit;

namespace S3dlio.Tests.IO;

public class ParallelWorkTests
{
    public static readonly TheoryData<int> AllThreads = [.. Enum.GetValues<WorkerThreads>().Select(threads => (int)threads)];

    [Theory]
    [MemberData(nameof(AllThreads))]
    public async Task For_ManyItems_RunsEachOnceOnAtMostTheWorkers(int threads)
    {
        var seen = new int[100];
        int now = 0, most = 0;
        await ParallelWork.ForAsync(seen.Length, 4, async (i, stop) =>
        {
            int here = Interlocked.Increment(ref now);
            for (int known = most; here > known && Interlocked.CompareExchange(ref most, here, known) != known; known = most)
            {
            }
            await Task.Delay(1, stop);
            Interlocked.Increment(ref seen[i]);
            Interlocked.Decrement(ref now);
        }, default, (WorkerThreads)threads);
        Assert.All(seen, count => Assert.Equal(1, count));
        Assert.InRange(most, 1, 4);
    }

    [Theory]
    [MemberData(nameof(AllThreads))]
    public async Task For_OneFails_GivesItsErrorAndNothingRunsAfter(int threads)
    {
        int running = 0, begun = 0;
        var error = await Assert.ThrowsAsync<InvalidDataException>(() => ParallelWork.ForAsync(1000, 4, async (i, stop) =>
        {
            Interlocked.Increment(ref begun);
            if (i == 2)
                throw new InvalidDataException("the third");
            Interlocked.Increment(ref running);
            try
            {
                await Task.Delay(10_000, stop);
            }
            finally
            {
                // a worker that notices late still ends before the call does
                Thread.Sleep(20);
                Interlocked.Decrement(ref running);
            }
        }, default, (WorkerThreads)threads));
        Assert.Equal("the third", error.Message);
        Assert.Equal(0, Volatile.Read(ref running));
        Assert.InRange(begun, 1, 4);
    }

    [Theory]
    [MemberData(nameof(AllThreads))]
    public async Task For_Cancelled_CarriesTheCallersToken(int threads)
    {
        using var cancel = new CancellationTokenSource();
        var work = ParallelWork.ForAsync(8, 3, async (_, stop) =>
        {
            await Task.Yield();
            await cancel.CancelAsync();
            await Task.Delay(10_000, stop);
        }, cancel.Token, (WorkerThreads)threads);
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => work);
        Assert.Equal(cancel.Token, error.CancellationToken);
    }

    [Theory]
    [MemberData(nameof(AllThreads))]
    public async Task For_NoItems_Completes(int threads) =>
        await ParallelWork.ForAsync(0, 4, (_, _) => throw new InvalidOperationException(), default, (WorkerThreads)threads);

    [Fact]
    public async Task For_CallerAndPool_FirstWorkerRunsOnTheCallersThread()
    {
        int caller = Environment.CurrentManagedThreadId;
        var threads = new int[2];
        using var both = new Barrier(2);
        await ParallelWork.ForAsync(2, 2, (i, stop) =>
        {
            threads[i] = Environment.CurrentManagedThreadId;
            both.SignalAndWait(TimeSpan.FromSeconds(30), stop);
            return ValueTask.CompletedTask;
        }, default);
        Assert.Single(threads, thread => thread == caller);
    }
}
