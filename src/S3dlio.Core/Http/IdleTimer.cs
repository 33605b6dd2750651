using System.Collections.Concurrent;

namespace S3dlio.Http;

/// <summary>
/// A token that is cancelled by the caller, or by the clock when nothing has been heard for too long. Every request needs one or two, so
/// the sources, each with a timer inside, are used again unless they were cancelled.
/// </summary>
/// <remarks>The token must not be used after the timer is disposed: the next request reuses its source.</remarks>
sealed class IdleTimer : IDisposable
{
    const int MostPooled = 256;

    static readonly ConcurrentBag<CancellationTokenSource> Pool = [];
    static int s_pooled;

    readonly CancellationTokenSource _source;
    readonly CancellationTokenRegistration _link;
    readonly CancellationToken _caller;
    readonly TimeSpan _limit;

    public IdleTimer(TimeSpan limit, CancellationToken caller)
    {
        _limit = limit;
        _caller = caller;
        if (Pool.TryTake(out var pooled))
            Interlocked.Decrement(ref s_pooled);
        _source = pooled ?? new CancellationTokenSource();
        _link = caller.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), _source);
        Alive();
    }

    public CancellationToken Token => _source.Token;

    /// <summary>True when the clock was it.</summary>
    public bool Expired => _source.IsCancellationRequested && !_caller.IsCancellationRequested;

    public void Alive()
    {
        if (_limit > TimeSpan.Zero)
            _source.CancelAfter(_limit);
    }

    /// <summary>Ends what still runs with this token.</summary>
    public void Stop() => _source.Cancel();

    public void Dispose()
    {
        // waits for a cancel by the caller that is under way: none reaches the source's next use
        _link.Dispose();
        if (_source.TryReset() && Volatile.Read(ref s_pooled) < MostPooled)
        {
            Interlocked.Increment(ref s_pooled);
            Pool.Add(_source);
        }
        else
        {
            _source.Dispose();
        }
    }
}
