using System.Net;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>How checksums are kept with objects.</summary>
enum ChecksumMode
{
    /// <summary>As the server can: found out with the first write to an endpoint.</summary>
    Auto,
    /// <summary>As S3's own CRC32C.</summary>
    Native,
    /// <summary>In the object's metadata.</summary>
    Metadata,
    /// <summary>Not at all.</summary>
    Off,
}

enum Addressing
{
    /// <summary>Virtual hosts at Amazon where the bucket's name allows it, paths elsewhere.</summary>
    Auto,
    Path,
    Virtual,
}

/// <summary>
/// Everything that tells one S3 client from another; equal ones share theirs. What the options do not say comes from Amazon's environment
/// variables, then from the profile in its configuration file.
/// </summary>
sealed record S3Options
{
    public static readonly string[] Names =
    [
        "endpoint_url", "region", "access_key_id", "secret_access_key", "session_token", "profile", "anonymous", "addressing_style",
        "requester_pays", "checksum", "payload_signing", "sse_customer_key", "list_concurrency", .. RemoteOptions.Names,
    ];

    /// <summary>S3 refuses smaller ones, the last of an upload apart.</summary>
    public const int LeastPartSize = 5 << 20;

    /// <summary>Null: Amazon's endpoint for the region.</summary>
    public string? EndpointUrl { get; init; }

    public string Region { get; init; } = "";

    public string? AccessKeyId { get; init; }

    public string? SecretAccessKey { get; init; }

    public string? SessionToken { get; init; }

    public string? Profile { get; init; }

    public bool Anonymous { get; init; }

    public Addressing Addressing { get; init; }

    public bool RequesterPays { get; init; }

    public ChecksumMode Checksum { get; init; }

    /// <summary>
    /// True or false to have bodies part of the signature or not; null: over plain HTTP, and where the server checks no CRC32C.
    /// </summary>
    public bool? PayloadSigning { get; init; }

    /// <summary>Null: objects are encrypted as the bucket says.</summary>
    public S3CustomerKey? CustomerKey { get; init; }

    /// <summary>Requests that a large recursive listing has under way at once; 1: page after page.</summary>
    public int ListConcurrency { get; init; } = 8;

    public RemoteOptions Http { get; init; } = new();

    /// <summary>Holds secrets, so it shows none of its members.</summary>
    public override string ToString() => nameof(S3Options);

    public static S3Options Read(StoreOptions options, StoreUri root)
    {
        string uri = root.ToString();
        var result = new S3Options();
        foreach (var option in options.Backend)
            result = result.With(option) ?? throw option.Unknown(Names);
        if (result.Http.PartSize < LeastPartSize)
            throw StoreException.InvalidArgument(uri,
                $"option 'part_size' is {result.Http.PartSize}; S3 takes parts of {LeastPartSize} bytes (5 MiB) and more");
        if (result.AccessKeyId is null != result.SecretAccessKey is null)
            throw StoreException.InvalidArgument(uri, "options 'access_key_id' and 'secret_access_key' belong together; one is missing");
        if (result.Anonymous && result.AccessKeyId is not null)
            throw StoreException.InvalidArgument(uri, "options 'anonymous' and 'access_key_id' exclude each other");
        return result.WithEnvironment(root);
    }

    S3Options? With(NamedOption option) => option.Name switch
    {
        "endpoint_url" => this with { EndpointUrl = option.AsText() },
        "region" => this with { Region = option.AsText() },
        "access_key_id" => this with { AccessKeyId = option.AsText() },
        "secret_access_key" => this with { SecretAccessKey = option.AsText() },
        "session_token" => this with { SessionToken = option.AsText() },
        "profile" => this with { Profile = option.AsText() },
        "anonymous" => this with { Anonymous = option.AsBool() },
        "addressing_style" => this with
        {
            Addressing = Enum.Parse<Addressing>(option.AsChoice("auto", "path", "virtual"), ignoreCase: true)
        },
        "requester_pays" => this with { RequesterPays = option.AsBool() },
        "checksum" => this with
        {
            Checksum = Enum.Parse<ChecksumMode>(option.AsChoice("auto", "native", "metadata", "off"), ignoreCase: true)
        },
        "payload_signing" => this with
        {
            PayloadSigning = option.AsChoice("auto", "always", "never") switch { "always" => true, "never" => false, _ => null }
        },
        "sse_customer_key" => this with { CustomerKey = S3CustomerKey.Read(option) },
        "list_concurrency" => this with { ListConcurrency = (int)option.AsInteger(1, 64) },
        _ => Http.With(option) is { } http ? this with { Http = http } : null,
    };

