using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace S3dlio.Http;

/// <summary>
/// Asks a proxy, over a new connection to it, for a connection to a server. When that is made every further byte is the server's. Servers
/// speak after their client, so bytes that came behind the proxy's answer are nobody's, and end the attempt.
/// </summary>
static class ProxyTunnel
{
    const byte NoLogin = 0, UserAndPassword = 2, NoneAccepted = 0xff;

    /// <exception cref="ProxyFault">The proxy refuses, ends the connection, or speaks another protocol.</exception>
    public static async ValueTask OpenAsync(HttpConnection connection, HttpProxy proxy, HttpOrigin origin, CancellationToken cancel)
    {
        try
        {
            if (proxy.Protocol == ProxyProtocol.Http)
                await ConnectAsync(connection, proxy, origin).ConfigureAwait(false);
            else if (proxy.Protocol == ProxyProtocol.Socks5)
                await Socks5Async(connection, proxy, origin).ConfigureAwait(false);
            else
                await Socks4Async(connection, proxy, origin, cancel).ConfigureAwait(false);
        }
        catch (HttpRequestException error) when (error.HttpRequestError == HttpRequestError.NameResolutionError)
        {
            throw ProxyFault.Refused(proxy, origin, "the host's name cannot be resolved here, as SOCKS 4 needs it", transient: true, error);
        }
        catch (HttpRequestException error)
        {
            throw ProxyFault.Garbled(proxy, error.Message, error);
        }
        catch (Exception error) when (error is HttpIOException or SocketException or (IOException and not ProxyFault))
        {
            throw ProxyFault.Broken(proxy, origin, error);
        }
        if (connection.Ahead.Length > 0)
            throw ProxyFault.Garbled(proxy, "it sent bytes behind its answer");
    }

    static async ValueTask ConnectAsync(HttpConnection connection, HttpProxy proxy, HttpOrigin origin)
    {
        string place = $"{origin.Bracketed}:{origin.Port}";
        string login = proxy.Authorization is { } value ? $"Proxy-Authorization: {value}\r\n" : "";
        string request = $"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{login}\r\n";
        await connection.SendAsync(Encoding.ASCII.GetBytes(request)).ConfigureAwait(false);
        int budget = HttpHead.Limit;
        HttpHead head;
        do
        {
            head = await HttpExchange.ReadHeadAsync(connection, budget).ConfigureAwait(false);
            budget -= head.Size;
        }
        while (head.IsInterim);
        if (head.Status == (int)HttpStatusCode.ProxyAuthenticationRequired)
            throw ProxyFault.Login(proxy);
        if (head.Status >= 300)
        {
            // what it forbids or does not know it will not allow later
            throw ProxyFault.Refused(proxy, origin, $"it answered with status {head.Status}", head.Status is >= 500 or 408 or 429);
        }
    }

    static async ValueTask Socks5Async(HttpConnection connection, HttpProxy proxy, HttpOrigin origin)
    {
        byte[] offered = proxy.User is null ? [NoLogin] : [NoLogin, UserAndPassword];
        await connection.SendAsync((byte[])[5, (byte)offered.Length, .. offered]).ConfigureAwait(false);
        byte[] chosen = await TakeAsync(connection, 2).ConfigureAwait(false);
        if (chosen[0] != 5)
            throw ProxyFault.Garbled(proxy, "its first byte is not that of SOCKS 5");
        if (chosen[1] == UserAndPassword && proxy.User is not null)
        {
            byte[] user = Encoding.UTF8.GetBytes(proxy.User), password = Encoding.UTF8.GetBytes(proxy.Password);
            await connection.SendAsync((byte[])[1, (byte)user.Length, .. user, (byte)password.Length, .. password]).ConfigureAwait(false);
            byte[] verdict = await TakeAsync(connection, 2).ConfigureAwait(false);
            if (verdict[1] != 0)
                throw ProxyFault.Login(proxy);
        }
        else if (chosen[1] != NoLogin)
        {
            throw chosen[1] == NoneAccepted ? ProxyFault.Login(proxy)
                : ProxyFault.Garbled(proxy, $"it chose login method {chosen[1]}, which was not offered");
        }
        byte[] host = IPAddress.TryParse(origin.Host, out var address) ? address.GetAddressBytes() : Encoding.ASCII.GetBytes(origin.Host);
        byte[] kind = address is null ? [3, (byte)host.Length] : [(byte)(host.Length == 4 ? 1 : 4)];
        await connection.SendAsync((byte[])[5, 1, 0, .. kind, .. host, .. Port(origin)]).ConfigureAwait(false);
        byte[] reply = await TakeAsync(connection, 4).ConfigureAwait(false);
        if (reply[0] != 5)
            throw ProxyFault.Garbled(proxy, "its answer is not that of SOCKS 5");
        if (reply[1] != 0)
            throw Socks5Refusal(proxy, origin, reply[1]);
        // the address that the proxy uses itself, which nobody needs
        int length = reply[3] switch
        {
            1 => 4,
            3 => (await TakeAsync(connection, 1).ConfigureAwait(false))[0],
            4 => 16,
            _ => throw ProxyFault.Garbled(proxy, $"its answer has an address of type {reply[3]}"),
        };
        await TakeAsync(connection, length + 2).ConfigureAwait(false);
    }

