using System.Globalization;
using System.Text;
using S3dlio.Storage;

namespace S3dlio.Tensors;

/// <summary>The one place where the formats' errors are made, so that hostile names cannot fill or break a message.</summary>
static class FormatFault
{
    const int QuotedChars = 80;

    internal static StoreException Data(string uri, string detail, long? offset = null) =>
        new(ErrorKind.InvalidData, uri, detail, offset);

    internal static StoreException Mismatch(string uri, string detail, long? offset = null) =>
        new(ErrorKind.ChecksumMismatch, uri, detail, offset);

    internal static StoreException Argument(string uri, string detail) =>
        new(ErrorKind.InvalidArgument, uri, detail);

    /// <summary>The text in double quotes, cut to 80 characters, with everything that is not printable ASCII or a letter escaped.</summary>
    internal static string Quote(ReadOnlySpan<char> text)
    {
        bool cut = text.Length > QuotedChars;
        var quoted = new StringBuilder("\"");
        foreach (char c in cut ? text[..QuotedChars] : text)
        {
            if (c is '"' or '\\')
                quoted.Append('\\').Append(c);
            else if (c is >= ' ' and <= '~' || char.IsLetterOrDigit(c))
                quoted.Append(c);
            else
                quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
        }
        return quoted.Append(cut ? "\"..." : "\"").ToString();
    }

    /// <summary>A shape as Python prints it: <c>()</c>, <c>(3,)</c>, <c>(3, 4)</c>.</summary>
    internal static string ShapeText(ReadOnlySpan<long> shape)
    {
        var text = new StringBuilder("(");
        for (int i = 0; i < shape.Length; i++)
            text.Append(CultureInfo.InvariantCulture, $"{(i == 0 ? "" : ", ")}{shape[i]}");
        return text.Append(shape.Length == 1 ? ",)" : ")").ToString();
    }
}
