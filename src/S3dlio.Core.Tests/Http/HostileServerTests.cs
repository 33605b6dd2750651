using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using S3dlio.Storage;
using S3dlio.Http;
using Xunit;

namespace S3dlio.Tests.Http;

/// <summary>
/// A store whose server lies, trickles, floods and speaks out of turn: an error in time, little memory, and never other bytes.
/// </summary>
public class HostileServerTests
{
    static readonly CancellationToken None = CancellationToken.None;

    /// <summary>Above what any limit lets through, with what the system buffers on the way.</summary>
    const long Flood = 16 << 20;

    static ObjectStore Open(string url, string options = "", int attempts = 2) => StoreFactory.Open(
        StoreUri.Parse("s3://bucket/"),
        StoreOptions.Parse($$"""{"endpoint_url":"{{url}}","proxy":"","access_key_id":"id","secret_access_key":"a-secret","region":"r1","max_attempts":{{attempts}}{{options}}}""", "s3://bucket/"));

    static async Task<string> Get(ObjectStore store, string key = "key")
    {
        await using var reader = await store.OpenReadAsync(key, ReadOptions.Default, None);
        var data = new byte[reader.Meta.Size];
        await reader.ReadAsync(0, data, None);
        return Encoding.Latin1.GetString(data);
    }

    static async Task<List<string>> List(ObjectStore store)
    {
        var keys = new List<string>();
        await foreach (var page in store.ListAsync("", ListOptions.Default, None))
            keys.AddRange(page.Objects.Select(found => found.Key));
        return keys;
    }

    static async Task<StoreException> Refused(Func<Task> call)
    {
        // far above what it takes, far below for ever
        var error = await Assert.ThrowsAsync<StoreException>(() => call().WaitAsync(TimeSpan.FromMinutes(5)));
        Assert.StartsWith("s3://bucket/", error.Uri, StringComparison.Ordinal);
        return error;
    }

    static ScriptedServer Saying(string bytes, bool hangUp = true) => new(exchange =>
    {
        if (hangUp)
            exchange.HangUp();
        return exchange.Raw(bytes);
    });

    /// <summary>All of an object: an answer that no question for its checksums follows.</summary>
    const string Whole = "HTTP/1.1 200 X\r\nETag: \"v1\"\r\n";

    const string Object = "HTTP/1.1 206 X\r\nETag: \"v1\"\r\nContent-Range: bytes 0-9/10\r\n";