    static ProxyFault Socks5Refusal(HttpProxy proxy, HttpOrigin origin, byte code)
    {
        string? why = code switch
        {
            1 => "it failed",
            2 => "its rules forbid it",
            3 => "it has no route to the network",
            4 => "it cannot reach the host, or resolve its name",
            5 => "the host refused the connection",
            6 => "the host did not answer in time",
            7 => "it does not know the command",
            8 => "it does not know this kind of address",
            _ => null,
        };
        return why is null ? ProxyFault.Garbled(proxy, $"its answer has the unknown code {code}")
            : ProxyFault.Refused(proxy, origin, $"{why} (code {code})", transient: code is 1 or (>= 3 and <= 6));
    }

    static async ValueTask Socks4Async(HttpConnection connection, HttpProxy proxy, HttpOrigin origin, CancellationToken cancel)
    {
        bool byName = proxy.Protocol == ProxyProtocol.Socks4A && !IPAddress.TryParse(origin.Host, out _);
        // 0.0.0.1: the name follows
        var found = byName ? [] : await HttpDialer.ResolveAsync(origin.Host, connection.Waits, cancel).ConfigureAwait(false);
        byte[] address = byName ? [0, 0, 0, 1]
            : Array.Find(found, one => one.AddressFamily == AddressFamily.InterNetwork)?.GetAddressBytes()
            ?? throw ProxyFault.Refused(proxy, origin, "SOCKS 4 knows IPv4 addresses only, and the host has none", transient: false);
        byte[] user = [.. Encoding.UTF8.GetBytes(proxy.User ?? ""), 0];
        byte[] name = byName ? [.. Encoding.ASCII.GetBytes(origin.Host), 0] : [];
        await connection.SendAsync((byte[])[4, 1, .. Port(origin), .. address, .. user, .. name]).ConfigureAwait(false);
        byte[] reply = await TakeAsync(connection, 8).ConfigureAwait(false);
        if (reply[0] != 0 || reply[1] is < 90 or > 93)
            throw ProxyFault.Garbled(proxy, "its answer is not that of SOCKS 4");
        if (reply[1] is 92 or 93)
            throw ProxyFault.Login(proxy);
        if (reply[1] == 91)
            throw ProxyFault.Refused(proxy, origin, "it refused or failed (code 91)", transient: true);
    }

    static byte[] Port(HttpOrigin origin)
    {
        var port = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(port, (ushort)origin.Port);
        return port;
    }

    /// <summary>Exactly so many bytes.</summary>
    static async ValueTask<byte[]> TakeAsync(HttpConnection connection, int count)
    {
        while (connection.Ahead.Length < count)
        {
            if (await connection.FillAsync().ConfigureAwait(false) == 0)
                throw new HttpIOException(HttpRequestError.ResponseEnded, "it was closed within the answer");
        }
        byte[] bytes = connection.Ahead[..count].ToArray();
        connection.Take(count);
        return bytes;
    }
}
