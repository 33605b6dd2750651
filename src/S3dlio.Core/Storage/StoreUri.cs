using S3dlio.IO;

namespace S3dlio.Storage;

/// <summary>
/// A parsed address. Everything after the container is the key, literally: no percent-decoding, no folding, so that every key a store
/// can hold can be named.
/// </summary>
/// <param name="Scheme"><c>file</c>, <c>direct</c>, <c>memory</c>, <c>s3</c> or <c>az</c>.</param>
/// <param name="Container">Bucket, memory store, or Azure's <c>account/container</c>, <c>host:port/bucket</c> of an S3 server that the
/// address names; empty for files.</param>
/// <param name="Key">Key in the container; for files the absolute path without its first <c>/</c>.</param>
public sealed record StoreUri(string Scheme, string Container, string Key)
{
    /// <summary>A scheme, how its addresses look, and how what follows <c>://</c> is read.</summary>
    sealed record Form(string Scheme, string Example, Func<Form, string, string, StoreUri> Read);

    static readonly Form[] Forms =
    [
        new("file", "file:///absolute/path", ReadPath),
        new("direct", "direct:///absolute/path", ReadPath),
        new("memory", "memory://name/key", ReadContainer),
        new("s3", "s3://bucket/key", ReadBucket),
        new("az", "az://account/container/key", ReadAccount),
        new("https", "https://account.blob.core.windows.net/container/key", ReadBlobUrl),
    ];

    /// <summary>Whether a text begins as a whole address does, of a known scheme or not: <c>scheme://</c>.</summary>
    public static bool IsAddress(string text) =>
        text.IndexOf("://", StringComparison.Ordinal) is var mark and > 0 && IsScheme(text.AsSpan(0, mark));

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
        {
            RequireSlashes(text);
            return new StoreUri("file", "", Path.GetFullPath(text)[1..]);
        }
        string scheme = text[..mark].ToLowerInvariant();
        var form = Array.Find(Forms, known => known.Scheme == scheme)
            ?? throw Wrong(text,
                $"unknown scheme '{scheme}'; known are {string.Join(", ", Forms.Select(known => known.Example))} and plain paths");
        var address = form.Read(form, text, text[(mark + 3)..]);
        return address.IsLocal || PathText.IsUnicode(text)
            ? address
            : throw Wrong(text,
                "the address is not valid Unicode: it holds bytes that are not UTF-8, or half of a surrogate pair. Only local files may "
                + "have such names");
    }

    // what path functions make of an address; it would be a file's name
    static void RequireSlashes(string text)
    {
        int colon = text.IndexOf(":/", StringComparison.Ordinal);
        if (colon < 2 || !IsScheme(text.AsSpan(0, colon)))
            return;
        string scheme = text[..colon].ToLowerInvariant();
        string meant = $"{scheme}://{(scheme is "file" or "direct" ? "/" : "")}{text[(colon + 2)..]}";
        throw Wrong(text, $"a slash of the address is missing; write '{meant}', or './{text}' for a file");
    }

    static StoreUri ReadPath(Form form, string text, string rest)
    {
        if (rest.StartsWith("localhost/", StringComparison.Ordinal))
            rest = rest["localhost".Length..];
        return rest.StartsWith('/')
            ? new StoreUri(form.Scheme, "", rest[1..])
            : throw Wrong(text, $"the path is relative; write {form.Example}");
    }

    static StoreUri ReadContainer(Form form, string text, string rest)
    {
        var (container, key) = Cut(rest);
        CheckName(form, text, container);
        return new StoreUri(form.Scheme, container, key);
    }

    /// <summary>The server's name and port, which an address may begin with; empty for all others.</summary>
    public string Server =>
        Scheme == "s3" && Container.IndexOf('/', StringComparison.Ordinal) is var slash && slash >= 0 ? Container[..slash] : "";

    /// <summary>The bucket, or Azure's container, by its own name.</summary>
    public string ContainerName => Container[(Container.IndexOf('/', StringComparison.Ordinal) + 1)..];

    static StoreUri ReadBucket(Form form, string text, string rest)
    {
        var (server, below) = Cut(rest);
        if (!IsServer(server))
            return ReadContainer(form, text, rest);
        var (bucket, key) = Cut(below);
        CheckName(form, text, server);
        if (bucket.Length == 0)
            throw Wrong(text, $"the address names the server {server} and no bucket; write s3://{server}/bucket/key");
        CheckName(form, text, bucket);
        return new StoreUri(form.Scheme, $"{server}/{bucket}", key);
    }

    /// <summary>
    /// With a port it is a server: no bucket's name has a colon. A name with dots alone may be either, so it is a bucket.
    /// </summary>
    static bool IsServer(string name)
    {
        int colon = name.LastIndexOf(':');
        return colon > 0 && name.Length - colon is > 1 and <= 6 && name.AsSpan(colon + 1).IndexOfAnyExceptInRange('0', '9') < 0;
    }

    static StoreUri ReadAccount(Form form, string text, string rest)
    {
        var (account, below) = Cut(rest);
        var (container, key) = Cut(below);
        CheckName(form, text, account);
        CheckName(form, text, container);
        return new StoreUri(form.Scheme, $"{account}/{container}", key);
    }

    /// <summary>
    /// A blob's URL, as portals and other tools show it: the one form whose key is percent-encoded. It becomes an <c>az://</c> address.
    /// </summary>
    static StoreUri ReadBlobUrl(Form form, string text, string rest)
    {
        const string publicSuffix = ".blob.core.windows.net";
        int query = rest.AsSpan().IndexOfAny('?', '#');
        if (query >= 0)
            // a shared access signature is a secret, so the text is not repeated
            throw Wrong($"https://{rest[..query]}",
                "a blob's URL is taken without what follows '?' or '#'; give a shared access signature as option sas_token");
        var (host, path) = Cut(rest);
        var (container, key) = Cut(path);
        host = host.ToLowerInvariant();
        int dot = host.IndexOf('.', StringComparison.Ordinal);
        if (dot <= 0 || !host.AsSpan(dot).StartsWith(".blob.", StringComparison.Ordinal) || host.Contains('@', StringComparison.Ordinal))
            throw Wrong(host.Contains('@', StringComparison.Ordinal) ? "https://…" : text,
                $"of https:// addresses only those of Azure blobs are understood, such as {form.Example}");
        container = Uri.UnescapeDataString(container);
        key = Uri.UnescapeDataString(key);
        CheckName(form, text, container);
        if (container.Contains('/', StringComparison.Ordinal) || container.Contains('\0', StringComparison.Ordinal)
                || key.Contains('\0', StringComparison.Ordinal))
            throw Wrong(text, $"decoded, the container's name holds a slash or the address a NUL character; write {form.Example}");
        // clouds other than the public one have other hosts, which the address has to keep
        string account = host.EndsWith(publicSuffix, StringComparison.Ordinal) ? host[..^publicSuffix.Length] : host;
        return new StoreUri("az", $"{account}/{container}", key);
    }

    static (string First, string Below) Cut(string text)
    {
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (text, "") : (text[..slash], text[(slash + 1)..]);
    }

    // the text is not repeated when it holds '@': that may be a password
    static void CheckName(Form form, string text, string name)
    {
        if (name.Length == 0)
            throw Wrong(text, $"the name after {form.Scheme}:// is empty; write {form.Example}");
        if (form.Scheme != "memory" && name.Contains('@', StringComparison.Ordinal))
            throw Wrong($"{form.Scheme}://…", $"credentials do not belong into an address; write {form.Example} and give them as options");
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
