using System.Globalization;

namespace S3dlio.Http;

/// <summary>When to try again.</summary>
sealed record RetrySettings
{
    /// <summary>
    /// 8 attempts wait 6 s in all on average and 13 at most: a gateway's restart or a fail-over is outlasted, a wrong address is still
    /// reported while the user looks on.
    /// </summary>
    public int MaxAttempts { get; init; } = 8;

    /// <summary>The first wait is between nothing and this, each further one between nothing and twice the last limit.</summary>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest wait between two attempts, Retry-After included.</summary>
    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>
    /// For one request with all its attempts; zero: none. None by default: silence has its own limit, and a large part on a slow link may
    /// rightly take its time.
    /// </summary>
    public TimeSpan TotalTimeout { get; init; }
}

/// <summary>What an attempt knows of those before it.</summary>
sealed class Attempts
{
    /// <summary>1 for the first.</summary>
    public int Number { get; set; } = 1;

    /// <summary>An attempt before this one may have done its work although its answer was lost.</summary>
    public bool OutcomeUnknown { get; set; }

    /// <summary>
    /// Set by an attempt that failed later than the last one did, such as further into a body: it counts as the first again.
    /// </summary>
    public bool Advanced { get; set; }
}

/// <summary>Exponential backoff with full jitter, within a budget of retries and of time.</summary>
/// <param name="settings">How often and how late.</param>
/// <param name="budget">Shared by all calls of a client.</param>
/// <param name="retrying">Called for each failure that is followed by another attempt.</param>
/// <param name="clock">Null: the system's.</param>
/// <param name="random">Between 0 and 1; null: the system's.</param>
sealed class RetryPolicy(
    RetrySettings settings, RetryBudget budget, Action<StoreException>? retrying = null, TimeProvider? clock = null,
    Func<double>? random = null)
{
    readonly TimeProvider _clock = clock ?? TimeProvider.System;
    readonly Func<double> _random = random ?? Random.Shared.NextDouble;

    public TimeProvider Clock => _clock;

    /// <summary>Runs <paramref name="attempt"/> until it succeeds, fails for good or is out of attempts, tokens or time.</summary>
    /// <exception cref="StoreException">The last failure, with the number of attempts when there was more than one.</exception>
    public ValueTask<T> RunAsync<T>(string subject, Func<Attempts, CancellationToken, ValueTask<T>> attempt, CancellationToken cancel) =>
        settings.TotalTimeout <= TimeSpan.Zero ? LoopAsync(attempt, cancel) : LimitedAsync(subject, attempt, cancel);

    async ValueTask<T> LimitedAsync<T>(string subject, Func<Attempts, CancellationToken, ValueTask<T>> attempt, CancellationToken cancel)
    {
        using var timer = new CancellationTokenSource(settings.TotalTimeout, _clock);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancel, timer.Token);
        try
        {
            return await LoopAsync(attempt, limited.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (timer.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            throw new StoreException(
                ErrorKind.Timeout, subject, string.Create(
                    CultureInfo.InvariantCulture, $"not done within {settings.TotalTimeout.TotalSeconds:0.###} s (option total_timeout)"));
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancel);
        }
    }

    async ValueTask<T> LoopAsync<T>(Func<Attempts, CancellationToken, ValueTask<T>> attempt, CancellationToken cancel)
    {
        var attempts = new Attempts();
        long began = _clock.GetTimestamp();
        int taken = 0, tries = 0;
        while (true)
        {
            HttpFailure failure;
            try
            {
                tries++;
                var result = await attempt(attempts, cancel).ConfigureAwait(false);
                // what the last retry cost comes back, and a success without any gives one token more
                budget.Give(taken > 0 ? taken : 1);
                return result;
            }
            catch (HttpFailure found)
            {
                failure = found;
            }
            attempts.OutcomeUnknown |= failure.OutcomeUnknown;
            if (attempts.Advanced)
                (attempts.Number, attempts.Advanced) = (1, false);
            int cost = failure.Error.Kind == ErrorKind.Timeout ? RetryBudget.TimeoutCost : RetryBudget.RetryCost;
            if (!failure.Transient || attempts.Number >= Math.Min(settings.MaxAttempts, failure.MostAttempts))
                throw Final(failure, tries, _clock.GetElapsedTime(began), "");
            if (!budget.TryTake(cost))
                throw Final(failure, tries, _clock.GetElapsedTime(began), ", and too many calls fail to try more often");
            taken = cost;
            var delay = Delay(attempts.Number, failure);
            retrying?.Invoke(failure.Error);
            // one failure is everyday; those who wait for the third attempt should know why
            Events.Tell(attempts.Number == 1 ? EventLevel.Info : EventLevel.Warning,
                $"{failure.Error.Uri}: attempt {tries} failed, the next comes in {delay.TotalSeconds:0.0##} s: {failure.Error.Detail}");
            if (delay > TimeSpan.Zero)
                await Task.Delay(delay, _clock, cancel).ConfigureAwait(false);
            attempts.Number++;
        }
    }

    /// <summary>The wait after attempt <paramref name="number"/>.</summary>
    internal TimeSpan Delay(int number, HttpFailure failure)
    {
        // when throttled, begin where others are by the third attempt
        int exponent = Math.Min(number - 1 + (failure.Throttled ? 2 : 0), 30);
        var limit = TimeSpan.FromTicks((long)Math.Min(settings.FirstDelay.Ticks * Math.Pow(2, exponent), settings.MaxDelay.Ticks));
        var jittered = limit * _random();
        return failure.RetryAfter is { } asked && asked > jittered ? (asked < settings.MaxDelay ? asked : settings.MaxDelay) : jittered;
    }

    static StoreException Final(HttpFailure failure, int tries, TimeSpan spent, string why)
    {
        var error = failure.Error;
        if (tries == 1 && why.Length == 0)
            return error;
        string detail = string.Create(
            CultureInfo.InvariantCulture, $"{error.Detail} (after {tries} attempts in {spent.TotalSeconds:0.0} s{why})");
        return new StoreException(error.Kind, error.Uri, detail, error.Offset, error) { Reason = error.Reason };
    }
}
