using System.Buffers;
using System.Text;

namespace S3dlio.Storage.S3;

/// <summary>Percent-encoding as SigV4 defines it: every byte of the UTF-8 but letters, digits and <c>-._~</c>, in upper-case hexadecimal.</summary>
static class S3Encoding
{
    static readonly SearchValues<char> Plain = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~");
    static readonly SearchValues<char> PlainPath = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/");

    /// <summary>A query's name or value.</summary>
    public static string Value(string text) => Encode(text, Plain);

    /// <summary>A key as a path: its slashes stay.</summary>
    public static string Path(string text) => Encode(text, PlainPath);

    /// <summary>What a listing with <c>encoding-type=url</c> holds; there a plus is a blank.</summary>
    public static string Decode(string text)
    {
        if (text.AsSpan().IndexOfAny('%', '+') < 0)
            return text;
        var bytes = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        int length = 0;
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c == '%' && i + 2 < text.Length && char.IsAsciiHexDigit(text[i + 1]) && char.IsAsciiHexDigit(text[i + 2]))
            {
                bytes[length++] = Convert.FromHexString(text.AsSpan(i + 1, 2))[0];
                i += 2;
            }
            else if (c < 0x80)
            {
                bytes[length++] = c == '+' ? (byte)' ' : (byte)c;
            }
            else
            {
                int count = char.IsHighSurrogate(c) && i + 1 < text.Length ? 2 : 1;
                length += Encoding.UTF8.GetBytes(text.AsSpan(i, count), bytes.AsSpan(length));
                i += count - 1;
            }
        }
        return Encoding.UTF8.GetString(bytes, 0, length);
    }

    static string Encode(string text, SearchValues<char> plain)
    {
        if (text.AsSpan().IndexOfAnyExcept(plain) < 0)
            return text;
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        var result = new StringBuilder(utf8.Length * 2);
        foreach (byte b in utf8)
        {
            if (b < 0x80 && plain.Contains((char)b))
                result.Append((char)b);
            else
                result.Append('%').Append(Hex[b >> 4]).Append(Hex[b & 15]);
        }
        return result.ToString();
    }

    const string Hex = "0123456789ABCDEF";
}
