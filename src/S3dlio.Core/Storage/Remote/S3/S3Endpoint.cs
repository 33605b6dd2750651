using System.Collections.Concurrent;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>The endpoint of a bucket, and its addressing style.</summary>
sealed class S3Endpoint
{
    readonly Uri? _custom;
    readonly Addressing _style;
    readonly bool _isAddress;
    readonly string? _host;
    readonly string _start;
    readonly ConcurrentDictionary<string, HttpOrigin> _origins = new(StringComparer.Ordinal);

    public S3Endpoint(S3Options options)
    {
        _custom = options.EndpointUrl is null ? null : new Uri(options.EndpointUrl);
        _style = options.Addressing;
        _isAddress = _custom is { HostNameType: UriHostNameType.IPv4 or UriHostNameType.IPv6 };
        _host = _custom is null ? null : HttpOrigin.Of(_custom).Authority;
        _start = _custom is null ? "" : _custom.AbsolutePath.TrimEnd('/');
    }

    /// <summary>Amazon's own service: no question what it can do.</summary>
    public bool IsAmazon => _custom is null || _custom.Host.EndsWith(".amazonaws.com", StringComparison.OrdinalIgnoreCase);

    public bool IsTls => _custom is null || _custom.Scheme == "https";

    /// <summary>True when the host follows from the region, so that another region is another host.</summary>
    public bool FollowsRegion => _custom is null;

    /// <summary>Where all buckets are, in one spelling: scheme, host and port as connections have them, and the path.</summary>
    public string Base => $"{(IsTls ? "https" : "http")}://{_host}{_start}";

    /// <summary>Amazon's separate worlds: the public regions, China, the government's.</summary>
    public static string Partition(string region)
    {
        foreach (string start in (ReadOnlySpan<string>)["cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-"])
        {
            if (region.StartsWith(start, StringComparison.OrdinalIgnoreCase))
                return start;
        }
        return "";
    }

    /// <summary>
    /// True for a label of DNS. A region becomes part of the host that signed requests go to, so one that a server names must not be able
    /// to name another host.
    /// </summary>
    public static bool IsRegion(string? name)
    {
        if (name is not { Length: > 0 and <= 63 } || name[0] == '-' || name[^1] == '-')
            return false;
        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c != '-')
                return false;
        }
        return true;
    }

    /// <summary>The host as in the Host header, and the encoded path.</summary>
    /// <exception cref="StoreException">Virtual hosts were asked for, and the bucket can be none.</exception>
    public (string Host, string Path) Locate(string bucket, string key, string region)
    {
        string host = _host ?? $"s3.{region}.amazonaws.com{(region.StartsWith("cn-", StringComparison.Ordinal) ? ".cn" : "")}";
        string start = _start;
        if (bucket.Length == 0)
            return (host, start + "/");
        bool virtualHost = _style == Addressing.Virtual
            || (_style == Addressing.Auto && _custom is null && S3Options.IsHostName(bucket, IsTls));
        // host names have no upper case and no underscores: another bucket would be asked, or the signature would be over another host
        if (_style == Addressing.Virtual && (_isAddress || !S3Options.IsHostName(bucket, tls: false)))
            throw new StoreException(ErrorKind.InvalidArgument, $"s3://{bucket}/", _isAddress
                ? $"a bucket cannot be part of the address {host}; give endpoint_url with a host name, or leave out "
                + "addressing_style=virtual"
                : "the bucket's name cannot be part of a host name; set addressing_style=path");
        if (virtualHost)
            return ($"{bucket}.{host}", $"{start}/{PercentEncoding.Path(key)}");
        return (host, key.Length == 0
                ? $"{start}/{PercentEncoding.Value(bucket)}"
                : $"{start}/{PercentEncoding.Value(bucket)}/{PercentEncoding.Path(key)}");
    }

    /// <summary>What the connections to a host of <see cref="Locate"/> are pooled by.</summary>
    public HttpOrigin Origin(string host) =>
        _origins.TryGetValue(host, out var known)
            ? known
            : _origins.GetOrAdd(host, HttpOrigin.Of(new Uri($"{(IsTls ? "https" : "http")}://{host}/")));
}
