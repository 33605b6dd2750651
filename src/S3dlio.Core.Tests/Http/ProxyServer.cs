using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;

namespace S3dlio.Tests.Http;

/// <summary>
/// A proxy on loopback that speaks HTTP (relays and tunnels) and SOCKS 4, 4a and 5. Whatever it is asked for, it connects to one port: it
/// stands in for the network's DNS also.
/// </summary>
/// <param name="scheme">As in the proxy's URL.</param>
/// <param name="target">The server's port.</param>
sealed class ProxyServer(string scheme, int target) : LoopbackServer
{
    /// <summary>User and password, which it wants; null: none.</summary>
    public string? Login { get; init; }

    /// <summary>
    /// What it answers instead of making a connection: raw bytes, behind which it hangs up. Empty ones: it hangs up at once.
    /// </summary>
    public byte[]? Says { get; init; }

    /// <summary>Behind a request for a connection it waits for ever.</summary>
    public bool Hangs { get; init; }

    /// <summary>Bytes from the server after which the connection of this number (from 1) is cut.</summary>
    public Func<int, long> CutAfter { get; init; } = static _ => long.MaxValue;

    /// <summary>The servers that were asked for, as host:port; behind the word address where SOCKS carries it as one.</summary>
    public List<string> Asked { get; } = [];

    public string Place => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    public string Url(string login = "") => $"{scheme}://{login}{Place}";

    protected override async Task ServeAsync(TcpClient client, int number)
    {
        using var _ = client;
        try
        {
            var here = scheme == "https" ? await OpenAsync(client) : client.GetStream();
            byte[] first = await (scheme switch
            {
                "http" or "https" => HttpAsync(here),
                "socks5" or "socks5h" => Socks5Async(here),
                _ => Socks4Async(here),
            });
            using var server = new TcpClient();
            await server.ConnectAsync(IPAddress.Loopback, target, Stop);
            var there = server.GetStream();
            await there.WriteAsync(first, Stop);
            await await Task.WhenAny(here.CopyToAsync(there, Stop), CarryAsync(there, here, CutAfter(number)));
            client.Client.LingerState = new LingerOption(true, 0);
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or AuthenticationException or SocketException)
        {
            // one side hung up, or the test is over
        }
    }

    async Task CarryAsync(Stream from, Stream to, long most)
    {
        var buffer = new byte[64 << 10];
        for (int count; most > 0 && (count = await from.ReadAsync(buffer.AsMemory(0, (int)Math.Min(most, buffer.Length)), Stop)) > 0;)
        {
            await to.WriteAsync(buffer.AsMemory(0, count), Stop);
            most -= count;
        }
    }

    /// <summary>What stands in for the answer to a request for a connection, if anything does.</summary>
    async Task AnswerAsync(Stream stream, byte[] usual, string asked)
    {
        lock (Asked)
            Asked.Add(asked);
        if (Hangs)
            await Task.Delay(Timeout.Infinite, Stop);
        await stream.WriteAsync(Says ?? usual, Stop);
        if (Says is null)
            return;
        // what it was sent is read first: a reset would overtake the answer
        throw new IOException("it hangs up");
    }

    async Task<byte[]> HttpAsync(Stream stream)
    {
        var head = new List<byte>();
        while (head.Count < 4 || Encoding.ASCII.GetString([.. head[^4..]]) != "\r\n\r\n")
            head.Add((await TakeAsync(stream, 1))[0]);
        string text = Encoding.ASCII.GetString([.. head]);
        string[] line = text[..text.IndexOf('\r', StringComparison.Ordinal)].Split(' ');
        string login = "Proxy-Authorization: Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(Login ?? "")) + "\r\n";
        if (Login is not null && !text.Contains(login, StringComparison.Ordinal))
        {
            await stream.WriteAsync("HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"u8.ToArray());
            throw new IOException("it hangs up");
        }
        if (line[0] == "CONNECT")
        {
            await AnswerAsync(stream, "HTTP/1.1 200 Connection established\r\nVia: 1.1 x\r\n\r\n"u8.ToArray(), line[1]);
            return [];
        }
        var address = new Uri(line[1]);
        await AnswerAsync(stream, [], $"{address.Host}:{address.Port}");
        return [.. head];
    }

    async Task<byte[]> Socks5Async(Stream stream)
    {
        byte[] hello = await TakeAsync(stream, 2);
        byte[] methods = await TakeAsync(stream, hello[1]);
        byte wanted = Login is null ? (byte)0 : (byte)2;
        await stream.WriteAsync((byte[])[5, methods.Contains(wanted) ? wanted : (byte)0xff]);
        if (!methods.Contains(wanted))
            throw new IOException("it hangs up");
        if (Login is not null)
        {
            byte[] user = await TakeAsync(stream, (await TakeAsync(stream, 2))[1]);
            byte[] password = await TakeAsync(stream, (await TakeAsync(stream, 1))[0]);
            bool good = $"{Encoding.UTF8.GetString(user)}:{Encoding.UTF8.GetString(password)}" == Login;
            await stream.WriteAsync((byte[])[1, good ? (byte)0 : (byte)1]);
            if (!good)
                throw new IOException("it hangs up");
        }
        byte[] head = await TakeAsync(stream, 4);
        string host = head[3] == 3
            ? Encoding.ASCII.GetString(await TakeAsync(stream, (await TakeAsync(stream, 1))[0]))
            : $"address {new IPAddress(await TakeAsync(stream, head[3] == 1 ? 4 : 16))}";
        int port = BinaryPrimitives.ReadUInt16BigEndian(await TakeAsync(stream, 2));
        // its own address is a name, which is the form that has no fixed length
        await AnswerAsync(stream, [5, 0, 0, 3, 5, .. "proxy"u8, 1, 2], $"{host}:{port}");
        return [];
    }

    async Task<byte[]> Socks4Async(Stream stream)
    {
        byte[] head = await TakeAsync(stream, 8);
        string user = await LineAsync(stream);
        byte[] address = head[4..];
        string host = address[0] == 0 ? await LineAsync(stream) : $"address {new IPAddress(address)}";
        byte verdict = Login is null || Login == user ? (byte)90 : (byte)93;
        await AnswerAsync(stream, [0, verdict, 0, 0, 0, 0, 0, 0], $"{host}:{BinaryPrimitives.ReadUInt16BigEndian(head.AsSpan(2))}");
        return verdict == 90 ? [] : throw new IOException("it hangs up");
    }

    async Task<string> LineAsync(Stream stream)
    {
        var line = new List<byte>();
        for (byte one; (one = (await TakeAsync(stream, 1))[0]) != 0;)
            line.Add(one);
        return Encoding.UTF8.GetString([.. line]);
    }

    async Task<byte[]> TakeAsync(Stream stream, int count)
    {
        var bytes = new byte[count];
        await stream.ReadExactlyAsync(bytes, Stop);
        return bytes;
    }
}
