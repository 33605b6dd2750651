namespace S3dlio.Http;

/// <summary>
/// The idle connections to one server. There are as many as were busy at once; the one that was used last goes first, so that the others
/// age.
/// </summary>
/// <param name="origin">The server.</param>
/// <param name="proxy">What stands between; null: nothing.</param>
/// <param name="dialer">Makes new ones.</param>
sealed class HttpPool(HttpOrigin origin, HttpProxy? proxy, HttpDialer dialer)
{
    /// <summary>A host's addresses change under load balancers; two minutes of loyalty to an old one is enough.</summary>
    static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(2);

    /// <summary>Shorter than the 20 s and more after which services hang up.</summary>
    static readonly TimeSpan MostIdle = TimeSpan.FromSeconds(18);

    readonly Lock _gate = new();
    readonly List<HttpConnection> _idle = [];
    Timer? _sweep;

    /// <summary>
    /// A connection that waits; null where a new one has to be made. The system is asked about each: bytes that came unasked would be taken
    /// for the next answer.
    /// </summary>
    /// <param name="waits">The caller's thread may wait in the kernel.</param>
    public HttpConnection? TryTake(bool waits)
    {
        while (true)
        {
            HttpConnection found;
            lock (_gate)
            {
                // one that others have used would send a thread that waits away from its work; so others leave those alone that none but
                // such threads have used, or each call of theirs would need new ones
                int at = _idle.Count - 1;
                while (at >= 0 && _idle[at].IsPatient != waits)
                    at--;
                if (at < 0 && !waits)
                    at = _idle.Count - 1;
                if (at < 0)
                    return null;
                found = _idle[at];
                _idle.RemoveAt(at);
            }
            if (found.Idle < MostIdle && found.IsFresh())
                return found;
            found.Dispose();
        }
    }

    public ValueTask<HttpConnection> DialAsync(bool waits, CancellationToken cancel) => dialer.DialAsync(origin, proxy, waits, cancel);

    public HttpProxy? Proxy => proxy;

    /// <summary>Takes a connection whose answer has been read to its end.</summary>
    public void Return(HttpConnection connection)
    {
        if (!connection.TryKeep(Lifetime))
        {
            connection.Dispose();
            return;
        }
        lock (_gate)
        {
            _idle.Add(connection);
            if (_idle.Count != 1)
                return;
            _sweep ??= new Timer(static pool => ((HttpPool)pool!).Sweep(), this, Timeout.Infinite, Timeout.Infinite);
            _sweep.Change(MostIdle, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Closes idle connections.</summary>
    void Sweep()
    {
        HttpConnection[] old;
        lock (_gate)
        {
            old = [.. _idle.Where(connection => connection.Idle >= MostIdle)];
            _idle.RemoveAll(connection => old.Contains(connection));
            if (_idle.Count > 0)
                _sweep!.Change(MostIdle / 3, Timeout.InfiniteTimeSpan);
        }
        foreach (var connection in old)
            connection.Dispose();
    }
}
