using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using S3dlio.Storage;
using S3dlio.Tests.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Http;

/// <summary>
/// Every kind of proxy, to servers with and without TLS: bodies both ways, logins, refusals, garbage, silence and broken connections.
/// </summary>
public sealed class ProxyKindsTests : IDisposable
{
    const string Host = "s3.example.test";

    static readonly CancellationToken None = CancellationToken.None;

    readonly TemporaryDirectory _directory = new();
    readonly X509Certificate2 _certificate = Certificate();

    public ProxyKindsTests() => File.WriteAllText(_directory["ca.pem"], _certificate.ExportCertificatePem());

    public void Dispose()
    {
        _certificate.Dispose();
        _directory.Delete();
    }

    /// <param name="address">Good for this machine's address, where the proxy is.</param>
    /// <param name="host">Good for the server's name.</param>
    static X509Certificate2 Certificate(bool address = true, bool host = true)
    {
        using var key = RSA.Create(2048);
        // its own authority, so it must not have another's name
        var request = new CertificateRequest($"CN={(host ? Host : "proxy")}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        if (host)
            names.AddDnsName(Host);
        if (address)
            names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    ObjectStore Open(string proxy, bool tls, string options = "", string host = Host) => StoreFactory.Open(
        StoreUri.Parse("s3://bucket/"),
        StoreOptions.Parse(
            $$"""{"endpoint_url":"{{(tls ? "https" : "http")}}://{{host}}","proxy":"{{proxy}}","ca_bundle":"{{_directory["ca.pem"]}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1","checksum":"off"{{options}}}""",
            "s3://bucket/"));

    ScriptedServer Server(bool tls)
    {
        byte[] stored = [];
        return new ScriptedServer(exchange =>
        {
            if (exchange.Method != "PUT")
                return exchange.Serve(stored, "\"v1\"");
            stored = exchange.Body;
            return exchange.Respond(200, "ETag: \"v1\"\r\n");
        })
        { Certificate = tls ? _certificate : null };
    }

    static byte[] Noise(int length)
    {
        var data = new byte[length];
        new Random(length).NextBytes(data);
        return data;
    }

    static async Task<byte[]> Get(ObjectStore store)
    {
        byte[] found = [];
        await ObjectRead.WholeAsync(
            store, "key", size => LargeMemory.From((found = new byte[size]).AsMemory()), new Validation(null), NoProgress.Instance, None);
        return found;
    }

    public static TheoryData<string, bool, string?> Kinds
    {
        get
        {
            var kinds = new TheoryData<string, bool, string?>();
            foreach (string scheme in (string[])["http", "https", "socks4a", "socks5", "socks5h"])
            {
                foreach (bool tls in (bool[])[false, true])
                {
                    kinds.Add(scheme, tls, null);
                    kinds.Add(scheme, tls, scheme == "socks4a" ? "us er" : "us er:p@ss:w%rd");
                }
            }
            return kinds;
        }
    }

    static string Encoded(string? login) =>
        login is null ? "" : string.Join(':', login.Split(':', 2).Select(Uri.EscapeDataString)) + "@";

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task PutAndGet_BodyLargerThanBuffers_PassesBothWays(string scheme, bool tls, string? login)
    {
        await using var server = Server(tls);
        await using var proxy = new ProxyServer(scheme, server.Port) { Login = login, Certificate = _certificate };
        var data = Noise((5 << 20) + 123);
        var store = Open(proxy.Url(Encoded(login)), tls);
        await store.PutAsync("key", new Payload(data), PutOptions.Default, null, None);
        Assert.Equal(data, await Get(store));
        // the proxy resolves the name; the server sees a request as it sees any
        Assert.All(proxy.Asked, asked => Assert.Equal($"{Host}:{(tls ? 443 : 80)}", asked));
        string target = scheme.StartsWith("http", StringComparison.Ordinal) && !tls ? $"http://{Host}/bucket/key" : "/bucket/key";
        Assert.All(server.Seen, exchange => Assert.StartsWith(target, exchange.Target, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("http", true)]
    [InlineData("socks5", false)]
    [InlineData("socks5", true)]
    public async Task GetMany_ThreadsThatWait_GetAll(string scheme, bool tls)
    {
        await using var server = Server(tls);
        await using var proxy = new ProxyServer(scheme, server.Port);
        var store = Open(proxy.Url(), tls);
        var data = Noise(300_000);
        await store.PutAsync("k", new Payload(data), PutOptions.Default, null, None);
        var objects = Enumerable.Range(0, 12).Select(i => new ObjectRef(store, $"k{i}")).ToArray();
        var found = new byte[12][];
        var failures = await Bulk.GetAsync(
            objects, 4, Decompress.Never, (i, length) => LargeMemory.From((found[i] = new byte[length]).AsMemory()), true,
            NoProgress.Instance, None);
        Assert.All(failures, Assert.Null);
        Assert.All(found, bytes => Assert.Equal(data, bytes));
    }

    [Theory]
    [InlineData("127.0.0.1", "address 127.0.0.1:80")]
    [InlineData("[::1]", "address ::1:80")]
    public async Task Head_Socks5AndAnAddress_AsksForTheAddress(string host, string asked)
    {
        await using var server = Server(false);
        await using var proxy = new ProxyServer("socks5", server.Port);
        await Open(proxy.Url(), false, host: host).PutAsync("key", new Payload(new byte[3]), PutOptions.Default, null, None);
        Assert.Equal([asked], proxy.Asked);
    }

    [Fact]
    public async Task Put_Socks4_ResolvesTheNameItself()
    {
        await using var server = Server(false);
        await using var proxy = new ProxyServer("socks4", server.Port);
        await Open(proxy.Url(), false, host: "localhost").PutAsync("key", new Payload(new byte[3]), PutOptions.Default, null, None);
        Assert.Equal(["address 127.0.0.1:80"], proxy.Asked);
    }

    [Theory]
    [InlineData("http", false)]
    [InlineData("http", true)]
    [InlineData("https", true)]
    [InlineData("socks5", false)]
    [InlineData("socks4a", false)]
    public async Task AnyCall_LoginMissingOrWrong_IsSaidOnceWithoutIt(string scheme, bool tls)
    {
        await using var server = Server(tls);
        await using var proxy = new ProxyServer(scheme, server.Port) { Login = "user:right", Certificate = _certificate };
        foreach (string login in (string[])["", "user:hush%21hush@"])
        {
            int before = proxy.Connections;
            var store = Open(proxy.Url(login), tls, ""","max_attempts":3""");
            var error = await Assert.ThrowsAsync<StoreException>(async () => await store.HeadAsync("key", None));
            Assert.Equal(ErrorKind.Authentication, error.Kind);
            Assert.Contains(proxy.Place, error.Detail, StringComparison.Ordinal);
            Assert.Contains("option proxy", error.Detail, StringComparison.Ordinal);
            Assert.DoesNotContain("hush", error.ToString(), StringComparison.Ordinal);
            Assert.Equal(before + 1, proxy.Connections);
        }
        Assert.Empty(server.Seen);
    }

    public static TheoryData<string, byte[], string, int> Refusals => new()
    {
        { "http", "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!"u8.ToArray(), "status 403", 1 },
        { "http", "HTTP/1.1 502 Bad Gateway\r\n\r\n"u8.ToArray(), "status 502", 3 },
        { "http", "SSH-2.0-OpenSSH_9.6\r\n"u8.ToArray(), "does not speak HTTP", 2 },
        { "http", "HTTP/1.1 200 OK\r\n\r\nmore"u8.ToArray(), "bytes behind its answer", 2 },
        { "http", "HTTP/1.1 200 O"u8.ToArray(), "ended the connection before", 3 },
        { "http", [], "ended the connection before", 3 },
        { "socks5", [5, 1, 0, 1, 0, 0, 0, 0, 0, 0], "code 1", 3 },
        { "socks5", [5, 2, 0, 1, 0, 0, 0, 0, 0, 0], "rules forbid it (code 2)", 1 },
        { "socks5", [5, 3, 0, 1, 0, 0, 0, 0, 0, 0], "code 3", 3 },
        { "socks5", [5, 4, 0, 1, 0, 0, 0, 0, 0, 0], "code 4", 3 },
        { "socks5", [5, 5, 0, 1, 0, 0, 0, 0, 0, 0], "refused the connection (code 5)", 3 },
        { "socks5", [5, 6, 0, 1, 0, 0, 0, 0, 0, 0], "code 6", 3 },
        { "socks5", [5, 7, 0, 1, 0, 0, 0, 0, 0, 0], "code 7", 1 },
        { "socks5", [5, 8, 0, 1, 0, 0, 0, 0, 0, 0], "code 8", 1 },
        { "socks5", [5, 99, 0, 1, 0, 0, 0, 0, 0, 0], "unknown code 99", 2 },
        { "socks5", [5, 0, 0, 9, 0, 0, 0, 0, 0, 0], "address of type 9", 2 },
        { "socks5", "HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray(), "does not speak SOCKS", 2 },
        { "socks5", [5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7], "bytes behind its answer", 2 },
        { "socks5", [5, 0, 0, 1, 0, 0], "ended the connection before", 3 },
        { "socks5", [], "ended the connection before", 3 },
        { "socks4a", [0, 91, 0, 0, 0, 0, 0, 0], "code 91", 3 },
        { "socks4a", "HTTP/1.1 400"u8.ToArray(), "does not speak SOCKS", 2 },
        { "socks4a", [0, 90, 0], "ended the connection before", 3 },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task AnyCall_ProxyMakesNoConnection_SaysWhyAndTriesAgainWhereThatMayHelp(
        string scheme, byte[] says, string words, int attempts)
    {
        await using var server = Server(true);
        await using var proxy = new ProxyServer(scheme, server.Port) { Says = says };
        var store = Open(proxy.Url("user:hush%21hush@"), true, ""","max_attempts":3""");
        var error = await Assert.ThrowsAsync<StoreException>(async () => await store.HeadAsync("key", None));
        Assert.Equal(ErrorKind.Unavailable, error.Kind);
        Assert.Contains($"the proxy {proxy.Url()} ", error.Detail, StringComparison.Ordinal);
        Assert.Contains(words, error.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", error.ToString(), StringComparison.Ordinal);
        Assert.Equal(attempts, proxy.Connections);
    }

    [Theory]
    [InlineData("http", true)]
    [InlineData("socks5", false)]
    [InlineData("socks4a", false)]
    public async Task AnyCall_ProxyHangs_EndsWithTheTimeForConnecting(string scheme, bool tls)
    {
        await using var server = Server(tls);
        await using var proxy = new ProxyServer(scheme, server.Port) { Hangs = true };
        var store = Open(proxy.Url(), tls, ""","max_attempts":1,"connect_timeout":0.5""");
        var error = await Assert.ThrowsAsync<StoreException>(async () => await store.HeadAsync("key", None));
        Assert.Equal(ErrorKind.Timeout, error.Kind);
        Assert.Contains($"over the proxy {proxy.Url()} within 0.5 s", error.Detail, StringComparison.Ordinal);
        // threads that wait are in the kernel meanwhile
        var objects = Enumerable.Range(0, 4).Select(i => new ObjectRef(store, $"k{i}")).ToArray();
        var failures = await Bulk.GetAsync(
            objects, 4, Decompress.Never, (_, length) => LargeMemory.From(new byte[length].AsMemory()), true, NoProgress.Instance, None);
        Assert.All(failures, failure => Assert.Equal(ErrorKind.Timeout, failure?.Kind));
    }

    [Theory]
    [InlineData("http", false)]
    [InlineData("http", true)]
    [InlineData("socks5", false)]
    public async Task AnyCall_CancelledWhileTheProxyHangs_EndsAtOnce(string scheme, bool tls)
    {
        await using var server = Server(tls);
        await using var proxy = new ProxyServer(scheme, server.Port) { Hangs = true };
        using var cancel = new CancellationTokenSource(200);
        long begun = Stopwatch.GetTimestamp();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await Open(proxy.Url(), tls, ""","connect_timeout":100""").HeadAsync("key", cancel.Token));
        Assert.InRange(Stopwatch.GetElapsedTime(begun).TotalSeconds, 0, 30);
    }

    [Theory]
    [InlineData("http", false)]
    [InlineData("http", true)]
    [InlineData("socks5", false)]
    [InlineData("socks5", true)]
    public async Task Get_ProxyCutsTheBody_GoesOnBehindWhatCame(string scheme, bool tls)
    {
        await using var server = Server(tls);
        await using var proxy = new ProxyServer(scheme, server.Port) { CutAfter = number => number <= 2 ? 1 << 20 : long.MaxValue };
        var data = Noise(5 << 20);
        var store = Open(proxy.Url(), tls);
        await store.PutAsync("key", new Payload(data), PutOptions.Default, null, None);
        Assert.Equal(data, await Get(store));
        Assert.True(proxy.Connections > 2);
    }

    [Fact]
    public async Task AnyCall_ProxyOfTlsIsNotTrusted_NamesTheProxy()
    {
        await using var server = Server(false);
        await using var proxy = new ProxyServer("https", server.Port) { Certificate = Certificate() };
        var error = await Assert.ThrowsAsync<StoreException>(async () => await Open(proxy.Url(), false).HeadAsync("key", None));
        Assert.Equal((ErrorKind.Unavailable, ErrorReason.Certificate), (error.Kind, error.Reason));
        Assert.Contains($"certificate of the proxy {proxy.Url()}", error.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AnyCall_ProxyOfTls_ShowsACertificateOfItsOwnNameAndNotTheServers(bool tls)
    {
        using var ofProxy = Certificate(host: false);
        using var ofServer = Certificate(address: false);
        File.WriteAllText(_directory["ca.pem"], ofProxy.ExportCertificatePem() + "\n" + ofServer.ExportCertificatePem());
        await using var server = new ScriptedServer(exchange => exchange.Respond(200, "ETag: \"v1\"\r\nContent-Length: 0\r\n"))
        { Certificate = tls ? ofServer : null };
        await using var proxy = new ProxyServer("https", server.Port) { Certificate = ofProxy };
        await Open(proxy.Url(), tls).PutAsync("key", new Payload(new byte[3]), PutOptions.Default, null, None);
        Assert.Equal([$"{Host}:{(tls ? 443 : 80)}"], proxy.Asked);
        await using var disguised = new ProxyServer("https", server.Port) { Certificate = ofServer };
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await Open(disguised.Url(), tls, ""","max_attempts":1""").HeadAsync("key", None));
        Assert.Equal((ErrorKind.Unavailable, ErrorReason.Certificate), (error.Kind, error.Reason));
        Assert.Contains($"certificate of the proxy {disguised.Url()} ", error.Detail, StringComparison.Ordinal);
        Assert.Contains("for another host name", error.Detail, StringComparison.Ordinal);
        Assert.Empty(disguised.Asked);
    }
}
