using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using S3dlio.IO;

namespace S3dlio.Http;

/// <summary>Makes connections: name, TCP and TLS, all within one limit of time.</summary>
/// <param name="timeout">For all of it; zero or less: none.</param>
/// <param name="verify">False: any certificate will do.</param>
/// <param name="trust">The authorities to trust instead of the system's.</param>
sealed class HttpDialer(TimeSpan timeout, bool verify, X509ChainPolicy? trust)
{
    /// <exception cref="HttpRequestException">NameResolutionError, ConnectionError or SecureConnectionError.</exception>
    /// <exception cref="OperationCanceledException">By the caller, or because the time is over.</exception>
    public async ValueTask<HttpConnection> DialAsync(HttpOrigin origin, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        if (timeout > TimeSpan.Zero)
            limit.CancelAfter(timeout);
        // of both families where the system has both
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        bool waits = BlockingThread.IsCurrent;
        try
        {
            if (waits)
                return DialHere(origin, socket, limit.Token);
            await ConnectAsync(socket, origin, limit.Token).ConfigureAwait(false);
            return new HttpConnection(origin, socket, origin.IsTls ? await SecureAsync(socket, origin, limit.Token).ConfigureAwait(false) : null, waits: false);
        }
        catch (Exception error)
        {
            socket.Dispose();
            if (waits && limit.IsCancellationRequested)
                throw new OperationCanceledException("the time for connecting is over, or the caller cancelled", error, limit.Token);
            throw;
        }
    }

    /// <summary>The same on a thread that may wait: the limit ends the socket under it.</summary>
    HttpConnection DialHere(HttpOrigin origin, Socket socket, CancellationToken limit)
    {
        using var _ = limit.UnsafeRegister(static socket => ((Socket)socket!).Dispose(), socket);
        try
        {
            if (IPAddress.TryParse(origin.Host, out var address))
                socket.Connect(new IPEndPoint(address, origin.Port));
            else
                // looked up by others meanwhile, since a system's look-up knows no limit
                socket.Connect(Dns.GetHostAddressesAsync(origin.Host, limit).GetAwaiter().GetResult(), origin.Port);
        }
        catch (SocketException error)
        {
            throw Failed(error);
        }
        SslStream? tls = null;
        try
        {
            if (origin.IsTls)
            {
                tls = new SslStream(new NetworkStream(socket, ownsSocket: false), leaveInnerStreamOpen: false);
                tls.AuthenticateAsClient(Options(origin));
            }
            limit.ThrowIfCancellationRequested();
            return new HttpConnection(origin, socket, tls, waits: true);
        }
        catch (Exception error)
        {
            tls?.Dispose();
            if (error is AuthenticationException or IOException or SocketException)
                throw new HttpRequestException(HttpRequestError.SecureConnectionError, error.Message, error);
            throw;
        }
    }

    static async ValueTask ConnectAsync(Socket socket, HttpOrigin origin, CancellationToken cancel)
    {
        try
        {
            if (IPAddress.TryParse(origin.Host, out var address))
                await socket.ConnectAsync(new IPEndPoint(address, origin.Port), cancel).ConfigureAwait(false);
            else
                await socket.ConnectAsync(new DnsEndPoint(origin.Host, origin.Port), cancel).ConfigureAwait(false);
        }
        catch (SocketException error)
        {
            throw Failed(error);
        }
    }

    static HttpRequestException Failed(SocketException error)
    {
        bool isName = error.SocketErrorCode is SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData or SocketError.NoRecovery;
        return new HttpRequestException(isName ? HttpRequestError.NameResolutionError : HttpRequestError.ConnectionError, error.Message, error);
    }

    async ValueTask<SslStream> SecureAsync(Socket socket, HttpOrigin origin, CancellationToken cancel)
    {
        var tls = new SslStream(new NetworkStream(socket, ownsSocket: false), leaveInnerStreamOpen: false);
        try
        {
            await tls.AuthenticateAsClientAsync(Options(origin), cancel).ConfigureAwait(false);
            return tls;
        }
        catch (Exception error)
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            if (error is OperationCanceledException || cancel.IsCancellationRequested)
                throw new OperationCanceledException("the time for connecting is over", error, cancel);
            if (error is AuthenticationException or IOException or SocketException)
                throw new HttpRequestException(HttpRequestError.SecureConnectionError, error.Message, error);
            throw;
        }
    }

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
