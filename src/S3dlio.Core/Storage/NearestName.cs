namespace S3dlio.Storage;

/// <summary>What a name was probably meant to be, for errors that refuse unknown ones.</summary>
public static class NearestName
{
    // longer than any name there is: nothing to be near to, and nothing to repeat in full
    const int Longest = 64;

    /// <summary>The refusal of <paramref name="given"/>, with the nearest known name when one is near, and all known names.</summary>
    /// <param name="what">What it should be the name of, such as <c>option</c>.</param>
    public static string Refuse(string what, string given, IReadOnlyCollection<string> known)
    {
        string name = given.Length <= Longest ? given : given[..Longest] + "…";
        string nearest = known.MinBy(candidate => Distance(name, candidate)) ?? "";
        string hint = Distance(name, nearest) <= Math.Max(2, name.Length / 3) ? $"; did you mean '{nearest}'?" : "";
        return $"unknown {what} '{name}'{hint} (known: {string.Join(", ", known.Order(StringComparer.Ordinal))})";
    }

    /// <summary>Levenshtein's edit distance.</summary>
    static int Distance(string a, string b)
    {
        var row = new int[b.Length + 1];
        for (int j = 0; j <= b.Length; j++)
            row[j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            int corner = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int replace = corner + (a[i - 1] == b[j - 1] ? 0 : 1);
                corner = row[j];
                row[j] = Math.Min(replace, Math.Min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.Length];
    }
}
