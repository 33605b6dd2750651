using System.Globalization;
using System.Text;

namespace S3dlio.Http;

/// <summary>
/// An answer whose headers have arrived and whose body is still to be read, straight into the caller's memory. When its last byte has been
/// read the connection is the next request's.
/// </summary>
sealed class HttpResponse : IDisposable
{
    /// <summary>Bytes: reading and dropping up to this many costs less than a new connection.</summary>
    const int Drained = 256 << 10;

    static readonly TimeSpan DrainPatience = TimeSpan.FromSeconds(2);

    readonly HttpPool _pool;
    readonly HttpSettings _settings;
    readonly TimeSpan _patience;
    readonly ChunkReader? _chunks;
    readonly bool _keep;
    HttpConnection? _connection;
    HttpPace _pace;
    // without a length and chunks the body ends where the connection does
    long _left = long.MaxValue;
    bool _over;

    /// <param name="pool">Gets the connection back.</param>
    /// <param name="connection">It comes over this one.</param>
    /// <param name="settings">The longest silence within its body, where the call has none of its own.</param>
    /// <param name="call">What it answers.</param>
    /// <param name="head">Its status and headers.</param>
    /// <param name="keep">Whether the connection is good for another request behind it.</param>
    public HttpResponse(HttpPool pool, HttpConnection connection, HttpSettings settings, HttpCall call, HttpHead head, bool keep)
    {
        (_pool, _connection, _settings, Call, Head) = (pool, connection, settings, call, head);
        _patience = call.Patience ?? settings.ReadTimeout;
        _pace = new HttpPace(_patience);
        bool bare = call.Method == HttpMethod.Head || head.Status is 204 or 304;
        if (head.IsChunked && !bare)
            _chunks = new ChunkReader(connection);
        else
            _left = bare ? 0 : head.Length ?? long.MaxValue;
        _keep = keep && head.KeepsAlive && (_chunks is not null || _left < long.MaxValue);
        if (_left == 0)
            Finish();
    }

    public int Status => Head.Status;

    public HttpCall Call { get; }

    /// <summary>Status and headers as they came.</summary>
    public HttpHead Head { get; }

    /// <summary>Length of the body in bytes; null when the server does not say.</summary>
    public long? Length => Head.Length;

    /// <summary>Bytes of the body read so far.</summary>
    public long Position { get; private set; }

    /// <summary>A header's value; several of one name are joined with commas. Null when it is not there.</summary>
    public string? Header(string name) => Head.Text(name);

    /// <summary>All headers, for those that are known by a prefix.</summary>
    public IEnumerable<(string Name, string Value)> Headers()
    {
        for (int i = 0; i < Head.Count; i++)
            yield return (Encoding.Latin1.GetString(Head.Name(i)), Encoding.Latin1.GetString(Head.Value(i)));
    }

    /// <summary>A header that holds an HTTP date.</summary>
    public DateTimeOffset? Date(string name) => Head.Find(name) is var at && at >= 0 ? HttpText.Date(Head.Value(at)) : null;

