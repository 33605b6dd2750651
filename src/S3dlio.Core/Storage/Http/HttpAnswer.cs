using System.Globalization;

namespace S3dlio.Storage.Http;

/// <summary>An answer whose headers have arrived and whose body is still to be read, straight into the caller's memory.</summary>
sealed class HttpAnswer(HttpTransport transport, HttpCall call, HttpResponseMessage response) : IDisposable
{
    Stream? _body;

    public int Status => (int)response.StatusCode;

    public HttpCall Call => call;

    /// <summary>Length of the body in bytes; null when the server does not say.</summary>
    public long? Length => response.Content.Headers.ContentLength;

    /// <summary>Bytes of the body read so far.</summary>
    public long Position { get; private set; }

    /// <summary>A header's value; several of one name are joined with commas. Null when it is not there.</summary>
    public string? Header(string name)
    {
        if (response.Headers.NonValidated.TryGetValues(name, out var values) || response.Content.Headers.NonValidated.TryGetValues(name, out values))
            return values.ToString();
        return null;
    }

    /// <summary>All headers, for those that are known by a prefix.</summary>
    public IEnumerable<(string Name, string Value)> Headers()
    {
        foreach (var (name, values) in response.Headers.NonValidated)
            yield return (name, values.ToString());
        foreach (var (name, values) in response.Content.Headers.NonValidated)
            yield return (name, values.ToString());
    }

    /// <summary>A header that holds an HTTP date.</summary>
    public DateTimeOffset? Date(string name) =>
        Header(name) is string text && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    /// <summary>What Retry-After asks for, in either of its forms.</summary>
    public TimeSpan? RetryAfter(TimeProvider clock)
    {
        if (Header("Retry-After") is not string text)
            return null;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int seconds))
            return TimeSpan.FromSeconds(seconds);
        return Date("Retry-After") is { } time && time - clock.GetUtcNow() is var wait && wait > TimeSpan.Zero ? wait : null;
    }

    /// <summary>Reads some bytes, 0 at the body's end. After a failure or a cancel nothing is written to <paramref name="destination"/> any more.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancel)
    {
        using var idle = new IdleTimer(call.Patience ?? transport.Settings.ReadTimeout, cancel);
        return await ReadSomeAsync(destination, idle, cancel).ConfigureAwait(false);
    }

    /// <summary>Fills <paramref name="destination"/>; an earlier end is a transient failure. <see cref="Position"/> tells how far it came.</summary>
    public async ValueTask ReadExactlyAsync(Memory<byte> destination, CancellationToken cancel)
    {
        using var idle = new IdleTimer(call.Patience ?? transport.Settings.ReadTimeout, cancel);
        while (destination.Length > 0)
        {
            int count = await ReadSomeAsync(destination, idle, cancel).ConfigureAwait(false);
            if (count == 0)
                throw HttpFault.ShortBody(call, Position, Length ?? Position + destination.Length);
            destination = destination[count..];
            idle.Alive();
        }
    }

    /// <summary>The whole of a small body, such as an error's or a page of a listing.</summary>
    /// <exception cref="StoreException">InvalidData when there is more than <paramref name="limit"/>.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReadTextAsync(int limit, CancellationToken cancel)
    {
        if (Length is 0)
            return default;
        var buffer = new byte[(int)Math.Min(limit, Length ?? 16 << 10)];
        int filled = 0;
        using var idle = new IdleTimer(call.Patience ?? transport.Settings.ReadTimeout, cancel);
        while (true)
        {
            if (filled == buffer.Length)
            {
                if (filled == Length)
                    return buffer;
                if (filled >= limit)
                    throw new StoreException(ErrorKind.InvalidData, call.Subject, $"{HttpFault.Place(call.Address)} sent an answer of more than {limit} bytes where text was expected");
                Array.Resize(ref buffer, (int)Math.Min(limit, buffer.Length * 2L));
            }
            int count = await ReadSomeAsync(buffer.AsMemory(filled), idle, cancel).ConfigureAwait(false);
            if (count == 0)
                return Length is long whole && filled < whole ? throw HttpFault.ShortBody(call, filled, whole) : buffer.AsMemory(0, filled);
            filled += count;
            idle.Alive();
        }
    }

    /// <summary>Reads what is left of a body that nobody needs, so that the connection can be used again.</summary>
    public async ValueTask DrainAsync(CancellationToken cancel)
    {
        // a HEAD's length is that of a body that is not sent
        if (Length is not 0 && call.Method != HttpMethod.Head)
            await ReadTextAsync(1 << 20, cancel).ConfigureAwait(false);
    }

    public void Dispose() => response.Dispose();

    async ValueTask<int> ReadSomeAsync(Memory<byte> destination, IdleTimer idle, CancellationToken cancel)
    {
        try
        {
            _body ??= await response.Content.ReadAsStreamAsync(idle.Token).ConfigureAwait(false);
            // the stream ends its socket's read before it throws, so a cancelled read no longer writes to the memory
            int count = await _body.ReadAsync(destination, idle.Token).ConfigureAwait(false);
            Position += count;
            return count;
        }
        catch (Exception error) when (HttpFault.IsTransport(error))
        {
            throw HttpFault.Translate(error, call, transport.Settings, idle, cancel);
        }
    }
}
