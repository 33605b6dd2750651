namespace S3dlio.Storage;

/// <summary>
/// A parsed address. Everything after the container is the key, literally: no percent-decoding, no folding, so that every key a store
/// can hold can be named.
/// </summary>
/// <param name="Scheme"><c>file</c>, <c>direct</c> or <c>memory</c>.</param>
/// <param name="Container">Bucket or memory store; empty for files.</param>
/// <param name="Key">Key in the container; for files the absolute path without its first <c>/</c>.</param>
public sealed record StoreUri(string Scheme, string Container, string Key)
{
    public bool IsLocal => Scheme is "file" or "direct";

    /// <summary>The address of <paramref name="key"/> below this one.</summary>
    public string Child(string key) => ToString() is var self && self.EndsWith('/') ? self + key : $"{self}/{key}";

    public override string ToString() => Container.Length == 0 ? $"{Scheme}:///{Key}" : $"{Scheme}://{Container}/{Key}";

    /// <summary>Parses <c>scheme://…</c> or a plain file path.</summary>
    /// <exception cref="StoreException">InvalidArgument, with the forms that are understood.</exception>
    public static StoreUri Parse(string text)
    {
        if (text.Length == 0)
            throw Wrong(text, "the address is empty");
        if (text.Contains('\0', StringComparison.Ordinal))
            throw Wrong(text.Replace("\0", "\\0", StringComparison.Ordinal), "the address holds a NUL character");
        int mark = text.IndexOf("://", StringComparison.Ordinal);
        if (mark < 0 || !IsScheme(text.AsSpan(0, mark)))
            return new StoreUri("file", "", Path.GetFullPath(text)[1..]);
        string scheme = text[..mark].ToLowerInvariant();
        string rest = text[(mark + 3)..];
        switch (scheme)
        {
            case "file" or "direct":
                if (rest.StartsWith("localhost/", StringComparison.Ordinal))
                    rest = rest["localhost".Length..];
                if (!rest.StartsWith('/'))
                    throw Wrong(text, $"the path is relative; write {scheme}:///absolute/path");
                return new StoreUri(scheme, "", rest[1..]);
            case "memory":
                int slash = rest.IndexOf('/', StringComparison.Ordinal);
                string container = slash < 0 ? rest : rest[..slash];
                if (container.Length == 0)
                    throw Wrong(text, "the name after memory:// is empty; write memory://name/key");
                return new StoreUri(scheme, container, slash < 0 ? "" : rest[(slash + 1)..]);
            default:
                throw Wrong(text, $"unknown scheme '{scheme}'; known are file:///path, direct:///path, memory://name/key and plain paths");
        }
    }

    static bool IsScheme(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || !char.IsAsciiLetter(text[0]))
            return false;
        foreach (char c in text)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('+' or '-' or '.'))
                return false;
        }
        return true;
    }

    static StoreException Wrong(string text, string detail) => new(ErrorKind.InvalidArgument, text, detail);
}
