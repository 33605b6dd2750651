namespace S3dlio.Cli.Original;

/// <summary>
/// The file <c>.env</c> of the current folder or the nearest one above it that has one: lines <c>NAME=VALUE</c>, as the original reads
/// them. What the environment sets already stays.
/// </summary>
static class DotEnv
{
    const long MostLength = 1 << 20;

    public static void Load()
    {
        for (string? folder = Directory.GetCurrentDirectory(); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            string path = Path.Combine(folder, ".env");
            if (!File.Exists(path))
                continue;
            foreach (var (name, value) in Read(path))
            {
                if (Environment.GetEnvironmentVariable(name) is null)
                    Environment.SetEnvironmentVariable(name, value);
            }
            return;
        }
    }

    static IEnumerable<(string Name, string Value)> Read(string path)
    {
        string[] lines;
        try
        {
            if (new FileInfo(path).Length > MostLength)
                yield break;
            lines = File.ReadAllLines(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // somebody else's file in a folder above is no reason to fail
            yield break;
        }
        foreach (string line in lines)
        {
            string text = line.Trim();
            if (text.StartsWith("export ", StringComparison.Ordinal))
                text = text[7..].TrimStart();
            int equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || text[0] == '#')
                continue;
            string name = text[..equals].TrimEnd();
            if (name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_'))
                yield return (name, Value(text[(equals + 1)..].TrimStart()));
        }
    }

    /// <summary>Without its quotes, or without the comment behind it.</summary>
    static string Value(string text)
    {
        if (text.Length > 1 && text[0] is '"' or '\'' && text.IndexOf(text[0], 1) is > 0 and var end)
            return text[1..end];
        int comment = text.IndexOf(" #", StringComparison.Ordinal);
        return (comment < 0 ? text : text[..comment]).TrimEnd();
    }
}
