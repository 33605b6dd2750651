using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using S3dlio.Storage;
using S3dlio.Http;
using S3dlio.Tests.Storage;
using Xunit;

namespace S3dlio.Tests.Http;

/// <summary>
/// Our own HTTP/1.1 client: bodies of all framings, connections kept and not kept, servers that lie, fall silent and hang up.
/// </summary>
public class HttpClientTests
{
    static readonly CancellationToken None = CancellationToken.None;

    static HttpTransport Transport(double patience = 30) =>
        HttpTransport.Shared(new HttpSettings { Proxy = "", ReadTimeout = TimeSpan.FromSeconds(patience), ConnectTimeout = TimeSpan.FromSeconds(5) }, "s3://test");

    static HttpCall Call(ScriptedServer server, HttpMethod? method = null, HttpBody? body = null) =>
        new()
        {
            Method = method ?? HttpMethod.Get,
            Address = HttpTransport.Address(server.Url + "/a%20b?c=d"),
            Subject = "s3://test/x",
            Body = body
        };

    static async Task<string> Text(HttpResponse answer, int limit = 1 << 20) =>
        Encoding.Latin1.GetString((await answer.ReadTextAsync(limit, None)).Span);

    static ScriptedServer Saying(string bytes) => new(exchange =>
    {
        exchange.HangUp();
        return exchange.Raw(bytes);
    });

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\nhello")]
    [InlineData("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n0004;name=\"v\"\r\nello\r\n0\r\nTrailer: x\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5  \r\nhello\r\n00;x\r\n\r\n")]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")]
    public async Task Send_EveryFraming_GivesTheBody(string bytes)
    {
        await using var server = Saying(bytes);
        using var answer = await Transport().SendAsync(Call(server), waits: false, None);
        Assert.Equal((200, "hello"), (answer.Status, await Text(answer)));
        Assert.Equal("/a%20b?c=d", server.Seen[0].Target);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    public async Task Send_AnswerInTinyPieces_IsPutTogether(int piece)
    {
        byte[] bytes = Encoding.ASCII.GetBytes("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n");
        await using var server = new ScriptedServer(async exchange =>
        {
            for (int at = 0; at < bytes.Length; at += piece)
                await exchange.Raw(Encoding.ASCII.GetString(bytes, at, Math.Min(piece, bytes.Length - at)));
        });
        using var answer = await Transport().SendAsync(Call(server), waits: false, None);
        Assert.Equal("abc0123456789", await Text(answer));
    }

    [Theory]
    [InlineData("g\r\nhello\r\n0\r\n\r\n")]
    [InlineData("\r\nhello\r\n0\r\n\r\n")]
    [InlineData("-5\r\nhello\r\n0\r\n\r\n")]
    [InlineData("0x5\r\nhello\r\n0\r\n\r\n")]
    [InlineData("5\nhello\r\n0\r\n\r\n")]
    [InlineData("5\rhello\r\n0\r\n\r\n")]
    [InlineData("5\r\nhelloX\r\n0\r\n\r\n")]
    [InlineData("5\r\nhello0\r\n\r\n")]
    [InlineData("5\r\nhello\n0\r\n\r\n")]
    [InlineData("5 6\r\nhello\r\n0\r\n\r\n")]
    [InlineData("FFFFFFFFFFFFFFFF5\r\nhello\r\n0\r\n\r\n")]
    [InlineData("5\r\nhello\r\n0\r\nT: \0\r\n\r\n")]
    public async Task Read_BadChunks_AreRefused(string body)
    {
        await using var server = Saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body);
        using var answer = await Transport().SendAsync(Call(server), waits: false, None);
        var failure = await Assert.ThrowsAsync<HttpFailure>(() => Text(answer));
        Assert.Contains("does not answer in HTTP", failure.Error.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello")]
    public async Task Read_BodyThatEndsEarly_IsATransientFailureAndNoShortBody(string bytes)
    {
        await using var server = Saying(bytes);
        using var answer = await Transport().SendAsync(Call(server), waits: false, None);
        Assert.True((await Assert.ThrowsAsync<HttpFailure>(() => Text(answer))).Transient);
        // and asking again does not make it an end
        await Assert.ThrowsAsync<HttpFailure>(() => Text(answer));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5000)]
    public async Task Send_HeaderBomb_EndsAtTheLimit(int lineLength)
    {
        string line = $"X: {new string('a', lineLength)}\r\n";
        await using var server = new ScriptedServer(async exchange =>
        {
            exchange.Break();
            await exchange.Raw("HTTP/1.1 200 OK\r\n");
            for (int i = 0; i < 20_000; i++)
                await exchange.Raw(line);
        });
        var failure = await Assert.ThrowsAsync<HttpFailure>(async () => await Transport().SendAsync(Call(server), waits: false, None));
        Assert.Equal((ErrorKind.InvalidData, false), (failure.Error.Kind, failure.Transient));
        Assert.Contains("beyond all limits", failure.Error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_InterimHeadsWithoutEnd_EndAtTheSameLimit()
    {
        await using var server = new ScriptedServer(async exchange =>
        {
            exchange.Break();
            for (int i = 0; i < 100_000; i++)
                await exchange.Raw("HTTP/1.1 103 Early Hints\r\n\r\n");
        });
        Assert.Equal(ErrorKind.InvalidData,
            (await Assert.ThrowsAsync<HttpFailure>(async () => await Transport().SendAsync(Call(server), waits: false, None))).Error.Kind);
    }

    [Fact]
    public async Task Send_BytesBehindTheAnswer_AreNotTheNextAnswer()
    {
        await using var server = new ScriptedServer(exchange => exchange.Raw(exchange.Number == 1
            ? "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!"
            : "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"));
        foreach (string expected in new[] { "1", "true", "true" })
        {
            using var answer = await Transport().SendAsync(Call(server), waits: false, None);
            Assert.Equal(expected, await Text(answer));
        }
    }

    [Fact]
    public async Task Send_BytesOnAnIdleConnection_AreNotTheNextAnswer()
    {
        await using var server = new ScriptedServer(async exchange =>
        {
            await exchange.Respond(200, "", "true");
            if (exchange.Number == 1)
                await exchange.Raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil!");
        });
        using (var first = await Transport().SendAsync(Call(server), waits: false, None))
            await Text(first);
        await Task.Delay(300);
        using var second = await Transport().SendAsync(Call(server), waits: false, None);
        Assert.Equal("true", await Text(second));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_CallThatMayWait_IsDoneWhenItReturns(bool waits)
    {
        using var asked = new SemaphoreSlim(1);
        await using var server = new ScriptedServer(async exchange =>
        {
            if (!waits)
                await asked.WaitAsync();
            await exchange.Respond(200, "", "hello");
        });
        var transport = Transport();
        using (var first = await transport.SendAsync(Call(server), waits: true, None))
            Assert.Equal("hello", await Text(first));
        // over that connection, and what became of it
        for (int i = 0; i < 2; i++)
        {
            var sending = transport.SendAsync(Call(server), waits, None);
            Assert.Equal(waits, sending.IsCompleted);
            asked.Release();
            using var answer = await sending;
            Assert.Equal("hello", await Text(answer));
        }
    }

    [Theory]
    [InlineData("GET", "hello")]
    [InlineData("HEAD", "")]
    [InlineData("PUT", "hello")]
    public async Task Send_AnswerReadToItsEnd_ConnectionIsUsedAgain(string method, string body)
    {
        await using var server = new ScriptedServer(exchange => exchange.Respond(200, "", "hello"));
        for (int i = 0; i < 5; i++)
        {
            using var answer = await Transport()
                .SendAsync(Call(server, new HttpMethod(method), method == "PUT" ? new HttpBody(new byte[100]) : null), waits: false, None);
            if (method != "HEAD")
                Assert.Equal(body, await Text(answer));
        }
        Assert.Equal(1, server.Connections);
    }

    [Fact]
    public async Task Dispose_LittleLeftOfTheBody_ConnectionIsUsedAgain()
    {
        await using var server = new ScriptedServer(exchange => exchange.Respond(200, "", new byte[100_000]));
        for (int i = 0; i < 5; i++)
        {
            (await Transport().SendAsync(Call(server), waits: false, None)).Dispose();
            // what is left is read beside us
            await Task.Delay(200);
        }
        Assert.InRange(server.Connections, 1, 2);
    }

    [Fact]
    public async Task Send_ServerHungUpMeanwhile_ReadsAreSentAgain()
    {
        await using var server = new ScriptedServer(exchange =>
        {
            exchange.HangUp();
            return exchange.Respond(200, "", "hello");
        });
        for (int i = 0; i < 20; i++)
        {
            using var answer = await Transport().SendAsync(Call(server), waits: false, None);
            Assert.Equal("hello", await Text(answer));
        }
    }

    [Fact]
    public async Task Send_FreshConnectionClosedWithoutAnAnswer_IsAFailureWithUnknownOutcome()
    {
        await using var server = new ScriptedServer(exchange =>
        {
            exchange.Break();
            return Task.CompletedTask;
        });
        var failure = await Assert.ThrowsAsync<HttpFailure>(async () => await Transport().SendAsync(Call(server), waits: false, None));
        Assert.True(failure is { Transient: true, OutcomeUnknown: true, Error.Kind: ErrorKind.Unavailable });
        Assert.Single(server.Seen);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(16 << 10)]
    [InlineData((16 << 10) + 1)]
    [InlineData(500_000)]
    [InlineData(3 << 20)]
    public async Task Send_BodyInPieces_ArrivesOnceAndIsCounted(int length)
    {
        var data = new byte[length];
        new Random(length).NextBytes(data);
        await using var server = new ScriptedServer(exchange => exchange.Respond(200));
        long told = 0;
        var body = new HttpBody(
            [data.AsMemory(0, length / 3), data.AsMemory(length / 3)], new SynchronousProgress(count => Interlocked.Add(ref told, count)));
        using var answer = await Transport().SendAsync(Call(server, HttpMethod.Put, body), waits: false, None);
        Assert.Equal(data, Assert.Single(server.Seen).Body);
        Assert.Equal(length, told);
        Assert.Equal(length >= 1 << 20, server.Seen[0].Headers.ContainsKey("Expect"));
        Assert.Equal(length.ToString(CultureInfo.InvariantCulture), server.Seen[0].Headers["Content-Length"]);
    }

    [Fact]
    public async Task Send_RefusedBeforeTheBody_SendsNoneOfIt()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        long received = 0;
        var serving = Task.Run(async () =>
        {
            using var client = await listener.AcceptTcpClientAsync();
            var stream = client.GetStream();
            var buffer = new byte[65536];
            _ = await stream.ReadAsync(buffer);
            await stream.WriteAsync("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"u8.ToArray());
            for (int count; (count = await stream.ReadAsync(buffer)) > 0;)
                received += count;
        });
        long told = 0;
        var call = new HttpCall
        {
            Method = HttpMethod.Put,
            Address = HttpTransport.Address($"http://{listener.LocalEndpoint}/x"),
            Subject = "s3://test/x",
            Body = new HttpBody(new byte[4 << 20], new SynchronousProgress(count => Interlocked.Add(ref told, count))),
        };
        using (var answer = await Transport().SendAsync(call, waits: false, None))
            Assert.Equal((403, "no"), (answer.Status, await Text(answer)));
        await serving;
        Assert.Equal((0, 0), (received, told));
    }

    [Fact]
    public async Task Send_NobodyAnswersTheQuestionForLeave_SendsTheBodyAllTheSame()
    {
        await using var server = new ScriptedServer(exchange => exchange.Respond(200)) { IgnoresExpect = true };
        using var answer = await Transport().SendAsync(Call(server, HttpMethod.Put, new HttpBody(new byte[2 << 20])), waits: false, None);
        Assert.Equal((200, 2 << 20), (answer.Status, server.Seen[0].Body.Length));
    }

    [Theory]
    [InlineData("value\r\nInjected: yes")]
    [InlineData("value\0")]
    [InlineData("wörd")]
    public async Task Send_HeaderThatWouldBeTwo_IsRefusedUnsent(string value)
    {
        await using var server = new ScriptedServer(exchange => exchange.Respond(200));
        var call = Call(server);
        call.Add("x-name", value);
        var error = await Assert.ThrowsAsync<StoreException>(async () => await Transport().SendAsync(call, waits: false, None));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains("x-name", error.Detail, StringComparison.Ordinal);
        Assert.Empty(server.Seen);
    }

    [Fact]
    public async Task Read_SilenceWithinTheBody_TimesOutAndASlowServerDoesNot()
    {
        await using var server = new ScriptedServer(async exchange =>
        {
            await exchange.Raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
            for (int i = 0; i < (exchange.Number == 1 ? 8 : 4); i++)
            {
                await Task.Delay(150);
                await exchange.Raw("x");
            }
        });
        using (var slow = await Transport(0.9).SendAsync(Call(server), waits: false, None))
            Assert.Equal("xxxxxxxx", await Text(slow));
        using var answer = await Transport(0.9).SendAsync(Call(server), waits: false, None);
        var failure = await Assert.ThrowsAsync<HttpFailure>(() => Text(answer));
        Assert.Equal(ErrorKind.Timeout, failure.Error.Kind);
        Assert.Contains("silent for 0.9 s", failure.Error.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_Cancelled_EndsAtOnceAsACancel()
    {
        await using var server = new ScriptedServer(_ => Task.Delay(60_000));
        using var cancel = new CancellationTokenSource(100);
        var error =
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                async () => await Transport().SendAsync(Call(server), waits: false, cancel.Token));
        Assert.Equal(cancel.Token, error.CancellationToken);
    }
}
