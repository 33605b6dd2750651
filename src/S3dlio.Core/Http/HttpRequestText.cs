using System.Globalization;
using System.Text;

namespace S3dlio.Http;

/// <summary>A request's head as bytes, in memory that is used again.</summary>
sealed class HttpRequestText
{
    byte[] _bytes = GC.AllocateUninitializedArray<byte>(2048);
    int _length;

    public ReadOnlyMemory<byte> Bytes => _bytes.AsMemory(0, _length);

    /// <summary>The whole head of a call.</summary>
    /// <param name="call">The request.</param>
    /// <param name="expectContinue">Its body waits for the server's leave.</param>
    /// <param name="relay">The proxy that it goes to, which wants the whole address; null: the server.</param>
    /// <exception cref="StoreException">InvalidArgument: a header that HTTP cannot carry.</exception>
    public void Write(HttpCall call, bool expectContinue, HttpProxy? relay)
    {
        _length = 0;
        if (call.Target.AsSpan().IndexOfAnyExceptInRange('!', '~') >= 0)
        {
            throw StoreException.InvalidArgument(call.Subject,
                "the request's address has blanks, control characters or letters outside of ASCII"
                + "; check what options such as endpoint_url and sas_token hold");
        }
        Append(call.Method.Method);
        Append(" ");
        if (relay is not null)
            Append(call.Origin.Text);
        Append(call.Target);
        Append(" HTTP/1.1\r\nHost: ");
        Append(call.Origin.Authority);
        Append("\r\nAccept-Encoding: identity\r\n");
        // unasked, since waiting for the proxy to ask would send every body twice
        if (relay?.Authorization is { } login)
            Append($"Proxy-Authorization: {login}\r\n");
        foreach (var (name, value) in call.Headers)
        {
            if (name.Length == 0 || name.AsSpan().IndexOfAnyExcept(HttpText.TokenChars) >= 0
                || value.AsSpan().IndexOfAnyExceptInRange(' ', '~') >= 0)
            {
                throw StoreException.InvalidArgument(call.Subject,
                    $"the value for '{name}' has characters that HTTP cannot carry in a header: "
                    + "line ends, other control characters, or letters outside of ASCII");
            }
            Append(name);
            Append(": ");
            Append(value);
            Append("\r\n");
        }
        if (call.Body is { Length: > 0 } body)
        {
            Append("Content-Length: ");
            Append(body.Length.ToString(CultureInfo.InvariantCulture));
            Append(expectContinue ? "\r\nExpect: 100-continue\r\n" : "\r\n");
        }
        else if (call.Method == HttpMethod.Put || call.Method == HttpMethod.Post)
        {
            Append("Content-Length: 0\r\n");
        }
        Append("\r\n");
    }

    /// <summary>Room for a small body behind the head.</summary>
    public Span<byte> Extend(int length)
    {
        Reserve(length);
        _length += length;
        return _bytes.AsSpan(_length - length, length);
    }

    void Append(string text)
    {
        Reserve(text.Length);
        // ASCII throughout, as was looked at
        _length += Encoding.Latin1.GetBytes(text, _bytes.AsSpan(_length));
    }

    void Reserve(int length)
    {
        if (_bytes.Length - _length < length)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + length));
    }
}
