using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using S3dlio.Http;

namespace S3dlio.Fuzz.Targets;

/// <summary>The bytes of a head as a server sends them.</summary>
sealed class HttpHeadTarget : Target
{
    public override string Name => "http-head";

    public override IEnumerable<byte[]> Seeds => Texts(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
        "HTTP/1.0 404\r\nTransfer-Encoding: chunked\r\nETag:\t\"x\" \r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n");

    public override IReadOnlyList<string> Tokens { get; } =
        ["\r\n", "\n", "\r", "\r\n ", "HTTP/1.1 ", ": ", " :", "Content-Length: ", "Transfer-Encoding: chunked",
            "Transfer-Encoding: identity", "Connection: close, x", "+5", "5, 5", "0x5", "99999999999999999999", "\u00a0"];

    public override bool Documents(Exception fault) => fault is HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse };

    public override string Run(byte[] input)
    {
        HttpHead.CheckBeginning(input);
        int end = input.AsSpan().IndexOf("\r\n\r\n"u8);
        if (end < 0)
            return "begun";
        var head = HttpHead.Parse(input.AsSpan(0, end + 4));
        for (int i = 0; i < head.Count; i++)
        {
            Must(head.Name(i).Length > 0 && head.Name(i).IndexOfAny(": \t\r"u8) < 0, "a name is a name");
            Must(head.Value(i).IndexOfAny((byte)'\r', (byte)'\n', (byte)0) < 0, "a value is on one line");
            Must(head.Find(System.Text.Encoding.Latin1.GetString(head.Name(i))) is var at && at >= 0 && at <= i, "what is there is found");
        }
        Must(head.Status is >= 100 and <= 999 && !(head.Length < 0) && !(head.IsChunked && head.Length is not null),
            "there is one end of the body");
        return $"{head.Status / 100} {Math.Min(head.Count, 3)} {head.Length is null} {head.IsChunked} {head.KeepsAlive}";
    }
}

/// <summary>A body in chunks, over a real connection of this process with itself.</summary>
sealed class HttpChunksTarget : Target
{
    /// <summary>What the system takes of a connection that nobody reads yet.</summary>
    const int Most = 32 << 10;

    public override string Name => "http-chunks";

    public override IEnumerable<byte[]> Seeds =>
        Texts("5\r\nhello\r\n0\r\n\r\n", "1;a=\"b\"\r\nx\r\n00A \r\n0123456789\r\n0\r\nT: 1\r\nU: 2\r\n\r\n", "0\r\n\r\n");

    public override IReadOnlyList<string> Tokens { get; } =
        ["\r\n", "\n", "\r", "0\r\n\r\n", "\r\n0\r\n", "1\r\nx\r\n", ";", " ", "\t", "-1", "+1", "0x1", "fffffffffffffff",
            "7fffffffffffffff", "10000000000000000", "\0"];

    public override long Allowance(int length) => base.Allowance(length) + (256 << 10);

    public override bool Documents(Exception fault) => fault is HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse }
        or HttpIOException { HttpRequestError: HttpRequestError.ResponseEnded };

    public override string Run(byte[] input)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        using var server = new Socket(
            AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        { LingerState = new LingerOption(true, 0) };
        server.Connect(listener.LocalEndPoint!);
        using var connection = new HttpConnection(
            HttpOrigin.Of(new Uri("http://127.0.0.1:1/")), listener.Accept(), waits: false);
        int sent = Math.Min(input.Length, Most);
        server.Send(input.AsSpan(0, sent));
        server.Shutdown(SocketShutdown.Send);
        var chunks = new ChunkReader(connection);
        byte[] buffer = new byte[4096];
        int total = 0;
        while (chunks.ReadAsync(buffer).AsTask().GetAwaiter().GetResult() is var count && count > 0)
            total += count;
        Must(chunks.IsOver && total + 5 <= sent, "a body is shorter than its chunks");
        return $"{Math.Min(total, 3)}";
    }
}
