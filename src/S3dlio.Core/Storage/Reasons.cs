namespace S3dlio.Storage;

/// <summary>Messages of libraries below, as part of one of ours.</summary>
static class Reasons
{
    const int Longest = 600;

    /// <summary>
    /// All lines of a message in one, cut after 600 characters: a chain of credential providers gives a line for each link, and the one that
    /// the user meant need not be the first.
    /// </summary>
    public static string OneLine(string message)
    {
        var lines = message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        string joined = string.Join("; ", lines);
        return joined.Length <= Longest ? joined : joined[..Longest] + "…";
    }
}
