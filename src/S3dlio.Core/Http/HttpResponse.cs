using System.Globalization;
using System.Text;

namespace S3dlio.Http;

/// <summary>An answer whose headers have arrived and whose body is still to be read, straight into the caller's memory.</summary>
/// <param name="call">What it answers.</param>
/// <param name="head">Its status and headers.</param>
/// <param name="patience">The longest silence within its body.</param>
abstract class HttpResponse(HttpCall call, HttpHead head, TimeSpan patience) : IDisposable
{
    HttpPace _pace = new(patience);

    public int Status => head.Status;

    public HttpCall Call => call;

    /// <summary>Status and headers as they came.</summary>
    public HttpHead Head => head;

    /// <summary>Length of the body in bytes; null when the server does not say.</summary>
    public abstract long? Length { get; }

    /// <summary>Bytes of the body read so far.</summary>
    public long Position { get; private set; }

    /// <summary>A header's value; several of one name are joined with commas. Null when it is not there.</summary>
    public string? Header(string name) => head.Text(name);

    /// <summary>All headers, for those that are known by a prefix.</summary>
    public IEnumerable<(string Name, string Value)> Headers()
    {
        for (int i = 0; i < head.Count; i++)
            yield return (Encoding.Latin1.GetString(head.Name(i)), Encoding.Latin1.GetString(head.Value(i)));
    }

    /// <summary>A header that holds an HTTP date.</summary>
    public DateTimeOffset? Date(string name) => head.Find(name) is var at && at >= 0 ? HttpText.Date(head.Value(at)) : null;

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
        throw HttpFault.TooSlow(call, Position);
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
                throw HttpFault.ShortBody(call, Position, Length ?? Position + destination.Length);
            Count(count);
            destination = destination[count..];
        }
    }

    void Count(int count)
    {
        Position += count;
        call.Tally?.Read(count);
    }

    /// <summary>The whole of a small body that is to be understood, such as a page of a listing.</summary>
    /// <exception cref="StoreException">
    /// InvalidData when there is more than <paramref name="limit"/>, or it is encoded in a way that nobody asked for.
    /// </exception>
    public ValueTask<ReadOnlyMemory<byte>> ReadTextAsync(int limit, CancellationToken cancel) =>
        Header("Content-Encoding") is { } coding && !coding.Equals("identity", StringComparison.OrdinalIgnoreCase)
            ? throw new StoreException(ErrorKind.InvalidData, call.Subject, HttpFault.Encoded(call, coding))
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
                    throw new StoreException(
                        ErrorKind.InvalidData, call.Subject,
                        $"{HttpFault.Place(call)} sent an answer of more than {limit} bytes where text was expected");
                }
                Array.Resize(ref buffer, (int)Math.Min(limit, buffer.Length * 2L));
            }
            int count = await ReadAsync(buffer.AsMemory(filled), cancel).ConfigureAwait(false);
            if (count == 0)
                return Length is long whole && filled < whole ? throw HttpFault.ShortBody(call, filled, whole) : buffer.AsMemory(0, filled);
            filled += count;
        }
    }

    /// <summary>Reads and drops the rest of the body, so that the connection can be used again.</summary>
    public async ValueTask DrainAsync(CancellationToken cancel)
    {
        // a HEAD's length is that of a body that is not sent
        if (Length is not 0 && call.Method != HttpMethod.Head)
            await ReadBodyAsync(1 << 20, cancel).ConfigureAwait(false);
    }

    public void Dispose() => Dispose(true);

    protected abstract void Dispose(bool disposing);

    /// <summary>Copies what has come already; 0 where it takes a wait to know more.</summary>
    protected abstract int TakeAhead(Span<byte> destination);

    /// <summary>Waits for some bytes; 0 at the end. One silence is limited, and failures are <see cref="HttpFailure"/>.</summary>
    protected abstract ValueTask<int> ReceiveAsync(Memory<byte> destination, CancellationToken cancel);
}
