using System.Buffers;
using System.Globalization;
using System.Text;

namespace S3dlio.Http;

/// <summary>The small words of HTTP: tokens, numbers, dates.</summary>
static class HttpText
{
    const string Token = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const string Months = "JanFebMarAprMayJunJulAugSepOctNovDec";

    /// <summary>What a header's name may consist of (RFC 9110, 5.6.2).</summary>
    public static readonly SearchValues<byte> TokenBytes = SearchValues.Create(Encoding.ASCII.GetBytes(Token));

    /// <summary>The same as text.</summary>
    public static readonly SearchValues<char> TokenChars = SearchValues.Create(Token);

    /// <summary>A number of decimal digits and nothing else, at most 18; -1 for anything else.</summary>
    public static long Digits(ReadOnlySpan<byte> text)
    {
        if (text.Length is 0 or > 18)
            return -1;
        long number = 0;
        foreach (byte digit in text)
        {
            if (digit is < (byte)'0' or > (byte)'9')
                return -1;
            number = (number * 10) + digit - '0';
        }
        return number;
    }

    /// <summary>A word of a list with commas.</summary>
    public static bool HasWord(ReadOnlySpan<byte> list, ReadOnlySpan<byte> word)
    {
        while (list.Length > 0)
        {
            int comma = list.IndexOf((byte)',');
            if (Ascii.EqualsIgnoreCase((comma < 0 ? list : list[..comma]).Trim((byte)' '), word))
                return true;
            list = comma < 0 ? default : list[(comma + 1)..];
        }
        return false;
    }

    /// <summary><c>Fri, 01 Mar 2024 10:00:00 GMT</c>, and what else .NET takes for a date: not all servers keep to the form.</summary>
    public static DateTimeOffset? Date(ReadOnlySpan<byte> text)
    {
        if (text.Length == 29 && text[3] == ',' && text[25] == ' ' && text[26..].SequenceEqual("GMT"u8))
        {
            Span<char> month = stackalloc char[3];
            Encoding.Latin1.GetChars(text[8..11], month);
            int index = Months.AsSpan().IndexOf(month, StringComparison.Ordinal);
            long day = Digits(text[5..7]), year = Digits(text[12..16]);
            long hour = Digits(text[17..19]), minute = Digits(text[20..22]), second = Digits(text[23..25]);
            if (index >= 0 && index % 3 == 0 && year >= 1 && day >= 1 && day <= DateTime.DaysInMonth((int)year, (index / 3) + 1)
                && hour is >= 0 and < 24 && minute is >= 0 and < 60 && second is >= 0 and < 60)
                return new DateTimeOffset((int)year, (index / 3) + 1, (int)day, (int)hour, (int)minute, (int)second, TimeSpan.Zero);
        }
        string other = Encoding.Latin1.GetString(text);
        return DateTimeOffset.TryParse(other, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
    }
}
