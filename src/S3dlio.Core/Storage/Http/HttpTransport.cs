using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace S3dlio.Storage.Http;

/// <summary>
/// HTTP/1.1 as object stores want it: a pool of kept-alive connections, bodies from and to the caller's memory, nothing followed, decoded
/// or remembered behind the caller's back. Distinct settings have a pool each, which the process shares.
/// </summary>
sealed class HttpTransport
{
    /// <summary>From here on a body waits for the server's leave: a refusal costs a round trip instead of the upload, and is heard for certain.</summary>
    public const int ExpectContinueFrom = 1 << 20;

    static readonly ConcurrentDictionary<HttpSettings, HttpTransport> Pools = new();
    static int s_warned;

    readonly HttpMessageInvoker _pool;

    // what a proxy wants to know with each request; a tunnel's is the handler's business
    readonly string? _login;

    HttpTransport(HttpSettings settings, SocketsHttpHandler handler)
    {
        (Settings, _pool) = (settings, new HttpMessageInvoker(handler));
        if (handler.Proxy is WebProxy { Address.Scheme: "http" or "https", Credentials: NetworkCredential user })
            _login = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user.UserName}:{user.Password}"));
    }

    public HttpSettings Settings { get; }

    /// <param name="settings">Equal ones give the same transport.</param>
    /// <param name="subject">The store, for messages.</param>
    public static HttpTransport Shared(HttpSettings settings, string subject)
    {
        if (Pools.TryGetValue(settings, out var found))
            return found;
        return Pools.GetOrAdd(settings, new HttpTransport(settings, Handler(settings, subject)));
    }

    /// <summary>An address whose path and query go to the server exactly as they are: keys may hold <c>..</c> and <c>//</c>.</summary>
    public static Uri Address(string text) => new(text, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });

    /// <summary>Sends a request once. When this returns, or throws, the body's memory is the caller's again.</summary>
    /// <exception cref="HttpFailure">No answer came.</exception>
    public async ValueTask<HttpAnswer> SendAsync(HttpCall call, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        using var idle = new IdleTimer(Patience(call), cancel);
        var request = new HttpRequestMessage(call.Method, call.Address);
        if (call.Body is { Length: > 0 } body)
        {
            request.Content = body.Begin(idle.Alive);
            if (body.Length >= ExpectContinueFrom)
                request.Headers.ExpectContinue = true;
        }
        foreach (var (name, value) in call.Headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                (request.Content ??= new ByteArrayContent([])).Headers.TryAddWithoutValidation(name, value);
        }
        // unasked, as waiting for the proxy to ask would send every body twice; within TLS it would go to the server
        if (_login is not null && call.Address.Scheme == "http")
            request.Headers.TryAddWithoutValidation("Proxy-Authorization", _login);
        bool answered = false, succeeded = false;
        try
        {
            var response = await _pool.SendAsync(request, idle.Token).ConfigureAwait(false);
            if (response.StatusCode == HttpStatusCode.ProxyAuthenticationRequired)
            {
                response.Dispose();
                throw HttpFault.ProxyLogin(call, null);
            }
            answered = true;
            succeeded = response.IsSuccessStatusCode;
            return new HttpAnswer(this, call, response);
        }
        catch (Exception error) when (HttpFault.IsTransport(error))
        {
            throw HttpFault.Translate(error, call, Settings, idle, cancel);
        }
        finally
        {
            if (!answered)
                idle.Stop();
            if (call.Body is not null)
                await call.Body.LetGoAsync(succeeded).ConfigureAwait(false);
        }
    }

    // before its first byte a call may also spend time on connecting, which has its own limit
    TimeSpan Patience(HttpCall call)
    {
        var limit = call.Patience ?? Settings.ReadTimeout;
        return limit > TimeSpan.Zero && limit < Settings.ConnectTimeout ? Settings.ConnectTimeout + limit : limit;
    }

    static SocketsHttpHandler Handler(HttpSettings settings, string subject)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            ActivityHeadersPropagator = null,
            ConnectTimeout = settings.ConnectTimeout > TimeSpan.Zero ? settings.ConnectTimeout : Timeout.InfiniteTimeSpan,
            // a host's addresses change under load balancers; two minutes of loyalty to an old one is enough
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            // shorter than the 20 s and more after which services hang up
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(18),
            Expect100ContinueTimeout = TimeSpan.FromSeconds(1),
        };
        if (settings.Proxy is "")
            handler.UseProxy = false;
        else if (settings.Proxy is not null)
            handler.Proxy = Proxy(settings.Proxy, subject);
        if (!settings.VerifyTls)
        {
#pragma warning disable CA5359 // it is what the user asked for, and is told about
            handler.SslOptions.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
            if (Interlocked.Exchange(ref s_warned, 1) == 0)
                Console.Error.WriteLine("s3dlio: verify_tls is false: servers are not checked, anybody on the way can read and change what is sent");
        }
        else if (settings.CaBundle is not null)
        {
            handler.SslOptions.CertificateChainPolicy = Trust(settings.CaBundle, subject);
        }
        return handler;
    }

    public static bool TryProxyAddress(string text, [NotNullWhen(true)] out Uri? address) =>
        TryAddress(text.Contains("://", StringComparison.Ordinal) ? text : "http://" + text, out address);

    /// <summary>Reads a user's URL; false also for a host that has no form in DNS, of which <see cref="Uri"/> tells only when it is asked for that.</summary>
    public static bool TryAddress(string text, [NotNullWhen(true)] out Uri? address)
    {
        try
        {
            return Uri.TryCreate(text, UriKind.Absolute, out address) && Uri.CheckHostName(address.IdnHost) != UriHostNameType.Unknown;
        }
        catch (Exception error) when (error is UriFormatException or IndexOutOfRangeException)
        {
            // the second is .NET's own slip over some hosts that are none
            address = null;
            return false;
        }
    }

    static WebProxy Proxy(string text, string subject)
    {
        if (!TryProxyAddress(text, out var address)
            || address.Scheme is not ("http" or "https" or "socks4" or "socks4a" or "socks5"))
            throw new StoreException(ErrorKind.InvalidArgument, subject, "option 'proxy' must be a URL such as http://proxy.example:3128, or empty for none");
        var proxy = new WebProxy(new UriBuilder(address) { UserName = "", Password = "" }.Uri);
        if (address.UserInfo.Split(':', 2) is [{ Length: > 0 } user, .. var rest])
            proxy.Credentials = new NetworkCredential(Uri.UnescapeDataString(user), rest is [var password] ? Uri.UnescapeDataString(password) : "");
        return proxy;
    }

    static X509ChainPolicy Trust(string file, string subject)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        try
        {
            policy.CustomTrustStore.ImportFromPemFile(file);
        }
        catch (Exception error) when (error is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new StoreException(ErrorKind.InvalidArgument, subject, $"option 'ca_bundle' (or AWS_CA_BUNDLE): '{file}' cannot be read as PEM certificates: {error.Message}", cause: error);
        }
        if (policy.CustomTrustStore.Count == 0)
            throw new StoreException(ErrorKind.InvalidArgument, subject, $"option 'ca_bundle' (or AWS_CA_BUNDLE): '{file}' holds no PEM certificate");
        return policy;
    }
}
