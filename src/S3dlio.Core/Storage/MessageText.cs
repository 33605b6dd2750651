using System.Globalization;
using System.Text;

namespace S3dlio.Storage;

/// <summary>Text from elsewhere as an error message may show it, so that hostile names cannot fill or break a message.</summary>
static class MessageText
{
    const int QuotedChars = 80;

    /// <summary>The text in double quotes, cut to 80 characters, with everything that is not printable ASCII or a letter escaped.</summary>
    public static string Quote(ReadOnlySpan<char> text)
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
}
