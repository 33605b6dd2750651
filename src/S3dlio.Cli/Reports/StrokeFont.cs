namespace S3dlio.Cli.Reports;

/// <summary>
/// Letters as lines, for pictures of pixels: the program carries no fonts, and a machine of servers has none. A point is two digits, of
/// which the second counts from the top of capitals (0) over the base line (8) to below it (a); a letter has strokes with spaces between.
/// </summary>
static class StrokeFont
{
    const int BaseLine = 8;

    /// <summary>Height of capitals as a part of the size of a font.</summary>
    const double CapHeight = 0.72;

    const string Letters =
        """
        A 08 03 20 30 53 58|05 55
        B 00 08 48 57 55 44 04|00 40 51 53 44
        C 51 40 10 01 07 18 48 57
        D 00 08 38 56 52 30 00
        E 50 00 08 58|04 44
        F 50 00 08|04 44
        G 51 40 10 01 07 18 48 57 54 34
        H 00 08|50 58|04 54
        I 10 18
        J 50 57 48 18 07
        K 00 08|50 04 58
        L 00 08 58
        M 08 00 35 60 68
        N 08 00 58 50
        O 10 01 07 18 48 57 51 40 10
        P 08 00 40 51 53 44 04
        Q 10 01 07 18 48 57 51 40 10|36 59
        R 08 00 40 51 53 44 04|24 58
        S 51 40 10 01 03 14 44 55 57 48 18 07
        T 00 60|30 38
        U 00 07 18 48 57 50
        V 00 38 60
        W 00 28 42 68 80
        X 00 58|50 08
        Y 00 34 60|34 38
        Z 00 50 08 58
        a 14 23 43 54 58|55 15 06 07 18 48 57
        b 00 08|04 13 43 54 57 48 18 07
        c 54 43 13 04 07 18 48 57
        d 50 58|54 43 13 04 07 18 48 57
        e 05 55 54 43 13 04 07 18 48 57
        f 40 30 21 28|03 43
        g 53 59 4a 1a 09|54 43 13 04 07 18 48 57
        h 00 08|04 13 43 54 58
        i 13 18|10 11
        j 23 29 1a 0a|20 21
        k 00 08|43 05 48
        l 10 18
        m 03 08|04 13 23 34 38|34 43 53 64 68
        n 03 08|04 13 43 54 58
        o 13 04 07 18 48 57 54 43 13
        p 03 0a|04 13 43 54 57 48 18 07
        q 53 5a|54 43 13 04 07 18 48 57
        r 03 08|05 14 23 43
        s 54 43 13 04 15 45 56 57 48 18 07
        t 20 27 38 48|03 43
        u 03 07 18 48 57|53 58
        v 03 28 53
        w 03 18 34 58 63
        x 03 58|53 08
        y 03 28|53 28 1a 0a
        z 03 53 08 58
        0 10 01 07 18 48 57 51 40 10
        1 12 30 38|18 58
        2 01 10 40 51 53 08 58
        3 01 10 40 51 53 44 24|44 55 57 48 18 07
        4 48 40 05 55
        5 50 00 03 43 54 57 48 18 07
        6 51 40 10 01 07 18 48 57 55 44 14 05
        7 00 50 28
        8 14 03 01 10 40 51 53 44 14 05 07 18 48 57 55 44
        9 54 45 15 04 01 10 40 51 57 48 18 07
        . 17 18
        , 17 18 09
        : 13 14|17 18
        / 08 50
        % 08 50|00 10 11 01 00|47 57 58 48 47
        - 15 45
        + 15 55|33 37
        ( 20 12 16 28
        ) 10 22 26 18
        < 52 05 58
        > 02 55 08
        = 14 54|16 56
        _ 09 59
        * 12 56|52 16|31 37
        """;

    static readonly Dictionary<char, (int Width, (double X, double Y)[][] Strokes)> Shapes = Letters.Split('\n')
        .ToDictionary(static line => line[0], static line => Shape(line[2..]));

    static (int, (double, double)[][]) Shape(string text)
    {
        var strokes = text.Split('|').Select(static stroke => stroke.Split(' ').Select(Point).ToArray()).ToArray();
        return ((int)strokes.SelectMany(static stroke => stroke).Max(static point => point.Item1), strokes);
    }

    static (double, double) Point(string digits) => (Convert.ToInt32(digits[..1], 16), Convert.ToInt32(digits[1..], 16));

    /// <summary>What a letter without a shape looks like: a box. A space is as wide.</summary>
    static (int Width, (double X, double Y)[][] Strokes) Of(char letter) =>
        Shapes.TryGetValue(letter, out var shape) ? shape : letter == ' ' ? (3, []) : (5, [[(0, 0), (5, 0), (5, 8), (0, 8), (0, 0)]]);

    static double Unit(double size) => size * CapHeight / BaseLine;

    public static double Width(string text, double size) =>
        text.Length == 0 ? 0 : (text.Sum(static letter => Of(letter).Width + 2) - 2) * Unit(size);

    /// <summary>The strokes of a text whose base line begins at 0,0.</summary>
    public static IEnumerable<(double X, double Y)[]> Strokes(string text, double size)
    {
        double unit = Unit(size), at = 0;
        foreach (char letter in text)
        {
            var (width, strokes) = Of(letter);
            foreach (var stroke in strokes)
            {
                double begin = at;
                yield return [.. stroke.Select(point => ((begin + point.X) * unit, (point.Y - BaseLine) * unit))];
            }
            at += width + 2;
        }
    }
}
