using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace S3dlio.Http;

/// <summary>How a proxy is spoken to.</summary>
enum ProxyProtocol
{
    /// <summary>Requests with whole addresses for http, tunnels (CONNECT) for https.</summary>
    Http,
    /// <summary>Version 4: a tunnel to an IPv4 address.</summary>
    Socks4,
    /// <summary>The same to a name.</summary>
    Socks4A,
    /// <summary>Version 5 (RFC 1928): a tunnel to a name, with a login (RFC 1929) where there is one.</summary>
    Socks5,
}

/// <summary>A proxy: where it is, what it speaks, and the login it is told.</summary>
sealed class HttpProxy
{
    /// <summary>Bytes: SOCKS has one byte for the length.</summary>
    const int MostInSocks = 255;

    /// <summary>Where the URL of a SOCKS proxy has none.</summary>
    const int SocksPort = 1080;

    HttpProxy(string source, ProxyProtocol protocol, HttpOrigin origin, string name)
    {
        (Source, Protocol, Origin, Name) = (source, protocol, origin, name);
    }

    /// <summary>What named it, for messages: the option or a variable.</summary>
    public string Source { get; }

    public ProxyProtocol Protocol { get; }

    public HttpOrigin Origin { get; }

    /// <summary>Its URL without the login.</summary>
    public string Name { get; }

    /// <summary>Decoded; null where no login was given.</summary>
    public string? User { get; private init; }

    /// <summary>Decoded.</summary>
    public string Password { get; private init; } = "";

    /// <summary>The value of Proxy-Authorization; null where no login was given.</summary>
    public string? Authorization =>
        User is null ? null : "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{Password}"));

    /// <summary>
    /// Requests of this server go to the proxy itself, which passes them on; to all other servers it makes a tunnel.
    /// </summary>
    public bool Relays(HttpOrigin origin) => Protocol == ProxyProtocol.Http && !origin.IsTls;

    /// <param name="text">A URL; <c>http://</c> may be missing. Its login is percent-encoded where it has to be.</param>
    /// <param name="source">What named it, for messages.</param>
    /// <param name="proxy">The proxy.</param>
    public static bool TryParse(string text, string source, [NotNullWhen(true)] out HttpProxy? proxy)
    {
        proxy = null;
        int scheme = text.IndexOf("://", StringComparison.Ordinal);
        string kind = scheme < 0 ? "http" : text[..scheme].ToLowerInvariant();
        ProxyProtocol? protocol = kind switch
        {
            "http" or "https" => ProxyProtocol.Http,
            "socks4" => ProxyProtocol.Socks4,
            "socks4a" => ProxyProtocol.Socks4A,
            // curl's name for names that the proxy resolves, which ours always does
            "socks5" or "socks5h" => ProxyProtocol.Socks5,
            _ => null,
        };
        string rest = scheme < 0 ? text : text[(scheme + 3)..];
        // the last: some write a password as it is
        int at = rest.LastIndexOf('@');
        if (protocol is not { } known || !HttpTransport.TryAddress($"{kind}://{rest[(at + 1)..]}", out var address)
            || address.IdnHost.Length == 0 || address.Port == 0)
            return false;
        int port = address.Port < 0 ? SocksPort : address.Port;
        var origin = new HttpOrigin(kind == "https", address.IdnHost, port);
        string[] login = at < 0 ? [] : rest[..at].Split(':', 2);
        proxy = new HttpProxy(source, known, origin, $"{kind}://{origin.Bracketed}:{port}")
        {
            User = login is [{ Length: > 0 } user, ..] ? Uri.UnescapeDataString(user) : null,
            Password = login is [_, var password] ? Uri.UnescapeDataString(password) : "",
        };
        return known == ProxyProtocol.Http || (InSocks(proxy.User) && InSocks(proxy.Password));
    }

    static bool InSocks(string? text) => text is null || Encoding.UTF8.GetByteCount(text) <= MostInSocks;
}
