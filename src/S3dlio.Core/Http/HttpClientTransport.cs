using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace S3dlio.Http;

/// <summary>Requests over a proxy: .NET's client speaks to all kinds of them (plain, tunnels, SOCKS) and knows what the environment says.</summary>
#pragma warning disable CA1001 // lives as long as the process, as its transport does
sealed class HttpClientTransport
#pragma warning restore CA1001
{
    /// <summary>As for our own client: a refusal costs a round trip instead of the upload, and is heard for certain.</summary>
    const int ExpectContinueFrom = 1 << 20;

    readonly HttpSettings _settings;
    readonly HttpMessageInvoker _pool;

    // what a proxy wants to know with each request; a tunnel's is the handler's business
    readonly string? _login;

    /// <param name="settings">Time limits, and whether certificates are looked at.</param>
    /// <param name="trust">The authorities to trust instead of the system's.</param>
    /// <param name="proxy">Null: the environment's.</param>
    public HttpClientTransport(HttpSettings settings, X509ChainPolicy? trust, WebProxy? proxy)
    {
        _settings = settings;
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            ActivityHeadersPropagator = null,
            ConnectTimeout = settings.ConnectTimeout > TimeSpan.Zero ? settings.ConnectTimeout : Timeout.InfiniteTimeSpan,
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(18),
            Expect100ContinueTimeout = TimeSpan.FromSeconds(1),
            Proxy = proxy,
        };
        handler.SslOptions.CertificateChainPolicy = trust;
        if (!settings.VerifyTls)
        {
#pragma warning disable CA5359 // it is what the user asked for, and is told about
            handler.SslOptions.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
        }
        if (proxy is { Address.Scheme: "http" or "https", Credentials: NetworkCredential user })
            _login = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user.UserName}:{user.Password}"));
        _pool = new HttpMessageInvoker(handler);
    }

    /// <summary>Sends a request once. When this returns, or throws, the body's memory is the caller's again.</summary>
    /// <exception cref="HttpFailure">No answer came.</exception>
    public async ValueTask<HttpResponse> SendAsync(HttpCall call, CancellationToken cancel)
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
        request.Headers.TryAddWithoutValidation("Accept-Encoding", "identity");
        foreach (var (name, value) in call.Headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                (request.Content ??= new ByteArrayContent([])).Headers.TryAddWithoutValidation(name, value);
        }
        // unasked, as waiting for the proxy to ask would send every body twice; within TLS it would go to the server
        if (_login is not null && !call.Origin.IsTls)
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
            return new HttpClientResponse(_settings, call, response);
        }
        catch (Exception error) when (HttpFault.IsTransport(error))
        {
            throw HttpFault.Translate(error, call, _settings, idle.Expired, cancel);
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
        var limit = call.Patience ?? _settings.ReadTimeout;
        return limit > TimeSpan.Zero && limit < _settings.ConnectTimeout ? _settings.ConnectTimeout + limit : limit;
    }
}
