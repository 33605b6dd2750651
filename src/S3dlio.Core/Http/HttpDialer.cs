using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace S3dlio.Http;

/// <summary>Makes connections: name, TCP, the proxy on the way and TLS, all within one limit of time.</summary>
/// <param name="timeout">For all of it; zero or less: none.</param>
/// <param name="verify">False: any certificate will do.</param>
/// <param name="trust">The authorities to trust instead of the system's.</param>
sealed class HttpDialer(TimeSpan timeout, bool verify, X509ChainPolicy? trust)
{
    /// <param name="origin">The server.</param>
    /// <param name="proxy">What stands between; null: nothing.</param>
    /// <param name="waits">The caller's thread may wait in the kernel.</param>
    /// <exception cref="HttpRequestException">NameResolutionError, ConnectionError or SecureConnectionError.</exception>
    /// <exception cref="ProxyFault">The proxy made no connection.</exception>
    /// <exception cref="OperationCanceledException">By the caller, or because the time is over.</exception>
    public async ValueTask<HttpConnection> DialAsync(HttpOrigin origin, HttpProxy? proxy, bool waits, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        if (timeout > TimeSpan.Zero)
            limit.CancelAfter(timeout);
        // of both families where the system has both
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        HttpConnection? connection = null;
        try
        {
            // the limit ends the socket under whatever uses it
            using var _ = limit.Token.UnsafeRegister(static socket => ((Socket)socket!).Dispose(), socket);
            await ConnectAsync(socket, proxy?.Origin ?? origin, waits, limit.Token).ConfigureAwait(false);
            connection = new HttpConnection(origin, socket, waits, proxy);
            if (proxy is not null)
                await PassAsync(connection, origin, proxy, limit.Token).ConfigureAwait(false);
            if (origin.IsTls)
                await connection.SecureAsync(Options(origin)).ConfigureAwait(false);
            limit.Token.ThrowIfCancellationRequested();
            return connection;
        }
        catch (Exception error)
        {
            connection?.Dispose();
            socket.Dispose();
            if (limit.IsCancellationRequested)
                throw new OperationCanceledException("the time for connecting is over, or the caller cancelled", error, limit.Token);
            if (IsTls(error))
                throw new HttpRequestException(HttpRequestError.SecureConnectionError, error.Message, error);
            throw;
        }
    }

    /// <summary>The addresses of a name, or the one that it is itself.</summary>
    public static async ValueTask<IPAddress[]> ResolveAsync(string host, bool waits, CancellationToken cancel)
    {
        if (IPAddress.TryParse(host, out var address))
            return [address];
        try
        {
            // looked up by others meanwhile, since a system's look-up knows no limit
            var looking = Dns.GetHostAddressesAsync(host, cancel);
            return waits ? looking.GetAwaiter().GetResult() : await looking.ConfigureAwait(false);
        }
        catch (SocketException error)
        {
            throw new HttpRequestException(HttpRequestError.NameResolutionError, error.Message, error);
        }
    }

    static async ValueTask ConnectAsync(Socket socket, HttpOrigin to, bool waits, CancellationToken cancel)
    {
        var addresses = await ResolveAsync(to.Host, waits, cancel).ConfigureAwait(false);
        try
        {
            if (waits)
                socket.Connect(addresses, to.Port);
            else
                await socket.ConnectAsync(addresses, to.Port, cancel).ConfigureAwait(false);
        }
        catch (SocketException error)
        {
            throw new HttpRequestException(HttpRequestError.ConnectionError, error.Message, error);
        }
    }

    async ValueTask PassAsync(HttpConnection connection, HttpOrigin origin, HttpProxy proxy, CancellationToken limit)
    {
        if (proxy.Origin.IsTls)
        {
            try
            {
                await connection.SecureAsync(Options(proxy.Origin)).ConfigureAwait(false);
            }
            catch (Exception error) when (IsTls(error))
            {
                throw HttpFault.ProxyTls(proxy, error);
            }
        }
        if (!proxy.Relays(origin))
            await ProxyTunnel.OpenAsync(connection, proxy, origin, limit).ConfigureAwait(false);
    }

    /// <summary>A failure of a handshake: every other step has exceptions of its own.</summary>
    static bool IsTls(Exception error) => error is AuthenticationException or SocketException or (IOException and not ProxyFault);

    SslClientAuthenticationOptions Options(HttpOrigin origin)
    {
        var options = new SslClientAuthenticationOptions { TargetHost = origin.Host, CertificateChainPolicy = trust };
        if (!verify)
        {
#pragma warning disable CA5359 // it is what the user asked for, and is told about
            options.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
        }
        return options;
    }
}
