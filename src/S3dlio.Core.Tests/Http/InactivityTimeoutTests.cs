using S3dlio.Http;
using Xunit;

namespace S3dlio.Tests.Http;

public class InactivityTimeoutTests
{
    [Fact]
    public async Task Watch_NothingMoves_RingsOnce()
    {
        int rung = 0;
        using var silence = new InactivityTimeout(() => Interlocked.Increment(ref rung));
        silence.Watch(TimeSpan.FromMilliseconds(30));
        for (int i = 0; i < 200 && rung == 0; i++)
            await Task.Delay(20);
        await Task.Delay(100);
        Assert.Equal((1, true), (rung, silence.IsOver));
        // over is over: the connection is gone
        silence.Watch(TimeSpan.FromMinutes(1));
        Assert.True(silence.IsOver);
    }

    [Fact]
    public async Task Watch_ShorterAfterLonger_RingsInTime()
    {
        var rung = new TaskCompletionSource();
        using var silence = new InactivityTimeout(rung.SetResult);
        silence.Watch(TimeSpan.FromMinutes(10));
        silence.Watch(TimeSpan.FromMilliseconds(30));
        await rung.Task.WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Rest_BeforeTheTimeIsUp_NeverRings()
    {
        int rung = 0;
        var all = Enumerable.Range(0, 50).Select(_ => new InactivityTimeout(() => Interlocked.Increment(ref rung))).ToArray();
        foreach (var silence in all)
        {
            silence.Watch(TimeSpan.FromMilliseconds(500));
            silence.Rest();
        }
        await Task.Delay(800);
        Assert.Equal(0, rung);
        // and it can be watched again
        all[0].Watch(TimeSpan.FromMilliseconds(20));
        for (int i = 0; i < 200 && rung == 0; i++)
            await Task.Delay(20);
        Assert.Equal(1, rung);
        Assert.All(all, silence => silence.Dispose());
    }

    [Fact]
    public async Task Watch_WithoutLimit_NeverRings()
    {
        using var silence = new InactivityTimeout(() => Assert.Fail("there is no limit"));
        silence.Watch(TimeSpan.Zero);
        await Task.Delay(50);
        Assert.False(silence.IsOver);
    }
}
