using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;

namespace S3dlio.Tests.Http;

/// <summary>
/// A server on loopback that answers each request as the test says, down to the byte, and breaks connections where it says so.
/// </summary>
sealed class ScriptedServer(Func<Exchange, Task> answer) : LoopbackServer
{
    public string Url => string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}");

    /// <summary>It does not know <c>Expect: 100-continue</c>, as many servers do not.</summary>
    public bool IgnoresExpect { get; init; }

    /// <summary>All requests so far, in the order of their arrival.</summary>
    public List<Exchange> Seen { get; } = [];

    protected override async Task ServeAsync(TcpClient client, int number)
    {
        using (client)
        {
            try
            {
                await using var stream = await OpenAsync(client);
                while (await ReadAsync(stream) is { } exchange)
                {
                    lock (Seen)
                    {
                        Seen.Add(exchange);
                        exchange.Number = Seen.Count;
                    }
                    await answer(exchange);
                    if (exchange.HungUp)
                        return;
                    if (exchange.Broken)
                    {
                        client.Client.LingerState = new LingerOption(true, 0);
                        return;
                    }
                }
            }
            catch (Exception error) when (error is IOException or OperationCanceledException or AuthenticationException)
            {
                // the client hung up, or the test is over
            }
        }
    }

    async Task<Exchange?> ReadAsync(Stream stream)
    {
        var head = new List<byte>();
        var one = new byte[1];
        while (head.Count < 4 || Encoding.ASCII.GetString([.. head[^4..]]) != "\r\n\r\n")
        {
            if (await stream.ReadAsync(one, Stop) == 0)
                return null;
            head.Add(one[0]);
        }
        string[] lines = Encoding.ASCII.GetString([.. head]).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        string[] first = lines[0].Split(' ');
        var exchange = new Exchange(stream, first[0], first[1], lines[1..].Select(line => line.Split(": ", 2))
            .ToDictionary(pair => pair[0], pair => pair[1], StringComparer.OrdinalIgnoreCase));
        if (exchange.Headers.ContainsKey("Expect") && !IgnoresExpect)
            await stream.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), Stop);
        exchange.Body = new byte[
            exchange.Headers.TryGetValue("Content-Length", out string? length) ? int.Parse(length, CultureInfo.InvariantCulture) : 0];
        await stream.ReadExactlyAsync(exchange.Body, Stop);
        return exchange;
    }
}

/// <summary>One request, and the means to answer it.</summary>
sealed class Exchange(Stream stream, string method, string target, Dictionary<string, string> headers)
{
    public int Number { get; set; }

    public string Method => method;

    public string Target => target;

    public Dictionary<string, string> Headers => headers;

    public byte[] Body { get; set; } = [];

    public bool Broken { get; private set; }

    /// <summary>The bytes asked for, as first and last.</summary>
    public (long First, long Last) Range
    {
        get
        {
            long[] ends =
                [.. headers["Range"]["bytes=".Length..].Split('-').Select(text => long.Parse(text, CultureInfo.InvariantCulture))];
            return (ends[0], ends[1]);
        }
    }

    public Task Respond(int status, string extra = "", string body = "") => Respond(status, extra, Encoding.UTF8.GetBytes(body));

    public Task Respond(int status, string extra, byte[] body) => Raw(Head(status, extra, body.Length), body);

    public static string Head(int status, string extra, long length) => $"HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{extra}\r\n";

    public async Task Raw(string head, byte[]? body = null)
    {
        await stream.WriteAsync(Encoding.UTF8.GetBytes(head));
        if (body is not null && method != "HEAD")
            await stream.WriteAsync(body);
        await stream.FlushAsync();
    }

    /// <summary>Accepts a CONNECT and carries bytes both ways until one side ends.</summary>
    public async Task Tunnel(string host, int port)
    {
        using var server = new TcpClient();
        await server.ConnectAsync(host, port);
        await Raw("HTTP/1.1 200 Connected\r\n\r\n");
        var there = server.GetStream();
        await await Task.WhenAny(stream.CopyToAsync(there), there.CopyToAsync(stream));
        Break();
    }

    /// <summary>Passes on, as a proxy does, a request whose target is a whole address, and its answer.</summary>
    public async Task Forward()
    {
        var address = new Uri(target);
        using var server = new TcpClient();
        await server.ConnectAsync(address.Host, address.Port);
        var there = server.GetStream();
        string lines = string.Concat(headers.Where(pair => pair.Key is not ("Connection" or "Expect"))
            .Select(pair => $"{pair.Key}: {pair.Value}\r\n"));
        await there.WriteAsync(Encoding.ASCII.GetBytes($"{method} {target[address.GetLeftPart(UriPartial.Authority).Length..]} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n"));
        await there.WriteAsync(Body);
        await there.CopyToAsync(stream);
    }

    /// <summary>The connection is reset after what was said.</summary>
    public void Break() => Broken = true;

    public bool HungUp { get; private set; }

    /// <summary>The connection is closed, orderly, after what was said.</summary>
    public void HangUp() => HungUp = true;

    /// <summary>Serves an object as S3 would, ranges and all; breaks off after <paramref name="most"/> bytes.</summary>
    public async Task Serve(byte[] data, string tag, int most = int.MaxValue, string extra = "")
    {
        if (headers.TryGetValue("If-Match", out string? wanted) && wanted != tag)
        {
            await Respond(412, "", "<Error><Code>PreconditionFailed</Code></Error>");
            return;
        }
        bool ranged = headers.ContainsKey("Range");
        var (first, last) = ranged ? Range : (0, data.Length - 1);
        if (ranged && first >= data.Length)
        {
            await Respond(416, $"Content-Range: bytes */{data.Length}\r\n");
            return;
        }
        last = Math.Min(last, data.Length - 1);
        int length = (int)(last - first + 1);
        await Raw(
            Head(ranged ? 206 : 200, $"ETag: {tag}\r\n" + extra + (ranged ? $"Content-Range: bytes {first}-{last}/{data.Length}\r\n" : ""),
            length),
            data.AsSpan((int)first, Math.Min(length, most)).ToArray());
        if (most < length)
            Break();
    }
}
