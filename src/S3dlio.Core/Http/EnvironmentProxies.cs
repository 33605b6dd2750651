namespace S3dlio.Http;

/// <summary>
/// The proxies that the environment names, by the rules of .NET's own client: <c>http_proxy</c> and <c>https_proxy</c>, or
/// <c>all_proxy</c> where one is missing, each in lower case before upper case. A variable that is no address of a proxy names none.
/// </summary>
sealed class EnvironmentProxies
{
    static readonly Lazy<EnvironmentProxies> Process = new(static () => new EnvironmentProxies(Environment.GetEnvironmentVariable));

    readonly HttpProxy? _http, _https;
    readonly string[] _bypassed;

    /// <param name="variable">A variable's value; null where it is not set.</param>
    public EnvironmentProxies(Func<string, string?> variable)
    {
        HttpProxy? Named(string name) =>
            variable(name) is { Length: > 0 } text && HttpProxy.TryParse(text, $"variable {name}", out var proxy) ? proxy : null;
        HttpProxy? Either(string name) => Named(name) ?? Named(name.ToUpperInvariant());
        // a web server hands a request's header Proxy to its CGI programs as HTTP_PROXY
        _http = (variable("GATEWAY_INTERFACE") is null ? Either("http_proxy") : Named("http_proxy")) ?? Either("all_proxy");
        _https = Either("https_proxy") ?? Either("all_proxy");
        string bypassed = variable("no_proxy") is { Length: > 0 } text ? text : variable("NO_PROXY") ?? "";
        _bypassed = bypassed.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Those of this process, as they were when it first asked.</summary>
    public static EnvironmentProxies Current => Process.Value;

    /// <summary>The proxy for a server; null for none.</summary>
    public HttpProxy? Find(HttpOrigin origin) =>
        (origin.IsTls ? _https : _http) is { } proxy && !Array.Exists(_bypassed, name => Matches(name, origin)) ? proxy : null;

    /// <summary><c>.example.com</c> is that domain and all below it; everything else is one host.</summary>
    static bool Matches(string name, HttpOrigin origin) => name[0] == '.'
        ? $".{origin.Host}".EndsWith(name, StringComparison.OrdinalIgnoreCase)
        : origin.Bracketed.Equals(name, StringComparison.OrdinalIgnoreCase);
}
