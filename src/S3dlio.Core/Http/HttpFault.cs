using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using S3dlio.IO;

namespace S3dlio.Http;

/// <summary>
/// Failures of the transport as errors that name the host, the proxy on the way and what to do. Addresses lose their query, which may hold
/// a signature.
/// </summary>
static class HttpFault
{
    public static bool IsTransport(Exception error) => error is HttpRequestException or IOException or SocketException
        or OperationCanceledException or ObjectDisposedException or HttpIOException;

    public static string Place(HttpCall call) => call.Origin.Place;

    public static HttpFailure ShortBody(HttpCall call, long got, long expected) =>
        new(new StoreException(ErrorKind.Unavailable, call.Subject, $"{Place(call)} ended the answer after {got} of {expected} bytes", got))
        {
            Transient = true,
            OutcomeUnknown = true,
        };

    /// <summary>A body that came slower than <see cref="HttpPace"/> has it.</summary>
    public static HttpFailure TooSlow(HttpCall call, long got) =>
        new(new StoreException(
            ErrorKind.Timeout, call.Subject, $"{Place(call)} sent the answer too slowly, fewer than {HttpPace.Slowest} bytes a second for "
            + $"long: {got} so far; twice the option read_timeout is how long that may go on", got))
        {
            Transient = true,
            OutcomeUnknown = true,
        };

    public static string Encoded(HttpCall call, string coding) =>
        $"{Place(call)}, or what is on the way to it, sent the answer with Content-Encoding '{coding}', which nobody asked for; switch off "
        + "what compresses answers there";

    /// <summary>Rethrows the caller's cancel; everything else becomes a failure that says whether trying again can help.</summary>
    /// <param name="error">What was thrown.</param>
    /// <param name="call">The request.</param>
    /// <param name="proxy">What stands between; null: nothing.</param>
    /// <param name="settings">The request's limits.</param>
    /// <param name="silent">It was ended because nothing moved for too long.</param>
    public static HttpFailure Translate(
        Exception error, HttpCall call, HttpProxy? proxy, HttpSettings settings, bool silent, CancellationToken cancel)
    {
        if (cancel.IsCancellationRequested && error is not AuthenticationException)
            throw new OperationCanceledException(cancel);
        string place = Place(call) + (proxy is null ? "" : $" over the proxy {proxy.Name}");
        HttpFailure Failed(
            ErrorKind kind, string detail, bool transient, bool unknown = false, int most = int.MaxValue,
            ErrorReason reason = ErrorReason.None) =>
            new(new StoreException(kind, call.Subject, detail, cause: error) { Reason = reason })
            {
                Transient = transient,
                OutcomeUnknown = unknown,
                MostAttempts = most,
            };

        if (silent)
        {
            string limit = Seconds(call.Patience ?? settings.ReadTimeout);
            return Failed(
                ErrorKind.Timeout, $"{place} was silent for {limit}; option read_timeout sets how long to wait", true, unknown: true);
        }
        if (error is ProxyFault fault)
            return Failed(fault.Kind, fault.Message, fault.Transient, most: fault.MostAttempts, reason: fault.Reason);
        if (error is OperationCanceledException)
        {
            return Failed(
                ErrorKind.Timeout, $"no connection to {place} within {Seconds(settings.ConnectTimeout)}; check endpoint_url, proxy and "
                + "firewall (option connect_timeout)", true, most: 4);
        }
        var socket = Find<SocketException>(error);
        if (socket is { SocketErrorCode: SocketError.TooManyOpenSockets } or { NativeErrorCode: Errno.EMFILE or Errno.ENFILE })
            return Failed(ErrorKind.Unavailable, $"no connection to {place}: {NoDescriptors(null)}", true);
        // over a proxy it is the proxy that is looked up and connected to
        var (reached, option) = proxy is null ? (call.Origin, "endpoint_url") : (proxy.Origin, proxy.Source);
        switch ((error as HttpRequestException)?.HttpRequestError)
        {
            case HttpRequestError.NameResolutionError:
                // a name that does not exist stays so; one that could not be asked about may yet be
                return Failed(
                    ErrorKind.Unavailable, $"the name '{reached.Host}' cannot be resolved; check {option}, region and the network's DNS",
                    true, most: socket?.SocketErrorCode == SocketError.TryAgain ? int.MaxValue : 3, reason: ErrorReason.NameResolution);
            case HttpRequestError.SecureConnectionError:
                var (why, isCertificate) = Tls(error, place);
                return Failed(
                    ErrorKind.Unavailable, why, socket is not null, reason: isCertificate ? ErrorReason.Certificate : ErrorReason.None);
            case HttpRequestError.ConnectionError when socket is not null:
                bool isRefused = socket.SocketErrorCode == SocketError.ConnectionRefused;
                return Failed(
                    ErrorKind.Unavailable, Connect(socket, reached.Place, option), true,
                    reason: isRefused ? ErrorReason.ConnectionRefused : ErrorReason.None);
            case HttpRequestError.InvalidResponse:
                return Failed(
                    ErrorKind.Unavailable, $"{place} does not answer in HTTP: {error.Message}; check endpoint_url: is it https:// that is "
                    + "served there?", true, unknown: true, most: 2);
            case HttpRequestError.ConfigurationLimitExceeded:
                return Failed(ErrorKind.InvalidData, $"{place} sent an answer beyond all limits: {error.Message}", false);
        }
        return Failed(ErrorKind.Unavailable, $"the connection to {place} broke: {Innermost(error).Message}", true, unknown: true);
    }