    S3Options WithEnvironment(StoreUri root)
    {
        string uri = root.ToString();
        var profile = new Lazy<AwsProfile>(() => AwsProfile.Load(Profile));
        string region = First(Region, Variable("AWS_REGION"), Variable("AWS_DEFAULT_REGION")) ?? profile.Value.Region ?? "us-east-1";
        bool ignore = string.Equals(Variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true", StringComparison.OrdinalIgnoreCase);
        string? endpoint = First(EndpointUrl);
        if (endpoint is null && !ignore)
            endpoint = First(Variable("AWS_ENDPOINT_URL_S3"), Variable("AWS_ENDPOINT_URL")) ?? profile.Value.EndpointUrl;
        if (root.Server.Length > 0)
            endpoint = OfServer(root.Server, endpoint, uri);
        var settings = Http.Settings;
        if (settings.CaBundle is null)
            settings = settings with { CaBundle = First(Variable("AWS_CA_BUNDLE")) };
        if (endpoint is not null)
            CheckEndpoint(endpoint, uri);
        else if (!S3Endpoint.IsRegion(region))
            throw StoreException.InvalidArgument(uri,
                "option 'region' (or AWS_REGION) becomes part of Amazon's host name: it is letters, digits and hyphens, such as "
                + "eu-central-1");
        return this with { Region = region, EndpointUrl = endpoint, Http = Http with { Settings = settings } };
    }

    /// <summary>
    /// The endpoint that the address names. An endpoint of the same host and port tells whether it speaks TLS; without one 443 does, and no
    /// other port.
    /// </summary>
    string OfServer(string server, string? configured, string uri)
    {
        bool isTls = server.EndsWith(":443", StringComparison.Ordinal);
        string plain = $"{(isTls ? "https" : "http")}://{server}";
        CheckEndpoint(plain, uri);
        if (configured is null)
            return plain;
        CheckEndpoint(configured, uri);
        if (new Uri(configured) is var known && new Uri(plain) is var named && known.IdnHost == named.IdnHost && known.Port == named.Port)
            return configured;
        return string.IsNullOrEmpty(EndpointUrl)
            ? plain
            : throw StoreException.InvalidArgument(uri,
                $"the address names the server {server}, option 'endpoint_url' another; leave out one of them");
    }

    static void CheckEndpoint(string text, string uri) => RemoteOptions.CheckEndpoint(
        text, uri, "option 'endpoint_url' (or AWS_ENDPOINT_URL)", "http://127.0.0.1:7480 or https://s3.example.com",
        "credentials have options of their own");

    static string? Variable(string name) => Environment.GetEnvironmentVariable(name);

    static string? First(params ReadOnlySpan<string?> candidates)
    {
        foreach (string? candidate in candidates)
        {
            if (!string.IsNullOrEmpty(candidate))
                return candidate;
        }
        return null;
    }

    /// <summary>True for a bucket that can be a host's first label.</summary>
    public static bool IsHostName(string bucket, bool tls)
    {
        if (bucket.Length is < 3 or > 63 || IPAddress.TryParse(bucket, out _))
            return false;
        foreach (char c in bucket)
        {
            // a wildcard certificate covers one label, so dots end in a name mismatch
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '-' && (c != '.' || tls))
                return false;
        }
        foreach (var label in bucket.AsSpan().Split('.'))
        {
            if (bucket[label] is not { Length: > 0 } text || text[0] == '-' || text[^1] == '-')
                return false;
        }
        return true;
    }
}
