namespace S3dlio.OpLog;

/// <summary>Times as RFC 3339 has them, with up to nine digits of a second.</summary>
static class OpTime
{
    /// <returns>Nanoseconds since 1970; null for what is empty or no time.</returns>
    public static long? Parse(string? text)
    {
        if (text is null || text.Length < 20 || text[4] != '-' || text[7] != '-' || text[10] is not ('T' or 't' or ' ') || text[13] != ':'
            || text[16] != ':')
            return null;
        int year = Digits(text, 0, 4), month = Digits(text, 5, 2), day = Digits(text, 8, 2), hour = Digits(text, 11, 2), minute =
            Digits(text, 14, 2), second = Digits(text, 17, 2);
        if (year is < 1970 or > 2200 || month is < 1 or > 12 || day is < 1 || day > DateTime.DaysInMonth(year, month)
            || hour is < 0 or > 23 || minute is < 0 or > 59 || second is < 0 or > 60)
            return null;
        int at = 19;
        long fraction = 0;
        if (text[at] == '.')
        {
            long unit = 100_000_000;
            for (at++; at < text.Length && char.IsAsciiDigit(text[at]); at++, unit /= 10)
                fraction += unit * (text[at] - '0');
        }
        long seconds = (new DateTime(year, month, day, hour, minute, 0,
            DateTimeKind.Utc) - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerSecond + second;
        if (at == text.Length || text[at] is 'Z' or 'z')
            return seconds * 1_000_000_000 + fraction;
        if (text[at] is not ('+' or '-') || text.Length < at + 6)
            return null;
        int east = Digits(text, at + 1, 2) * 3600 + Digits(text, at + 4, 2) * 60;
        return (seconds - (text[at] == '+' ? east : -east)) * 1_000_000_000 + fraction;
    }

    static int Digits(string text, int at, int count)
    {
        int number = 0;
        for (int i = at; i < at + count; i++)
        {
            if (!char.IsAsciiDigit(text[i]))
                return -1_000_000;
            number = number * 10 + text[i] - '0';
        }
        return number;
    }
}