    /// <summary>What Retry-After asks for, in either of its forms.</summary>
    public TimeSpan? RetryAfter(TimeProvider clock)
    {
        if (Header("Retry-After") is not string text)
            return null;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int seconds))
            return TimeSpan.FromSeconds(seconds);
        return Date("Retry-After") is { } time && time - clock.GetUtcNow() is var wait && wait > TimeSpan.Zero ? wait : null;
    }

    /// <summary>
    /// Reads some bytes, 0 at the body's end. After a failure or a cancel nothing is written to <paramref name="destination"/> any more.
    /// </summary>
    public async ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancel)
    {
        if (destination.Length == 0)
            return 0;
        int count = TakeAhead(destination.Span);
        if (count == 0)
            count = await ReceiveInTimeAsync(destination, cancel).ConfigureAwait(false);
        Count(count);
        return count;
    }

    async ValueTask<int> ReceiveInTimeAsync(Memory<byte> destination, CancellationToken cancel)
    {
        long begun = Environment.TickCount64;
        int count = await ReceiveAsync(destination, cancel).ConfigureAwait(false);
        if (count == 0 || _pace.Note(Environment.TickCount64 - begun, count))
            return count;
        Count(count);
        Dispose();
        throw HttpFault.TooSlow(Call, Position);
    }

    /// <summary>
    /// Fills <paramref name="destination"/>; an earlier end is a transient failure. <see cref="Position"/> tells how far it came.
    /// </summary>
    public ValueTask ReadExactlyAsync(Memory<byte> destination, CancellationToken cancel)
    {
        int ahead = TakeAhead(destination.Span);
        Count(ahead);
        return ahead == destination.Length ? default : ReceiveExactlyAsync(destination[ahead..], cancel);
    }

    async ValueTask ReceiveExactlyAsync(Memory<byte> destination, CancellationToken cancel)
    {
        while (destination.Length > 0)
        {
            int count = await ReceiveInTimeAsync(destination, cancel).ConfigureAwait(false);
            if (count == 0)
                throw HttpFault.ShortBody(Call, Position, Length ?? Position + destination.Length);
            Count(count);
            destination = destination[count..];
        }
    }

    void Count(int count)
    {
        Position += count;
        Call.Tally?.Read(count);
    }

    /// <summary>The whole of a small body that is to be understood, such as a page of a listing.</summary>
    /// <exception cref="StoreException">
    /// InvalidData when there is more than <paramref name="limit"/>, or it is encoded in a way that nobody asked for.
    /// </exception>
    public ValueTask<ReadOnlyMemory<byte>> ReadTextAsync(int limit, CancellationToken cancel) =>
        Header("Content-Encoding") is { } coding && !coding.Equals("identity", StringComparison.OrdinalIgnoreCase)
            ? throw StoreException.InvalidData(Call.Subject, HttpFault.Encoded(Call, coding))
            : ReadBodyAsync(limit, cancel);

    /// <summary>The same of a body that need not be understood, such as an error's.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> ReadBodyAsync(int limit, CancellationToken cancel)
    {
        if (Length is 0)
            return default;
        var buffer = new byte[(int)Math.Min(limit, Length ?? 16 << 10)];
        int filled = 0;
        while (true)
        {
            if (filled == buffer.Length)
            {
                if (filled == Length)
                    return buffer;
                if (filled >= limit)
                {
                    throw StoreException.InvalidData(Call.Subject,
                        $"{HttpFault.Place(Call)} sent an answer of more than {limit} bytes where text was expected");
                }
                Array.Resize(ref buffer, (int)Math.Min(limit, buffer.Length * 2L));
            }
            int count = await ReadAsync(buffer.AsMemory(filled), cancel).ConfigureAwait(false);
            if (count == 0)
                return Length is long whole && filled < whole ? throw HttpFault.ShortBody(Call, filled, whole) : buffer.AsMemory(0, filled);
            filled += count;
        }
    }

    /// <summary>Reads and drops the rest of the body, so that the connection can be used again.</summary>
    public async ValueTask DrainAsync(CancellationToken cancel)
    {
        // a HEAD's length is that of a body that is not sent
        if (Length is not 0 && Call.Method != HttpMethod.Head)
            await ReadBodyAsync(1 << 20, cancel).ConfigureAwait(false);
    }

    /// <summary>Copies what has come already; 0 where it takes a wait to know more.</summary>
    int TakeAhead(Span<byte> destination)
    {
        if (_connection is not { } connection || _chunks is not null)
            return 0;
        int count = (int)Math.Min(Math.Min(destination.Length, connection.Ahead.Length), _left);
        connection.Ahead[..count].CopyTo(destination);
        connection.Take(count);
        Took(count);
        return count;
    }

    /// <summary>Waits for some bytes; 0 at the end. One silence is limited, and failures are <see cref="HttpFailure"/>.</summary>
    async ValueTask<int> ReceiveAsync(Memory<byte> destination, CancellationToken cancel)
    {
        if (_connection is not { } connection)
            return _over ? 0 : throw HttpFault.ShortBody(Call, Position, Length ?? Position + destination.Length);
        cancel.ThrowIfCancellationRequested();
        try
        {
            int count;
            using (connection.Begin(_patience, cancel))
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

    public void Dispose()
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
