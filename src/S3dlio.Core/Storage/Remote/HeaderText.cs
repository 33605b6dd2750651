using System.Text;

namespace S3dlio.Storage.Remote;

/// <summary>Users' metadata as headers: printable ASCII as it is, everything else as RFC 2047 words in UTF-8.</summary>
static class HeaderText
{
    const string Base64 = "=?UTF-8?B?", End = "?=";

    public static string Word(string value) => Base64 + Convert.ToBase64String(Encoding.UTF8.GetBytes(value)) + End;

    /// <summary>True for text that comes back as it was sent: printable, with no blanks at its ends, and no word itself.</summary>
    public static bool IsPlain(string value) =>
        value.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0 && value.Trim(' ').Length == value.Length
            && !value.StartsWith("=?", StringComparison.Ordinal);

    /// <summary>Reads RFC 2047 words (base64 or quoted) in UTF-8; anything else stays as it is.</summary>
    public static string Decode(string value)
    {
        if (value.Length < Base64.Length + End.Length || !value.StartsWith("=?UTF-8?", StringComparison.OrdinalIgnoreCase)
                || !value.EndsWith(End, StringComparison.Ordinal))
            return value;
        string body = value[Base64.Length..^End.Length];
        var bytes = new byte[body.Length];
        return char.ToUpperInvariant(value[8]) switch
        {
            'B' when Convert.TryFromBase64String(body, bytes, out int length) => Encoding.UTF8.GetString(bytes, 0, length),
            'Q' => PercentText.Decode(
                body.Replace("%", "%25", StringComparison.Ordinal).Replace(
                    "+", "%2B", StringComparison.Ordinal).Replace('=', '%').Replace('_', ' ')),
            _ => value,
        };
    }
}
