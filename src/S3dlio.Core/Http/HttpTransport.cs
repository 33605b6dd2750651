using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using S3dlio.IO;

namespace S3dlio.Http;

/// <summary>
/// HTTP/1.1 as object stores want it: kept-alive connections, bodies from and to the caller's memory, nothing followed, decoded or
/// remembered behind the caller's back. Distinct settings have connections of their own, which the process shares, in a pool for each
/// server; the proxy that an option or the environment names stands between.
/// </summary>
sealed class HttpTransport
{
    static readonly ConcurrentDictionary<HttpSettings, HttpTransport> Transports = new();

    const int ProxyLoginWanted = 407;

    readonly ConcurrentDictionary<HttpOrigin, HttpPool> _pools = new();
    readonly HttpDialer _dialer;
    readonly Func<HttpOrigin, HttpProxy?> _proxyOf;

    HttpTransport(HttpSettings settings, X509ChainPolicy? trust, Func<HttpOrigin, HttpProxy?> proxyOf)
    {
        Settings = settings;
        _dialer = new HttpDialer(settings.ConnectTimeout, settings.VerifyTls, trust);
        _proxyOf = proxyOf;
    }

    public HttpSettings Settings { get; }

    /// <param name="settings">Equal ones give the same transport.</param>
    /// <param name="subject">The store, for messages.</param>
    public static HttpTransport Shared(HttpSettings settings, string subject)
    {
        if (Transports.TryGetValue(settings, out var found))
            return found;
        Func<HttpOrigin, HttpProxy?> proxyOf = static origin => EnvironmentProxies.Current.Find(origin);
        if (settings.Proxy is not null)
        {
            var proxy = settings.Proxy.Length > 0 ? Proxy(settings.Proxy, subject) : null;
            proxyOf = _ => proxy;
        }
        var trust = settings.VerifyTls && settings.CaBundle is not null ? Trust(settings.CaBundle, subject) : null;
        if (!settings.VerifyTls)
        {
            Events.TellOnce(
                "verify_tls", EventLevel.Warning,
                $"verify_tls is false: servers are not checked, anybody on the way can read and change what is sent");
        }
        return Transports.GetOrAdd(settings, new HttpTransport(settings, trust, proxyOf));
    }

    /// <summary>An address whose path and query go to the server exactly as they are: keys may hold <c>..</c> and <c>//</c>.</summary>
    public static Uri Address(string text) => new(text, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });

    /// <summary>Sends a request once. When this returns, or throws, the body's memory is the caller's again.</summary>
    /// <param name="call">The request.</param>
    /// <param name="waits">The calling thread may wait in the kernel; where the call goes on in another, that one does not.</param>
    /// <exception cref="HttpFailure">No answer came.</exception>
    public async ValueTask<HttpResponse> SendAsync(HttpCall call, bool waits, CancellationToken cancel)
    {
        call.Tally?.Request();
        if (call.Body is { Length: > 0 } body)
            call.Tally?.Wrote(body.Length);
        if (!_pools.TryGetValue(call.Origin, out var pool))
            pool = _pools.GetOrAdd(call.Origin, new HttpPool(call.Origin, _proxyOf(call.Origin), _dialer));
        HttpConnection? connection = null;
        bool succeeded = false;
        try
        {
            while (true)
            {
                cancel.ThrowIfCancellationRequested();
                connection = pool.TryTake(waits) ?? await pool.DialAsync(waits, cancel).ConfigureAwait(false);
                try
                {
                    HttpHead head;
                    bool sent;
                    using (connection.Begin(call.Patience ?? Settings.ReadTimeout, cancel))
                        (head, sent) = await HttpExchange.RunAsync(connection, call, waits).ConfigureAwait(false);
                    connection.Rest();
                    if (head.Status == ProxyLoginWanted && connection.Relay is { } relay)
                        throw ProxyFault.Login(relay);
                    succeeded = head.Status is >= 200 and < 300;
                    var answer = new HttpResponse(pool, connection, Settings, call, head, keep: sent);
                    connection = null;
                    return answer;
                }
                catch (Exception error) when (call.IsRead && connection is { IsUsed: true, IsMute: true, WasSilent: false }
                    && HttpFault.IsTransport(error) && !cancel.IsCancellationRequested)
                {
                    // the server hung up while the connection waited: that says nothing of this request
                    connection.Dispose();
                    connection = null;
                }
            }
        }
        catch (Exception error) when (HttpFault.IsTransport(error))
        {
            throw HttpFault.Translate(error, call, pool.Proxy, Settings, connection is { WasSilent: true }, cancel);
        }
        finally
        {
            connection?.Dispose();
            if (!succeeded)
                call.Body?.TakeBack();
        }
    }

    /// <summary>
    /// Reads a user's URL; false also for a host that has no form in DNS, of which <see cref="Uri"/> tells only when it is asked for that.
    /// </summary>
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

    static HttpProxy Proxy(string text, string subject) => HttpProxy.TryParse(text, "option proxy", out var proxy)
        ? proxy
        : throw StoreException.InvalidArgument(subject,
            "option 'proxy' must be a URL such as http://proxy.example:3128 or socks5://proxy.example:1080, or empty for none");

    static X509ChainPolicy Trust(string file, string subject)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        try
        {
            policy.CustomTrustStore.ImportFromPemFile(file);
        }
        catch (IOException error) when (error.HResult is Errno.EMFILE or Errno.ENFILE)
        {
            string why = HttpFault.NoDescriptors(error.HResult == Errno.EMFILE);
            throw new StoreException(
                ErrorKind.Unavailable, subject,
                $"the certificates of option 'ca_bundle' (or AWS_CA_BUNDLE), '{file}', cannot be opened: {why}", cause: error);
        }
        catch (Exception error) when (error is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw StoreException.InvalidArgument(subject,
                $"option 'ca_bundle' (or AWS_CA_BUNDLE): '{file}' cannot be read as PEM certificates: {error.Message}", cause: error);
        }
        if (policy.CustomTrustStore.Count == 0)
            throw StoreException.InvalidArgument(subject, $"option 'ca_bundle' (or AWS_CA_BUNDLE): '{file}' holds no PEM certificate");
        return policy;
    }
}
