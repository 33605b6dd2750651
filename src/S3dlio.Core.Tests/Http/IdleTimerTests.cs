using S3dlio.Http;
using Xunit;

namespace S3dlio.Tests.Http;

public class IdleTimerTests
{
    [Fact]
    public void Dispose_AfterACancel_NoLaterTimerIsCancelled()
    {
        for (int i = 0; i < 100; i++)
        {
            using var caller = new CancellationTokenSource();
            using (var timer = new IdleTimer(TimeSpan.FromMinutes(1), caller.Token))
            {
                caller.Cancel();
                Assert.True(timer.Token.IsCancellationRequested);
                Assert.False(timer.Expired);
            }
            using var next = new IdleTimer(TimeSpan.FromMinutes(1), CancellationToken.None);
            Assert.False(next.Token.IsCancellationRequested);
        }
    }

    [Fact]
    public void Dispose_BeforeTheCallerCancels_TheSourcesNextUseIsNotCancelled()
    {
        using var caller = new CancellationTokenSource();
        for (int i = 0; i < 100; i++)
            new IdleTimer(TimeSpan.FromMinutes(1), caller.Token).Dispose();
        var timers = Enumerable.Range(0, 100).Select(_ => new IdleTimer(TimeSpan.FromMinutes(1), CancellationToken.None)).ToArray();
        caller.Cancel();
        Assert.All(timers, timer => Assert.False(timer.Token.IsCancellationRequested));
        Assert.All(timers, timer => timer.Dispose());
    }

    [Fact]
    public async Task Dispose_WithItsClockRunning_TheSourcesNextUseHasItsOwn()
    {
        for (int i = 0; i < 20; i++)
            new IdleTimer(TimeSpan.FromMilliseconds(30), CancellationToken.None).Dispose();
        var timers = Enumerable.Range(0, 20).Select(_ => new IdleTimer(TimeSpan.Zero, CancellationToken.None)).ToArray();
        await Task.Delay(100);
        Assert.All(timers, timer => Assert.False(timer.Token.IsCancellationRequested));
        Assert.All(timers, timer => timer.Dispose());
    }

    [Fact]
    public async Task Alive_NotCalledForTheLimit_Expires()
    {
        using var timer = new IdleTimer(TimeSpan.FromMilliseconds(20), CancellationToken.None);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Task.Delay(TimeSpan.FromMinutes(1), timer.Token));
        Assert.True(timer.Expired);
    }
}
