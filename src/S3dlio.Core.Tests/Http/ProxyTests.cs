using System.Net;
using System.Net.Sockets;
using System.Text;
using S3dlio.Storage;
using S3dlio.Tests.Storage;
using Xunit;

namespace S3dlio.Tests.Http;

/// <summary>Option proxy: requests over a proxy that the test is.</summary>
public class ProxyTests
{
    const string Login = "Basic dXNlcjpwQHNz";

    static ObjectStore Open(string proxy, string endpoint = "http://s3.example.test") => StoreFactory.Open(
        StoreUri.Parse("s3://bucket/"),
        StoreOptions.Parse($$"""{"endpoint_url":"{{endpoint}}","proxy":"{{proxy}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1","max_attempts":1,"checksum":"off"}""", "s3://bucket/"));

    static string WithLogin(ScriptedServer server) => server.Url.Replace("://", "://user:p%40ss@", StringComparison.Ordinal);

    [Fact]
    public async Task Put_ProxyWithLogin_IsToldAtOnceAndTheBodyGoesOnce()
    {
        await using var server = new ScriptedServer(exchange => exchange.Headers.GetValueOrDefault("Proxy-Authorization") == Login
            ? exchange.Respond(200, "ETag: \"v1\"\r\n")
            : exchange.Respond(407, "Proxy-Authenticate: Basic realm=\"x\"\r\n"));
        var data = new byte[3 << 20];
        new Random(1).NextBytes(data);
        long told = 0;
        await Open(WithLogin(server)).PutAsync(
            "key", new Payload(data), PutOptions.Default, new SynchronousProgress(bytes => Interlocked.Add(ref told, bytes)), default);
        var sent = Assert.Single(server.Seen);
        Assert.Equal("http://s3.example.test/bucket/key", sent.Target);
        Assert.Equal(data, sent.Body);
        Assert.Equal(data.Length, told);
    }

    [Theory]
    [InlineData("http://s3.example.test", false)]
    [InlineData("http://s3.example.test", true)]
    [InlineData("https://s3.example.test", false)]
    [InlineData("https://s3.example.test", true)]
    public async Task AnyCall_ProxyRefusesTheLogin_SaysSoWithoutTheSecret(string endpoint, bool login)
    {
        await using var server = new ScriptedServer(exchange => exchange.Respond(407, "Proxy-Authenticate: Basic realm=\"x\"\r\n"));
        var error = await Assert.ThrowsAsync<StoreException>(async () =>
            await Open(login ? WithLogin(server) : server.Url, endpoint).HeadAsync("key", default));
        Assert.Equal(ErrorKind.Authentication, error.Kind);
        Assert.Contains("option proxy", error.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("p@ss", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("p%40ss", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Login, error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnyCall_Https_AsksForATunnelAndTellsTheLoginToTheProxyAlone()
    {
        // an endpoint of TLS that only listens: what comes first through the tunnel is a handshake, and in clear
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var first = Task.Run(async () =>
        {
            using var client = await listener.AcceptTcpClientAsync();
            var bytes = new byte[4096];
            int count = await client.GetStream().ReadAsync(bytes);
            return bytes[..count];
        });
        await using var server = new ScriptedServer(exchange => exchange.Headers.GetValueOrDefault("Proxy-Authorization") == Login
            ? exchange.Tunnel("127.0.0.1", port)
            : exchange.Respond(407, "Proxy-Authenticate: Basic realm=\"x\"\r\n"));
        await Assert.ThrowsAsync<StoreException>(async () =>
            await Open(WithLogin(server), "https://s3.example.test").HeadAsync("key", default));
        byte[] hello = await first;
        Assert.Equal(0x16, hello[0]);
        Assert.DoesNotContain("Proxy-Authorization", Encoding.Latin1.GetString(hello), StringComparison.OrdinalIgnoreCase);
        Assert.All(server.Seen, exchange => Assert.Equal(("CONNECT", "s3.example.test:443"), (exchange.Method, exchange.Target)));
    }

    [Theory]
    [InlineData("http://s3.example.test")]
    [InlineData("https://s3.example.test")]
    public async Task AnyCall_NoProxyThere_NamesTheProxyAndItsOption(string endpoint)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        var error = await Assert.ThrowsAsync<StoreException>(async () =>
            await Open($"http://127.0.0.1:{port}", endpoint).HeadAsync("key", default));
        Assert.Equal((ErrorKind.Unavailable, ErrorReason.ConnectionRefused), (error.Kind, error.Reason));
        Assert.Contains($"127.0.0.1:{port}", error.Detail, StringComparison.Ordinal);
        Assert.Contains("option proxy", error.Detail, StringComparison.Ordinal);
    }
}
