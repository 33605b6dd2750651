using System.Globalization;

namespace S3dlio.Fuzz;

/// <summary>Seeded chance, so that a campaign can be repeated.</summary>
public sealed class Chance(int seed)
{
    static readonly string[] Numbers =
    [
        "0", "1", "2", "3", "4", "7", "8", "9", "10", "15", "16", "63", "64", "65", "127", "128", "255", "256", "1000", "1024", "4096",
            "10000", "10001",
        "65535", "65536", "65537", "1048576", "2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807",
            "9223372036854775808",
        "18446744073709551615", "18446744073709551616", "99999999999999999999999999", "-1", "-0", "+1", "00", "01", "1.0", "1e3", "1e999",
            "0x10", "1L", "",
        " 1", "1 ", "١", "NaN", "Infinity",
    ];

    static readonly ulong[] Words =
    [
        0, 1, 2, 3, 7, 8, 16, 32, 64, 100, 127, 128, 255, 256, 512, 1000, 1024, 4096, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x100000, 0x7FFFFFFF,
            0x80000000,
        0xFFFFFFFF, 0x100000000, long.MaxValue, 0x8000000000000000, ulong.MaxValue, ulong.MaxValue - 7,
    ];

    static readonly string[] Texts =
    [
        "", "a", "a/b", "/", "//", "..", "../..", ".", " ", "  ", "\t", "\n", "\r\n", "\0", "%00", "%2F", "%2f..%2f", "%", "%4", "%zz", "+",
            "&", "=", "?", "#",
        "@", ":", ";", ",", "'", "\"", "\\", "\\u0000", "\\ud800", "\\udc00", "<", ">", "&amp;", "&#0;", "&#x1F;", "]]>", "{", "}", "[",
            "]", "(", ")", "*",
        "ä", "ß", "漢字", "😀", "\uFFFD", "\uFFFF", "\uFEFF", "\u202E", "\u007F", "\u0085", "K", "İ", "null", "true", "false", "None", "True",
            "O", "x", "name",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];

    readonly Random _random = new(seed);

    public int Below(int end) => _random.Next(end);

    public bool In(int times) => _random.Next(times) == 0;

    public byte Byte() => (byte)_random.Next(256);

    public T Of<T>(IReadOnlyList<T> choices) => choices[_random.Next(choices.Count)];

    /// <summary>A number as text: mostly one at some limit.</summary>
    public string Number() => In(3) ? _random.NextInt64(1L << _random.Next(1, 63)).ToString(CultureInfo.InvariantCulture) : Of(Numbers);

    /// <summary>A number for a field of bytes.</summary>
    public ulong Word() => In(3) ? (ulong)_random.NextInt64(1L << _random.Next(1, 63)) : Of(Words);

    public string Text() => In(4) ? Of(Texts) + Text() : In(3) ? new string((char)_random.Next(1, 0xD800), _random.Next(4)) : Of(Texts);
}
