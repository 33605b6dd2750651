namespace S3dlio.Cli.Addresses;

/// <summary>
/// Wildcards: <c>*</c> and <c>?</c> stay within a name, <c>[a-z]</c> and <c>[!a-z]</c> are one character, <c>**</c> crosses names, and
/// <c>**/</c> stands for no folder too.
/// </summary>
sealed class Glob(string pattern)
{
    public static int FirstWildcard(string text) => text.AsSpan().IndexOfAny('*', '?', '[');

    public string Pattern => pattern;

    /// <param name="name">Names joined by <c>/</c>.</param>
    /// <param name="orBelow">What lies in a folder that matches does too.</param>
    public bool Matches(ReadOnlySpan<char> name, bool orBelow = false)
    {
        // a row of the pattern's positions that what was read so far may have led to: no pattern takes longer than its length times the
        // name's
        Span<bool> now = pattern.Length < 255 ? stackalloc bool[pattern.Length + 1] : new bool[pattern.Length + 1];
        Span<bool> next = pattern.Length < 255 ? stackalloc bool[pattern.Length + 1] : new bool[pattern.Length + 1];
        now.Clear();
        Reach(now, 0);
        foreach (char c in name)
        {
            if (orBelow && c == '/' && now[pattern.Length])
                return true;
            next.Clear();
            for (int at = 0; at < pattern.Length; at++)
            {
                if (!now[at])
                    continue;
                switch (pattern[at])
                {
                    case '*' when IsDouble(at):
                        Reach(next, at);
                        break;
                    case '*':
                        if (c != '/')
                            Reach(next, at);
                        break;
                    case '?':
                        if (c != '/')
                            Reach(next, at + 1);
                        break;
                    case '[' when ClassEnd(at) is > 0 and int end:
                        if (c != '/' && InClass(pattern.AsSpan(at + 1, end - at - 1), c))
                            Reach(next, end + 1);
                        break;
                    case var literal:
                        if (literal == c)
                            Reach(next, at + 1);
                        break;
                }
            }
            var swap = now;
            now = next;
            next = swap;
        }
        return now[pattern.Length];
    }

    bool IsDouble(int at) => at + 1 < pattern.Length && pattern[at + 1] == '*';

    /// <summary>Marks a position, and those behind stars, which may stand for nothing.</summary>
    void Reach(Span<bool> row, int at)
    {
        while (!row[at])
        {
            row[at] = true;
            if (at == pattern.Length || pattern[at] != '*')
                return;
            if (IsDouble(at))
            {
                // "**/" may stand for no folder at all
                if (at + 2 < pattern.Length && pattern[at + 2] == '/')
                    Reach(row, at + 3);
                at += 2;
            }
            else
            {
                at++;
            }
        }
    }

    int ClassEnd(int at)
    {
        int from = at + 1 < pattern.Length && pattern[at + 1] is '!' or '^' ? at + 2 : at + 1;
        return from + 1 < pattern.Length ? pattern.IndexOf(']', from + 1) : -1;
    }

    static bool InClass(ReadOnlySpan<char> set, char c)
    {
        bool negated = set[0] is '!' or '^';
        if (negated)
            set = set[1..];
        bool found = false;
        for (int i = 0; i < set.Length; i++)
        {
            if (i + 2 < set.Length && set[i + 1] == '-')
            {
                found |= c >= set[i] && c <= set[i + 2];
                i += 2;
            }
            else
            {
                found |= c == set[i];
            }
        }
        return found != negated;
    }
}
