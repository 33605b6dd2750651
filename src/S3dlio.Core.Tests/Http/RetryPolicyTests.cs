using S3dlio.Http;
using Xunit;

namespace S3dlio.Tests.Http;

public class RetryPolicyTests
{
    static HttpFailure Broken(
        bool transient = true, ErrorKind kind = ErrorKind.Unavailable, TimeSpan? after = null, bool throttled = false) =>
        new(new StoreException(kind, "s3://b/k", "broken")) { Transient = transient, RetryAfter = after, Throttled = throttled };

    static RetryPolicy Policy(RetrySettings settings, StepClock clock, double random = 1, RetryBudget? budget = null) =>
        new(settings, budget ?? new RetryBudget(), clock: clock, random: () => random);

    [Fact]
    public async Task Run_FailsThenSucceeds_WaitsTwiceAsLongEachTime()
    {
        var clock = new StepClock();
        int calls = 0;
        int result = await Policy(new RetrySettings(), clock)
            .RunAsync("s3://b/k", (_, _) => ++calls < 5 ? throw Broken() : ValueTask.FromResult(calls), CancellationToken.None);
        Assert.Equal(5, result);
        Assert.Equal([100, 200, 400, 800], clock.Waits.Select(wait => (int)wait.TotalMilliseconds));
    }

    [Theory]
    [InlineData(1, 0.5, false, null, 50)]
    [InlineData(1, 1, true, null, 400)]
    [InlineData(9, 1, false, null, 20_000)]
    [InlineData(60, 1, true, null, 20_000)]
    [InlineData(1, 1, false, 3, 3000)]
    [InlineData(1, 1, false, 3600, 20_000)]
    [InlineData(1, 0, false, null, 0)]
    public void Delay_AnyAttempt_IsWithinItsLimit(int number, double random, bool throttled, int? after, int milliseconds) =>
        Assert.Equal(milliseconds, (int)Policy(new RetrySettings(), new StepClock(), random)
            .Delay(number,
                Broken(throttled: throttled, after: after is int seconds ? TimeSpan.FromSeconds(seconds) : null)).TotalMilliseconds);

    [Fact]
    public async Task Run_NeverSucceeds_SaysHowOftenItTried()
    {
        int calls = 0;
        var error = await Assert.ThrowsAsync<StoreException>(async () =>
            await Policy(new RetrySettings { MaxAttempts = 3 }, new StepClock()).RunAsync<int>(
                "s3://b/k", (_, _) => { calls++; throw Broken(); }, CancellationToken.None));
        Assert.Equal(3, calls);
        Assert.Equal(ErrorKind.Unavailable, error.Kind);
        Assert.Contains("after 3 attempts in 0.3 s", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_FailsForGood_TriesOnce()
    {
        int calls = 0;
        await Assert.ThrowsAsync<StoreException>(async () =>
            await Policy(new RetrySettings(), new StepClock()).RunAsync<int>(
                "s3://b/k", (_, _) => { calls++; throw Broken(transient: false); }, CancellationToken.None));
        Assert.Equal(1, calls);
    }

    [Fact]
    public async Task Run_EachAttemptGetsFurther_GoesOn()
    {
        int calls = 0;
        int result = await Policy(new RetrySettings { MaxAttempts = 2 }, new StepClock()).RunAsync("s3://b/k", (attempts, _) =>
        {
            attempts.Advanced = true;
            return ++calls < 20 ? throw Broken() : ValueTask.FromResult(calls);
        }, CancellationToken.None);
        Assert.Equal(20, result);
    }

    [Fact]
    public async Task Budget_Spent_EndsRetriesUntilSuccessesRefillIt()
    {
        var budget = new RetryBudget(12);
        var policy = Policy(new RetrySettings { MaxAttempts = 100 }, new StepClock(), budget: budget);
        int calls = 0;
        var error = await Assert.ThrowsAsync<StoreException>(async () =>
            await policy.RunAsync<int>("s3://b/k", (_, _) => { calls++; throw Broken(); }, CancellationToken.None));
        Assert.Equal(3, calls);
        Assert.Contains("too many calls fail", error.Message, StringComparison.Ordinal);
        for (int i = 0; i < 20; i++)
            await policy.RunAsync("s3://b/k", (_, _) => ValueTask.FromResult(0), CancellationToken.None);
        Assert.Equal(12, budget.Tokens);
    }

    [Fact]
    public async Task Run_TotalTimeout_EndsTheAttemptUnderWay()
    {
        var policy = new RetryPolicy(new RetrySettings { TotalTimeout = TimeSpan.FromMilliseconds(50) }, new RetryBudget());
        var error = await Assert.ThrowsAsync<StoreException>(async () => await policy.RunAsync("s3://b/k", async (_, stop) =>
        {
            await Task.Delay(Timeout.Infinite, stop);
            return 0;
        }, CancellationToken.None));
        Assert.Equal(ErrorKind.Timeout, error.Kind);
        Assert.Contains("total_timeout", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A clock whose waits are over at once, and remembered.</summary>
    sealed class StepClock : TimeProvider
    {
        long _ticks;

        public List<TimeSpan> Waits { get; } = [];

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Waits.Add(dueTime);
            _ticks += dueTime.Ticks;
            return System.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }
}
