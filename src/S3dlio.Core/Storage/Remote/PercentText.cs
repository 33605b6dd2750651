using System.Text;

namespace S3dlio.Storage.Remote;

/// <summary>Text with percent escapes, as some listings spell keys that XML cannot hold.</summary>
static class PercentText
{
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
}
