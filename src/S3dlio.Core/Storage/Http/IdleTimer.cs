namespace S3dlio.Storage.Http;

/// <summary>A token that is cancelled by the caller, or by the clock when nothing has been heard for too long.</summary>
sealed class IdleTimer : IDisposable
{
    readonly CancellationTokenSource _source;
    readonly CancellationToken _caller;
    readonly TimeSpan _limit;

    public IdleTimer(TimeSpan limit, CancellationToken caller)
    {
        _limit = limit;
        _caller = caller;
        _source = CancellationTokenSource.CreateLinkedTokenSource(caller);
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

    public void Dispose() => _source.Dispose();
}
