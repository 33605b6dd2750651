namespace S3dlio.Http;

/// <summary>The proxy made no connection to the server. The message names the proxy; no byte of a request was sent.</summary>
sealed class ProxyFault : IOException
{
    ProxyFault(string message, Exception? cause = null)
        : base(message, cause)
    {
    }

    public ErrorKind Kind { get; private init; } = ErrorKind.Unavailable;

    public ErrorReason Reason { get; private init; }

    /// <summary>Another attempt may succeed.</summary>
    public bool Transient { get; private init; }

    /// <summary>Attempts at most, where fewer than usual make sense.</summary>
    public int MostAttempts { get; private init; } = int.MaxValue;

    /// <summary>It wants a login, or another one.</summary>
    public static ProxyFault Login(HttpProxy proxy) => new(
        $"the proxy {proxy.Name} wants {(proxy.User is null ? "credentials" : "other credentials than it was given")}; check user and "
        + $"password in {proxy.Source}, such as http://user:password@proxy.example:3128")
    {
        Kind = ErrorKind.Authentication,
    };

    /// <summary>It said that it makes no connection to this server.</summary>
    public static ProxyFault Refused(HttpProxy proxy, HttpOrigin origin, string why, bool transient, Exception? cause = null) =>
        new($"the proxy {proxy.Name} made no connection to {origin.Place}: {why}; check {proxy.Source}", cause) { Transient = transient };

    /// <summary>It answered something that is not its protocol's.</summary>
    public static ProxyFault Garbled(HttpProxy proxy, string what, Exception? cause = null) => new(
        $"the proxy {proxy.Name} does not speak {(proxy.Protocol == ProxyProtocol.Http ? "HTTP" : "SOCKS")} as expected: {what}; "
        + $"check {proxy.Source}", cause)
    {
        Transient = true,
        MostAttempts = 2,
    };

    /// <summary>The connection to it ended before there was one to the server.</summary>
    public static ProxyFault Broken(HttpProxy proxy, HttpOrigin origin, Exception cause) => new(
        $"the proxy {proxy.Name} ended the connection before there was one to {origin.Place}: {cause.Message}; check {proxy.Source}", cause)
    {
        Transient = true,
    };

    /// <summary>It is spoken to in TLS, and the handshake with it failed.</summary>
    /// <param name="what">Why, naming the proxy.</param>
    /// <param name="isCertificate">Its certificate was refused.</param>
    /// <param name="transient">The connection broke.</param>
    /// <param name="cause">The failure.</param>
    public static ProxyFault Handshake(string what, bool isCertificate, bool transient, Exception cause) => new(what, cause)
    {
        Reason = isCertificate ? ErrorReason.Certificate : ErrorReason.None,
        Transient = transient,
    };
}
