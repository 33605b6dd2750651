using System.Buffers;
using System.Text;

namespace S3dlio.Http;

/// <summary>
/// Percent-encoding of every byte of the UTF-8 but letters, digits and <c>-._~</c>, in upper-case hexadecimal: what signatures are made of
/// and what no part of a service rewrites.
/// </summary>
static class PercentEncoding
{
    const string Hex = "0123456789ABCDEF";

    const string Unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    static readonly SearchValues<char> Plain = SearchValues.Create(Unreserved);
    static readonly SearchValues<char> PlainPath = SearchValues.Create(Unreserved + "/");

    /// <summary>A query's name or value.</summary>
    public static string Value(string text) => Encode(text, Plain);

    /// <summary>A key as a path: its slashes stay.</summary>
    public static string Path(string text) => Encode(text, PlainPath);

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
}
