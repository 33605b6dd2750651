namespace S3dlio.Http;

/// <summary>What tells one pool of connections from another. Stores with equal settings share one.</summary>
sealed record HttpSettings
{
    /// <summary>PEM file with the certificate authorities to trust instead of the system's.</summary>
    public string? CaBundle { get; init; }

    /// <summary>URL of the proxy; null: HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide; empty: none.</summary>
    public string? Proxy { get; init; }

    /// <summary>False: any certificate will do. For tests alone.</summary>
    public bool VerifyTls { get; init; } = true;

    /// <summary>
    /// For DNS, TCP and TLS together. 10 s: three lost SYN packets (1 + 2 + 4 s) are still survived, while a host that swallows packets
    /// costs no more than that an attempt.
    /// </summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The longest silence within a call: between two pieces of a body in either direction, or until the answer's first byte. It is no
    /// limit on the whole, so a slow link is not a failure and a dead one is; see <see cref="HttpPace"/> for what is too slow for any link.
    /// 60 s: servers under load are seen to answer after 30.
    /// </summary>
    public TimeSpan ReadTimeout { get; init; } = TimeSpan.FromSeconds(60);
}
