using System.Globalization;
using System.Text;

namespace S3dlio.Tests.Witness;

/// <summary>
/// Random requests, the same for a seed: keys as no two programs encode them by chance, and values that have to be brought into shape.
/// </summary>
sealed class OddText(int seed)
{
    // what URLs, signatures, XML and file systems give a meaning of their own
    static readonly string[] Pieces =
    [
        "a", "Z9", "data", "-", "_", ".", "..", "...", "~", " ", "  ", "+", "%", "%2F", "%20", "%zz", "/", "//", "!", "*", "'", "(", ")",
            ";", ":", "@", "&", "=", "$", ",",
        "?", "#", "[", "]", "^", "`", "{", "|", "}", "\"", "<", ">", "é", "e\u0301", "ß", "日本語", "\u0416", "\u05D0", "\U0001F600",
            "\U00010348", "\uFFFD", "=?UTF-8?", "&amp;", "x=y&z",
    ];

    // Azure takes a backslash for a slash, and takes no control characters
    static readonly string[] Harsh = ["\\", "\t", "\u0001", "\u007F", "\u0085"];

    const string Blank = "abc XYZ  019,;=/+-_.:()   ~";

    readonly Random _random = new(seed);

    public Random Random => _random;

    public string Key(bool harsh)
    {
        var key = new StringBuilder();
        int parts = _random.Next(20) == 0 ? 400 : _random.Next(1, 12);
        for (int i = 0; i < parts; i++)
        {
            string piece = harsh && _random.Next(12) == 0 ? Pick(Harsh) : Pick(Pieces);
            // S3's limit, which some of the long ones meet exactly
            if (Encoding.UTF8.GetByteCount(key.ToString()) + Encoding.UTF8.GetByteCount(piece) <= 1024)
                key.Append(piece);
        }
        if (parts == 400)
            key.Append('k', 1024 - Encoding.UTF8.GetByteCount(key.ToString()));
        return key.ToString();
    }

    /// <summary>Printable ASCII with blanks at its ends and in rows.</summary>
    public string Value()
    {
        var text = new StringBuilder("v");
        for (int i = _random.Next(30); i >= 0; i--)
            text.Append(Blank[_random.Next(Blank.Length)]);
        return _random.Next(4) == 0 ? $" {text} " : text.ToString();
    }

    public string Name() => $"n{_random.Next(1000).ToString(CultureInfo.InvariantCulture)}";

    public string Secret(int length)
    {
        var bytes = new byte[length];
        _random.NextBytes(bytes);
        return Convert.ToBase64String(bytes);
    }

    public T Pick<T>(IReadOnlyList<T> choices) => choices[_random.Next(choices.Count)];

    public bool Chance(int oneIn) => _random.Next(oneIn) == 0;
}
