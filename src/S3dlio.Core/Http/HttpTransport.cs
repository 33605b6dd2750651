using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using S3dlio.IO;

namespace S3dlio.Http;

/// <summary>
/// HTTP/1.1 as object stores want it: kept-alive connections, bodies from and to the caller's memory, nothing followed, decoded or remembered
/// behind the caller's back. Distinct settings have connections of their own, which the process shares. Requests go over our own client;
/// where a proxy stands between, over .NET's, which knows all their kinds.
/// </summary>
sealed class HttpTransport
{
    static readonly ConcurrentDictionary<HttpSettings, HttpTransport> Pools = new();
    static int s_warned;

    readonly SocketTransport _direct;
    readonly Lazy<HttpClientTransport> _proxied;
    // null: what the environment says for each server
    readonly bool? _isProxied;
    readonly ConcurrentDictionary<HttpOrigin, bool> _overProxy = new();

    HttpTransport(HttpSettings settings, X509ChainPolicy? trust, WebProxy? proxy)
    {
        Settings = settings;
        _direct = new SocketTransport(settings, new HttpDialer(settings.ConnectTimeout, settings.VerifyTls, trust));
        _proxied = new Lazy<HttpClientTransport>(() => new HttpClientTransport(settings, trust, proxy));
        _isProxied = settings.Proxy is "" ? false : proxy is not null ? true : null;
    }

    public HttpSettings Settings { get; }

    /// <param name="settings">Equal ones give the same transport.</param>
    /// <param name="subject">The store, for messages.</param>
    public static HttpTransport Shared(HttpSettings settings, string subject)
    {
        if (Pools.TryGetValue(settings, out var found))
            return found;
        var proxy = settings.Proxy is { Length: > 0 } text ? Proxy(text, subject) : null;
        var trust = settings.VerifyTls && settings.CaBundle is not null ? Trust(settings.CaBundle, subject) : null;
        if (!settings.VerifyTls && Interlocked.Exchange(ref s_warned, 1) == 0)
            Console.Error.WriteLine("s3dlio: verify_tls is false: servers are not checked, anybody on the way can read and change what is sent");
        return Pools.GetOrAdd(settings, new HttpTransport(settings, trust, proxy));
    }

    /// <summary>An address whose path and query go to the server exactly as they are: keys may hold <c>..</c> and <c>//</c>.</summary>
    public static Uri Address(string text) => new(text, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });

    /// <summary>Sends a request once. When this returns, or throws, the body's memory is the caller's again.</summary>
    /// <exception cref="HttpFailure">No answer came.</exception>
    public ValueTask<HttpResponse> SendAsync(HttpCall call, CancellationToken cancel)
    {
        call.Tally?.Request();
        if (call.Body is { Length: > 0 } body)
            call.Tally?.Wrote(body.Length);
        return IsProxied(call) ? _proxied.Value.SendAsync(call, cancel) : _direct.SendAsync(call, cancel);
    }

    bool IsProxied(HttpCall call)
    {
        if (_isProxied is { } known)
            return known;
        if (!_overProxy.TryGetValue(call.Origin, out bool found))
            _overProxy[call.Origin] = found = !HttpClient.DefaultProxy.IsBypassed(call.Address) && HttpClient.DefaultProxy.GetProxy(call.Address) is not null;
        return found;
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
            // the second comes from a fault of .NET with some invalid host names
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
        catch (IOException error) when (error.HResult is Errno.EMFILE or Errno.ENFILE)
        {
            throw new StoreException(ErrorKind.Unavailable, subject, $"the certificates of option 'ca_bundle' (or AWS_CA_BUNDLE), '{file}', cannot be opened: {HttpFault.NoDescriptors(error.HResult == Errno.EMFILE)}", cause: error);
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