    /// <summary>The handshake with a proxy that is spoken to in TLS failed.</summary>
    public static ProxyFault ProxyTls(HttpProxy proxy, Exception error)
    {
        var (why, isCertificate) = Tls(error, $"the proxy {proxy.Name} ({proxy.Source})");
        return ProxyFault.Handshake(why, isCertificate, Find<SocketException>(error) is not null, error);
    }

    /// <summary>Why neither a file nor a connection can be opened.</summary>
    /// <param name="own">The limit is the process's, not the system's; null: .NET has one error of sockets for both.</param>
    public static string NoDescriptors(bool? own) => own switch
    {
        true => "this process has too many files and connections open; close some or raise ulimit -n",
        false => "the system has too many files open",
        null => "this process (close some, or raise ulimit -n) or the system has too many files and connections open",
    };

    static string Connect(SocketException socket, string place, string option) => socket.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => $"{place} refused the connection: nothing listens there; check {option} and that the server runs",
        SocketError.HostUnreachable or SocketError.NetworkUnreachable => $"there is no route to {place}; check {option} and the network",
        SocketError.TimedOut => $"no connection to {place}: it did not answer; check {option} and firewall",
        _ => $"no connection to {place}: {socket.Message}",
    };

    static (string Detail, bool IsCertificate) Tls(Exception error, string place)
    {
        string text = Find<AuthenticationException>(error)?.Message ?? Innermost(error).Message;
        bool Says(string word) => text.Contains(word, StringComparison.OrdinalIgnoreCase);
        if (Says("NotTimeValid") || Says("expired"))
            return ($"the TLS certificate of {place} has expired or is not valid yet; renew it, or check this machine's clock", true);
        if (Says("NameMismatch"))
            return (
                $"the TLS certificate of {place} is for another host name; check endpoint_url (a bucket name with dots needs "
                + "addressing_style=path)", true);
        if (Says("UntrustedRoot") || Says("PartialChain"))
            return (
                $"the TLS certificate of {place} is not trusted; give its authority's PEM file as option ca_bundle (or "
                + "AWS_CA_BUNDLE)", true);
        if (Says("frame") || Says("EOF") || Says("handshake"))
            return (
                $"{place} did not complete the TLS handshake ({text}); check endpoint_url: is it http:// that is served there?", false);
        return ($"no TLS connection to {place}: {text}", Says("certificate"));
    }

    static T? Find<T>(Exception? error) where T : Exception
    {
        for (; error is not null; error = error.InnerException)
        {
            if (error is T found)
                return found;
        }
        return null;
    }

    static Exception Innermost(Exception error) => error.InnerException is { } inner ? Innermost(inner) : error;

    static string Seconds(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.###} s");
}
