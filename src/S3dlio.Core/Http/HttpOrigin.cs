namespace S3dlio.Http;

/// <summary>A server as its clients name it: what connections are pooled by.</summary>
/// <param name="isTls">https.</param>
/// <param name="host">A name in ASCII, or an address without brackets.</param>
/// <param name="port">1 to 65535.</param>
sealed class HttpOrigin(bool isTls, string host, int port) : IEquatable<HttpOrigin>
{
    // every request looks its connections up by it
    readonly int _hash = HashCode.Combine(isTls, host, port);

    public bool IsTls => isTls;

    public string Host => host;

    public int Port => port;

    /// <summary>As messages name it.</summary>
    public string Place => $"{host}:{port}";

    /// <summary>Its host as URLs have it: IPv6 addresses in brackets.</summary>
    public string Bracketed => Bracket(host);

    /// <summary>The Host header of its requests.</summary>
    public string Authority { get; } = Bracket(host) + (port == (isTls ? 443 : 80) ? "" : $":{port}");

    /// <summary>What stands before a target in a whole address.</summary>
    public string Text => (isTls ? "https://" : "http://") + Authority;

    public static HttpOrigin Of(Uri address) => new(address.Scheme == "https", address.IdnHost, address.Port);

    public bool Equals(HttpOrigin? other) =>
        ReferenceEquals(this, other) || (other is not null && IsTls == other.IsTls && Port == other.Port && Host == other.Host);

    public override bool Equals(object? obj) => Equals(obj as HttpOrigin);

    public override int GetHashCode() => _hash;

    static string Bracket(string host) => host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host;
}