    [Theory]
    // the length is a lie
    [InlineData("Content-Length: 11\r\n\r\n0123456789")]
    [InlineData("Content-Length: 5\r\n\r\n01234")]
    [InlineData("Content-Length: 999999999999999999\r\n\r\n01234")]
    [InlineData("Content-Length: 99999999999999999999\r\n\r\n0123456789")]
    // the end comes early: of a chunk, of the chunks, without any length
    [InlineData("Transfer-Encoding: chunked\r\n\r\nA\r\n01234")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n\r\n")]
    [InlineData("\r\n01234")]
    // sizes that are none
    [InlineData("Transfer-Encoding: chunked\r\n\r\nten\r\n0123456789\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n7FFFFFFFFFFFFFFFF\r\n0123456789\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n-A\r\n0123456789\r\n0\r\n\r\n")]
    // lines that others end elsewhere, and two framings
    [InlineData("Content-Length: 10\nX: 1\r\n\r\n0123456789")]
    [InlineData("X: 1\rContent-Length: 10\r\n\r\n0123456789")]
    [InlineData("X: 1\r\n Content-Length: 10\r\n\r\n0123456789")]
    [InlineData("Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n0123456789")]
    [InlineData("Content-Length: 10\r\nContent-Length: 11\r\n\r\n0123456789")]
    public async Task Get_AnswerThatLies_IsAnErrorAndNoBytes(string rest)
    {
        await using var server = Saying(Object + rest);
        var error = await Refused(() => Get(Open(server.Url)));
        Assert.True(error.Kind is ErrorKind.Unavailable or ErrorKind.InvalidData or ErrorKind.Precondition, error.Message);
    }

    [Fact]
    public async Task Get_ChunksInHttp10_AreRefused()
    {
        await using var server = Saying("HTTP/1.0 206 X\r\nETag: \"v1\"\r\nContent-Range: bytes 0-9/10\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n");
        Assert.Contains("HTTP/1.0", (await Refused(() => Get(Open(server.Url)))).Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 ", "a")]
    [InlineData("HTTP/1.1 200 OK\r\n", "X: 1\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nX: ", "a")]
    [InlineData("", "HTTP/1.1 103 Early Hints\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "a")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: 1\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "a")]
    public async Task List_HeadOrTrailerWithoutEnd_EndsAtALimit(string start, string more)
    {
        long sent = 0;
        string piece = string.Concat(Enumerable.Repeat(more, 16384 / more.Length));
        await using var server = new ScriptedServer(async exchange =>
        {
            exchange.Break();
            await exchange.Raw(start);
            for (long count = 0; count < Flood; count += piece.Length)
            {
                await exchange.Raw(piece);
                Interlocked.Add(ref sent, piece.Length);
            }
        });
        await Refused(() => List(Open(server.Url)));
        Assert.InRange(Interlocked.Read(ref sent), 0, Flood - 1);
    }

    [Fact]
    public async Task Read_TrailersThatFillTheBufferToTheByte_EndAtTheLimit()
    {
        // lines that have all come are counted as those are that have not
        string trailer = $"X: {new string('a', 1019)}\r\n";
        await using var server = Saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
            + string.Concat(Enumerable.Repeat(trailer, 15)) + $"X: {new string('a', 9000)}\r\n\r\n");
        Assert.Contains("longer than any", (await Refused(() => List(Open(server.Url)))).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_ServerTrickles_TimesOutAndIsNotAskedForEver()
    {
        string data = new('x', 1000);
        await using var server = new ScriptedServer(async exchange =>
        {
            long first = exchange.Headers.ContainsKey("Range") ? exchange.Range.First : 0;
            await exchange.Raw($"HTTP/1.1 206 X\r\nETag: \"v1\"\r\nContent-Range: bytes {first}-999/1000\r\nContent-Length: {1000 - first}\r\n\r\n");
            for (long at = first; at < 1000; at++)
            {
                await Task.Delay(200);
                await exchange.Raw("x");
            }
        });
        var clock = Stopwatch.StartNew();
        var error = await Refused(() => Get(Open(server.Url, ""","read_timeout":3""")));
        Assert.Equal(ErrorKind.Timeout, error.Kind);
        Assert.Contains("fewer than 256 bytes a second", error.Detail, StringComparison.Ordinal);
        // what opened the object, and the attempts
        Assert.InRange(server.Seen.Count, 2, 12);
        // at its own pace it would take 200 s
        Assert.InRange(clock.Elapsed.TotalSeconds, 1, 150);
    }

    [Fact]
    public async Task Get_ServerLetsAByteGoBeforeEachSilence_IsNotAskedForEver()
    {
        await using var server = new ScriptedServer(async exchange =>
        {
            long first = exchange.Headers.ContainsKey("Range") ? exchange.Range.First : 0;
            await exchange.Raw($"HTTP/1.1 206 X\r\nETag: \"v1\"\r\nContent-Range: bytes {first}-999/1000\r\nContent-Length: {1000 - first}\r\n\r\nx");
            await Task.Delay(60_000);
        });
        Assert.Equal(ErrorKind.Timeout, (await Refused(() => Get(Open(server.Url, ""","read_timeout":0.3""", attempts: 3)))).Kind);
        // a byte each time would be a thousand
        Assert.InRange(server.Seen.Count, 2, 12);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("5\r\nhello\r\n1;")]
    public async Task List_ChunkSizeTrickles_TimesOut(string begun)
    {
        await using var server = new ScriptedServer(async exchange =>
        {
            await exchange.Raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + begun);
            for (int i = 0; i < 600; i++)
            {
                await Task.Delay(100);
                await exchange.Raw(";");
            }
        });
        Assert.Equal(ErrorKind.Timeout, (await Refused(() => List(Open(server.Url, ""","read_timeout":0.5""")))).Kind);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(30)]
    public async Task Get_TwoAnswersToOneRequest_TheSecondIsNobodys(int pause)
    {
        using var said = new SemaphoreSlim(0);
        await using var server = new ScriptedServer(async exchange =>
        {
            string wanted = exchange.Target[^1] + "123456789";
            await exchange.Raw(Whole + "Content-Length: 10\r\n\r\n" + wanted);
            await Task.Delay(pause);
            await exchange.Raw(Whole + "Content-Length: 10\r\n\r\nevil567890");
            said.Release();
        });
        var store = Open(server.Url);
        for (int i = 0; i < 8; i++)
        {
            Assert.Equal($"{i}123456789", await Get(store, $"key{i}"));
            await said.WaitAsync();
            await Task.Delay(50); // what is sent is not there at once
        }
    }

    [Fact]
    public async Task Get_BodyBehindTheAnswerToHead_IsNoAnswer()
    {
        using var said = new SemaphoreSlim(0);
        await using var server = new ScriptedServer(async exchange =>
        {
            await exchange.Raw(Whole + "Content-Length: 10\r\n\r\n" + (exchange.Method == "HEAD" ? "" : "0123456789"));
            if (exchange.Method == "HEAD")
            {
                await Task.Delay(20);
                await exchange.Raw(Whole + "Content-Length: 10\r\n\r\nevil567890");
                said.Release();
            }
        });
        var store = Open(server.Url);
        for (int i = 0; i < 4; i++)
        {
            await store.HeadAsync("key", None);
            await said.WaitAsync();
            await Task.Delay(50); // what is sent is not there at once
            Assert.Equal("0123456789", await Get(store));
        }
    }

    [Fact]
    public async Task Get_AnswerBeforeAnyRequest_SpoilsNoLaterOne()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var stop = new CancellationTokenSource();
        int connections = 0;
        var serving = Task.Run(async () =>
        {
            while (true)
            {
                var client = await listener.AcceptTcpClientAsync(stop.Token);
                bool isFirst = connections++ == 0;
                // each for itself: a client that opens a second connection beside an idle one is served, too
                _ = Task.Run(async () =>
                {
                    using (client)
                    {
                        var stream = client.GetStream();
                        if (isFirst)
                            await stream.WriteAsync(Encoding.ASCII.GetBytes("HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"), stop.Token);
                        var buffer = new byte[65536];
                        while (await stream.ReadAsync(buffer, stop.Token) > 0)
                            await stream.WriteAsync(Encoding.ASCII.GetBytes(Whole + "Content-Length: 10\r\n\r\n0123456789"), stop.Token);
                    }
                });
            }
        });
        var store = Open(string.Create(CultureInfo.InvariantCulture, $"http://{listener.LocalEndpoint}"));
        Assert.Equal(ErrorKind.NotFound, (await Refused(() => Get(store))).Kind);
        for (int i = 0; i < 3; i++)
        {
            await Task.Delay(50);
            Assert.Equal("0123456789", await Get(store));
        }
        await stop.CancelAsync();
        await serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    [Fact]
    public async Task List_ListingOfClaimedPetabytes_IsRefused()
    {
        await using var server = Saying("HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n<ListBucketResult>");
        Assert.True((await Refused(() => List(Open(server.Url, attempts: 1)))).Kind is ErrorKind.InvalidData or ErrorKind.Unavailable);
    }

    [Fact]
    public async Task List_EncodedUnasked_NamesTheCoding()
    {
        await using var server =
            new ScriptedServer(exchange => exchange.Respond(200, "Content-Encoding: gzip\r\n", "\u001f\u008b nonsense"));
        var error = await Refused(() => List(Open(server.Url)));
        Assert.Equal(ErrorKind.InvalidData, error.Kind);
        Assert.Contains("Content-Encoding 'gzip'", error.Detail, StringComparison.Ordinal);
        Assert.All(server.Seen, exchange => Assert.Equal("identity", exchange.Headers["Accept-Encoding"]));
    }

    [Fact]
    public async Task Get_LaterPartEncodedOnTheWay_IsRefused()
    {
        var data = new byte[9 << 20];
        await using var server = new ScriptedServer(exchange => exchange.Number == 1
            ? exchange.Serve(data, "\"v1\"", most: 1000)
            : exchange.Serve(data, "\"v1\"", extra: "Content-Encoding: br\r\n"));
        Assert.Contains("Content-Encoding 'br'", (await Refused(() => Get(Open(server.Url)))).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_ObjectThatIsStoredEncoded_IsGivenAsItIs()
    {
        var data = new byte[9 << 20];
        await using var server = new ScriptedServer(exchange =>
            exchange.Serve(data, "\"v1\"", most: exchange.Number == 1 ? 1000 : int.MaxValue, extra: "Content-Encoding: gzip\r\n"));
        Assert.Equal(data.Length, (await Get(Open(server.Url))).Length);
    }

    [Fact]
    public void Note_AnyPace_CountsTheWaitsAlone()
    {
        var pace = new HttpPace(TimeSpan.FromSeconds(1));
        // one silence is another limit's
        Assert.True(pace.Note(1999, 1));
        Assert.False(pace.Note(999, 1));
        // 256 bytes a second go on for ever
        pace = new HttpPace(TimeSpan.FromSeconds(1));
        for (int i = 0; i < 1000; i++)
            Assert.True(pace.Note(1000, HttpPace.Slowest));
        // much at once is no licence for later
        Assert.True(pace.Note(1, 1 << 30));
        Assert.False(pace.Note(2100, 1));
        var none = new HttpPace(TimeSpan.Zero);
        Assert.True(none.Note(long.MaxValue / 4, 1));
    }
}
