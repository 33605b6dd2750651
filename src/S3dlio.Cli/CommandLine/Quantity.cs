using System.Globalization;

namespace S3dlio.Cli.CommandLine;

/// <summary>Sizes and times as people write them.</summary>
static class Quantity
{
    static readonly (string Suffix, long Factor)[] Units =
    [
        ("kib", 1L << 10), ("mib", 1L << 20), ("gib", 1L << 30), ("tib", 1L << 40), ("ki", 1L << 10), ("mi", 1L << 20), ("gi", 1L << 30),
            ("ti", 1L << 40),
        ("kb", 1000), ("mb", 1000_000), ("gb", 1000_000_000), ("tb", 1000_000_000_000), ("k", 1000), ("m", 1000_000), ("g", 1000_000_000),
            ("t", 1000_000_000_000), ("b", 1),
    ];

    /// <summary>
    /// A number with <c>k m g t</c> (powers of 1000) or <c>ki mi gi ti</c> (of 1024), <c>B</c> behind it, <c>_</c> in it.
    /// </summary>
    public static long Size(string text, string what)
    {
        string plain = text.Replace("_", "", StringComparison.Ordinal).Trim().ToLowerInvariant();
        long factor = 1;
        foreach (var (suffix, times) in Units)
        {
            if (plain.EndsWith(suffix, StringComparison.Ordinal))
            {
                (plain, factor) = (plain[..^suffix.Length], times);
                break;
            }
        }
        return decimal.TryParse(plain, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number)
            && number * factor <= long.MaxValue
            ? (long)(number * factor)
            : throw new UsageException($"{what}: '{text}' is no size; write a number such as 4096, 64k, 8MiB or 1.5G");
    }

    /// <summary>A number with <c>s m h d w</c> behind it; without one, seconds.</summary>
    public static TimeSpan Duration(string text, string what)
    {
        double seconds = text.Length == 0 ? 0 : text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86400, 'w' => 604800, _ => 0 };
        string plain = seconds == 0 ? text : text[..^1];
        return double.TryParse(plain, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number)
            && number * Math.Max(1, seconds) < 1e10
            ? TimeSpan.FromSeconds(number * (seconds == 0 ? 1 : seconds))
            : throw new UsageException($"{what}: '{text}' is no time; write a number such as 30s, 15m, 12h or 7d");
    }

    public static int Integer(string text, string what, int least, int most) => (int)Number(text, what, least, most);

    public static long Number(string text, string what, long least, long most) =>
        long.TryParse(text.Replace("_", "", StringComparison.Ordinal), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture,
            out long number) && number >= least && number <= most
            ? number
            : throw new UsageException(most == long.MaxValue ? $"{what}: '{text}' is no whole number"
                : $"{what}: '{text}' is no whole number from {least} to {most}");

    /// <summary>For people: three digits and a unit of 1024.</summary>
    public static string Show(double bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        int unit = 0;
        while (bytes >= 999.5 && unit < units.Length - 1)
            (bytes, unit) = (bytes / 1024, unit + 1);
        string digits = unit == 0 || bytes >= 99.5 ? "0" : bytes >= 9.95 ? "0.0" : "0.00";
        return bytes.ToString(digits, CultureInfo.InvariantCulture) + " " + units[unit];
    }

    public static string Show(TimeSpan time) =>
        time.TotalHours >= 1 ? $"{(int)time.TotalHours}h{time.Minutes:00}m" : time.TotalMinutes >= 1
        ? $"{(int)time.TotalMinutes}m{time.Seconds:00}s"
        : time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture) + " s";
}
