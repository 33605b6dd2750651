using S3dlio.Http;

namespace S3dlio.Storage.Remote;

/// <summary>The options that every store reached over HTTP has, with their defaults.</summary>
sealed record RemoteOptions
{
    public static readonly string[] Names =
    [
        "ca_bundle", "proxy", "verify_tls", "connect_timeout", "read_timeout", "total_timeout", "max_attempts",
        "part_size", "max_in_flight", "memory_limit",
    ];

    public HttpSettings Settings { get; init; } = new();

    public RetrySettings Retry { get; init; } = new();

    /// <summary>
    /// Bytes of one part of a large object. 8 MiB: at a gigabyte a second a part takes 8 ms, so what a request costs is spread over
    /// enough bytes, and there are parts enough to keep all connections busy from 64 MiB on.
    /// </summary>
    public int PartSize { get; init; } = 8 << 20;

    /// <summary>
    /// Requests at once, over all calls of a store. 32: a connection to a cloud's store gives 50 to 100 MB/s, so these fill a 25 Gbit/s
    /// link, and no server takes them for an attack.
    /// </summary>
    public int MaxInFlight { get; init; } = 32;

    /// <summary>
    /// Bytes of buffers at once, over all streaming writers of a store; reads and puts use the caller's memory and none of this.
    /// </summary>
    public long MemoryLimit { get; init; } = 256 << 20;

    /// <summary>Refuses an endpoint's URL that requests cannot be sent to.</summary>
    /// <param name="text">The URL.</param>
    /// <param name="uri">The store, for messages.</param>
    /// <param name="name">What it is the value of.</param>
    /// <param name="examples">Two that are good.</param>
    /// <param name="secrets">Where credentials belong.</param>
    /// <exception cref="StoreException">InvalidArgument.</exception>
    public static Uri CheckEndpoint(string text, string uri, string name, string examples, string secrets)
    {
        if (!HttpTransport.TryAddress(text, out var url) || url.Scheme is not ("http" or "https") || url.Host.Length == 0)
            throw StoreException.InvalidArgument(uri, $"{name} must be a URL such as {examples}");
        if (url.UserInfo.Length > 0 || url.Query.Length > 0 || url.Fragment.Length > 0)
            throw StoreException.InvalidArgument(uri, $"option 'endpoint_url' must hold no user, query or fragment; {secrets}");
        return url;
    }

    /// <summary>These options with one more of them set, or null when it is none of these.</summary>
    public RemoteOptions? With(NamedOption option) => option.Name switch
    {
        "ca_bundle" => this with { Settings = Settings with { CaBundle = option.AsText() } },
        "proxy" => this with { Settings = Settings with { Proxy = option.AsText() } },
        "verify_tls" => this with { Settings = Settings with { VerifyTls = option.AsBool() } },
        "connect_timeout" => this with { Settings = Settings with { ConnectTimeout = option.AsSeconds() } },
        "read_timeout" => this with { Settings = Settings with { ReadTimeout = option.AsSeconds() } },
        "total_timeout" => this with { Retry = Retry with { TotalTimeout = option.AsSeconds() } },
        "max_attempts" => this with { Retry = Retry with { MaxAttempts = (int)option.AsInteger(1, 100) } },
        "part_size" => this with { PartSize = (int)option.AsInteger(64 << 10, 1 << 30) },
        "max_in_flight" => this with { MaxInFlight = (int)option.AsInteger(1, 4096) },
        "memory_limit" => this with { MemoryLimit = option.AsInteger(1 << 20, long.MaxValue) },
        _ => null,
    };
}
