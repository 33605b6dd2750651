namespace S3dlio.Http;

/// <summary>
/// The body of an answer with <c>Transfer-Encoding: chunked</c> (RFC 9112, 7.1). Extensions and trailers are read and forgotten.
/// </summary>
sealed class ChunkReader(HttpConnection connection)
{
    /// <summary>Bytes of a line with a size and its extensions.</summary>
    const int LineLimit = 4096;

    const int TrailerLimit = 16 << 10;

    long _left;
    bool _begun;

    /// <summary>The last chunk and what follows it have been read.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Some bytes of the body, 0 at its end.</summary>
    /// <exception cref="HttpRequestException">InvalidResponse.</exception>
    /// <exception cref="HttpIOException">The server hung up before the end.</exception>
    public async ValueTask<int> ReadAsync(Memory<byte> destination)
    {
        if (_left == 0 && !await NextAsync().ConfigureAwait(false))
            return 0;
        var target = destination[..(int)Math.Min(destination.Length, _left)];
        int count = Math.Min(connection.Ahead.Length, target.Length);
        if (count > 0)
        {
            connection.Ahead[..count].CopyTo(target.Span);
            connection.Take(count);
        }
        else if (target.Length > 0)
        {
            count = await connection.ReceiveAsync(target).ConfigureAwait(false);
            if (count == 0)
                throw Ended();
        }
        _left -= count;
        return count;
    }

    async ValueTask<bool> NextAsync()
    {
        if (IsOver)
            return false;
        if (_begun && await LineAsync(2).ConfigureAwait(false) > 0)
            throw HttpHead.Bad("a chunk is longer than its size says");
        _begun = true;
        int length = await LineAsync(LineLimit).ConfigureAwait(false);
        _left = Size(connection.Ahead[..length]);
        connection.Take(length + 2);
        if (_left > 0)
            return true;
        for (int spent = 0; ; spent += length + 2)
        {
            length = await LineAsync(TrailerLimit - spent).ConfigureAwait(false);
            connection.Take(length + 2);
            if (length == 0)
                break;
        }
        IsOver = true;
        return false;
    }

    /// <summary>The length of the line ahead, without its end; an empty one that closes a chunk is taken.</summary>
    async ValueTask<int> LineAsync(int limit)
    {
        while (true)
        {
            int length = connection.Ahead.IndexOfAny((byte)'\r', (byte)'\n', (byte)0);
            if (length >= 0 && connection.Ahead.Length > length + 1)
            {
                if (length > Math.Max(limit, 0))
                    throw TooLong();
                if (connection.Ahead[length] != '\r' || connection.Ahead[length + 1] != '\n')
                    throw HttpHead.Bad("a line between its chunks does not end in CR LF");
                if (limit == 2 && length == 0)
                    connection.Take(2);
                return length;
            }
            if (Math.Max(length, connection.Ahead.Length) >= limit || (length >= 0 && connection.Ahead[length] != '\r'))
                throw TooLong();
            // that something moves is no excuse: one silence is the limit of a whole line
            if (await connection.FillAsync().ConfigureAwait(false) == 0)
                throw Ended();
        }
    }

    /// <summary>Up to 15 hexadecimal digits; behind them blanks or a semicolon and whatever.</summary>
    static long Size(ReadOnlySpan<byte> line)
    {
        long size = 0;
        int digits = 0;
        while (digits < line.Length && char.IsAsciiHexDigit((char)line[digits]))
        {
            if (digits == 15)
                throw HttpHead.Bad("a chunk's size is beyond all sizes");
            size = (size << 4) + Digit(line[digits++]);
        }
        var rest = line[digits..].TrimStart((byte)' ').TrimStart((byte)'\t');
        return digits > 0 && (rest.Length == 0 || rest[0] == ';') ? size : throw HttpHead.Bad("a chunk's size is no hexadecimal number");
    }

    static int Digit(byte letter) => letter <= '9' ? letter - '0' : (letter | 0x20) - 'a' + 10;

    static HttpRequestException TooLong() =>
        HttpHead.Bad("a line between its chunks is longer than any, or holds a character that no line may");

    static HttpIOException Ended() => new(HttpRequestError.ResponseEnded, "it was closed within the answer's body");
}
