namespace S3dlio.Http;

/// <summary>An answer on a connection of our own. When its last byte has been read the connection is the next request's.</summary>
sealed class SocketResponse : HttpResponse
{
    /// <summary>Bytes: reading and dropping up to this many costs less than a new connection.</summary>
    const int Drained = 256 << 10;

    static readonly TimeSpan DrainPatience = TimeSpan.FromSeconds(2);

    readonly HttpPool _pool;
    readonly HttpSettings _settings;
    readonly ChunkReader? _chunks;
    readonly bool _keep;
    HttpConnection? _connection;
    // without a length and chunks the body ends where the connection does
    long _left = long.MaxValue;
    bool _over;

    public SocketResponse(HttpPool pool, HttpConnection connection, HttpSettings settings, HttpCall call, HttpHead head, bool keep)
        : base(call, head, call.Patience ?? settings.ReadTimeout)
    {
        (_pool, _connection, _settings, Length) = (pool, connection, settings, head.Length);
        bool bare = call.Method == HttpMethod.Head || head.Status is 204 or 304;
        if (head.IsChunked && !bare)
            _chunks = new ChunkReader(connection);
        else
            _left = bare ? 0 : head.Length ?? long.MaxValue;
        _keep = keep && head.KeepsAlive && (_chunks is not null || _left < long.MaxValue);
        if (_left == 0)
            Finish();
    }

    public override long? Length { get; }

    protected override int TakeAhead(Span<byte> destination)
    {
        if (_connection is not { } connection || _chunks is not null)
            return 0;
        int count = (int)Math.Min(Math.Min(destination.Length, connection.Ahead.Length), _left);
        connection.Ahead[..count].CopyTo(destination);
        connection.Take(count);
        Took(count);
        return count;
    }

    protected override async ValueTask<int> ReceiveAsync(Memory<byte> destination, CancellationToken cancel)
    {
        if (_connection is not { } connection)
            return _over ? 0 : throw HttpFault.ShortBody(Call, Position, Length ?? Position + destination.Length);
        cancel.ThrowIfCancellationRequested();
        try
        {
            int count;
            using (connection.Begin(Call.Patience ?? _settings.ReadTimeout, cancel))
            {
                count = _chunks is not null
                    ? await _chunks.ReadAsync(destination).ConfigureAwait(false)
                    : await connection.ReceiveAsync(destination[..(int)Math.Min(destination.Length, _left)]).ConfigureAwait(false);
            }
            connection.Rest();
            if (_chunks is not null ? _chunks.IsOver : count == 0 && _left == long.MaxValue)
                Finish();
            else if (count == 0)
                throw HttpFault.ShortBody(Call, Position, Position + _left);
            else if (_chunks is null)
                Took(count);
            return count;
        }
        catch (Exception error)
        {
            bool silent = connection.WasSilent;
            Interlocked.Exchange(ref _connection, null)?.Dispose();
            if (!HttpFault.IsTransport(error))
                throw;
            throw HttpFault.Translate(error, Call, _pool.Proxy, _settings, silent, cancel);
        }
    }

    void Took(int count)
    {
        if (_left < long.MaxValue && (_left -= count) == 0)
            Finish();
    }

    void Finish()
    {
        _over = true;
        if (Interlocked.Exchange(ref _connection, null) is not { } connection)
            return;
        if (_keep)
            _pool.Return(connection);
        else
            connection.Dispose();
    }

    protected override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref _connection, null) is not { } connection)
            return;
        if (_keep && _left <= Drained)
            _ = DrainAsync(connection, _left);
        else
            connection.Dispose();
    }

    async Task DrainAsync(HttpConnection connection, long left)
    {
        try
        {
            using var _ = connection.Begin(DrainPatience, CancellationToken.None);
            while (left > 0)
            {
                int count = (int)Math.Min(connection.Ahead.Length, left);
                connection.Take(count);
                left -= count;
                if (left > 0 && await connection.FillAsync().ConfigureAwait(false) == 0)
                    throw new IOException("it was closed");
            }
            _pool.Return(connection);
        }
        catch (Exception error) when (HttpFault.IsTransport(error))
        {
            connection.Dispose();
        }
    }
}
