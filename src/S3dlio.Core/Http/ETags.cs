namespace S3dlio.Http;

/// <summary>
/// Entity tags (RFC 9110, 8.8.3). Headers have them in quotes, listings and some servers without; here they are bare, weak ones as they
/// came.
/// </summary>
static class ETags
{
    const string Weak = "W/";

    /// <summary>Without its quotes; null for an empty one.</summary>
    public static string? Bare(string? etag) =>
        etag is { Length: > 2 } && etag[0] == '"' && etag[^1] == '"' ? etag[1..^1] : etag is "" or "\"\"" ? null : etag;

    /// <summary>With its quotes, as a condition has to have it.</summary>
    public static string Quoted(string etag) => etag is "*" || etag.StartsWith('"') || IsWeak(etag) ? etag : $"\"{etag}\"";

    /// <summary>A tag that If-Match can never find the same: proxies that may change a body weaken its tag.</summary>
    public static bool IsWeak(string etag) => etag.StartsWith(Weak, StringComparison.Ordinal);

    /// <summary>
    /// True for tags of one version. A proxy may weaken the tag of some answers and not of others, so that makes no difference.
    /// </summary>
    public static bool AreSame(string a, string b) => Opaque(a).SequenceEqual(Opaque(b));

    /// <summary>Holds an answer against the condition that was sent with the request: not all servers heed it.</summary>
    /// <exception cref="StoreException">Precondition.</exception>
    public static void Check(string uri, string? expected, string? found)
    {
        if (expected is not null and not "*" && (found is null || !AreSame(found, expected)))
            throw StoreException.WrittenSince(uri, expected, found);
    }

    static ReadOnlySpan<char> Opaque(string etag) => (IsWeak(etag) ? etag.AsSpan(Weak.Length) : etag).Trim('"');
}
