using System.Globalization;
using System.Runtime.InteropServices;
using S3dlio.Storage;
using S3dlio.Tests.Http;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>The environment belongs to the process, so these run alone.</summary>
[CollectionDefinition("Environment", DisableParallelization = true)]
public static class OwnEnvironment;

/// <summary>Keys that come from elsewhere and expire in mid-use.</summary>
[Collection("Environment")]
public sealed partial class S3CredentialTests : IDisposable
{
    static readonly string[] Variables =
    [
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_EC2_METADATA_DISABLED",
    ];

    static readonly TemporaryDirectory Folder = new();

    readonly Dictionary<string, string?> _before = Variables.ToDictionary(name => name, Environment.GetEnvironmentVariable);

    public S3CredentialTests()
    {
        foreach (string name in Variables)
            Set(name, null);
        Set("AWS_CONFIG_FILE", Path("config"));
        Set("AWS_SHARED_CREDENTIALS_FILE", Path("credentials"));
        Set("AWS_EC2_METADATA_DISABLED", "true");
    }

    public void Dispose()
    {
        foreach (var (name, value) in _before)
            Set(name, value);
        foreach (string file in Directory.GetFiles(Folder.Path))
            File.Delete(file);
    }

    /// <summary>Here and for the program that asks: .NET has a copy of its own.</summary>
    static void Set(string name, string? value)
    {
        Environment.SetEnvironmentVariable(name, value);
        _ = value is null ? unsetenv(name) : setenv(name, value, 1);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unsetenv(string name);

    static string Path(string name) => Folder[name];

    static ObjectStore Open(ScriptedServer server, string options = "") => StoreFactory.Open(
        StoreUri.Parse("s3://bucket/"),
        StoreOptions.Parse($$"""{"endpoint_url":"{{server.Url}}","region":"r1","max_attempts":3{{options}}}""", "s3://bucket/"));

    /// <summary>A profile whose process hands out key1, key2, … and counts in a file.</summary>
    static void WriteProcess()
    {
        File.WriteAllText(Path("keys.sh"), $$"""
            echo >> {{Path("count")}}
            n=$(wc -l < {{Path("count")}})
            echo "{\"Version\":1,\"AccessKeyId\":\"key$n\",\"SecretAccessKey\":\"secret$n\",\"SessionToken\":\"token$n\",\"Expiration\":\"{{Later}}\"}"
            """);
        File.WriteAllText(Path("credentials"), $"[proc]\ncredential_process = /bin/sh {Path("keys.sh")}\n");
    }

    static string Later => DateTime.UtcNow.AddHours(6).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    static int Asked => File.Exists(Path("count")) ? File.ReadAllLines(Path("count")).Length : 0;

    static string KeyOf(Exchange exchange) => exchange.Headers["Authorization"].Split("Credential=")[1].Split('/')[0];

    static Task Expired(Exchange exchange) => exchange.Respond(400, "", "<Error><Code>ExpiredToken</Code></Error>");

    static Task Serve(Exchange exchange) => exchange.Serve(new byte[10], "\"v1\"");

    static async Task Get(ObjectStore store) => await (await store.OpenReadAsync("key", ReadOptions.Default, default)).DisposeAsync();

    [Fact]
    public async Task AnyCall_KeysOfAProcessExpire_AreRenewedOnce()
    {
        WriteProcess();
        await using var server = new ScriptedServer(
            exchange => KeyOf(exchange) == "key1" && exchange.Number > 1 ? Expired(exchange) : Serve(exchange));
        var store = Open(server, ""","profile":"proc" """);
        for (int i = 0; i < 3; i++)
            await Get(store);
        Assert.Equal(["key1", "key1", "key2", "key2"], server.Seen.Select(KeyOf));
        Assert.Equal("token2", server.Seen[^1].Headers["x-amz-security-token"]);
        Assert.Equal(2, Asked);
    }

    [Fact]
    public async Task ManyCalls_KeysExpireUnderAllOfThem_AreRenewedOnce()
    {
        const int calls = 12;
        WriteProcess();
        int old = 0;
        var all = new TaskCompletionSource();
        await using var server = new ScriptedServer(async exchange =>
        {
            if (KeyOf(exchange) != "key1")
            {
                await Serve(exchange);
                return;
            }
            // nobody hears that the keys are old before everybody has used them
            if (Interlocked.Increment(ref old) == calls)
                all.SetResult();
            await all.Task;
            await Expired(exchange);
        });
        var store = Open(server, ""","profile":"proc","max_in_flight":16""");
        await Task.WhenAll(Enumerable.Range(0, calls).Select(_ => Get(store)));
        Assert.Equal(2, Asked);
        Assert.Equal(calls, server.Seen.Count(exchange => KeyOf(exchange) == "key2"));
    }

    [Fact]
    public async Task AnyCall_KeysStayExpired_FailsAfterOneRenewal()
    {
        WriteProcess();
        await using var server = new ScriptedServer(Expired);
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(Open(server, ""","profile":"proc" """)));
        Assert.Equal((ErrorKind.Authentication, ErrorReason.ExpiredCredentials), (error.Kind, error.Reason));
        Assert.Equal(["key1", "key2"], server.Seen.Select(KeyOf));
    }

    [Fact]
    public async Task AnyCall_GivenKeysExpire_FailsAtOnce()
    {
        await using var server = new ScriptedServer(Expired);
        var error = await Assert.ThrowsAsync<StoreException>(
            () => Get(Open(server, ""","access_key_id":"given","secret_access_key":"s","session_token":"t" """)));
        Assert.Equal((ErrorKind.Authentication, ErrorReason.ExpiredCredentials), (error.Kind, error.Reason));
        Assert.Equal(["given"], server.Seen.Select(KeyOf));
    }

    [Fact]
    public async Task AnyCall_ProfileOrItsProcessFails_NoCredentials()
    {
        await using var server = new ScriptedServer(Serve);
        File.WriteAllText(Path("credentials"), "[broken]\ncredential_process = /bin/sh -c \"exit 3\"\n");
        foreach (string name in (string[])["broken", "nowhere"])
        {
            var error = await Assert.ThrowsAsync<StoreException>(() => Get(Open(server, $$""","profile":"{{name}}" """)));
            Assert.Equal((ErrorKind.Authentication, ErrorReason.NoCredentials), (error.Kind, error.Reason));
        }
        Assert.Empty(server.Seen);
    }

    [Fact]
    public async Task AnyCall_NothingThenAContainersEndpoint_NoCredentialsThenItsKeysRenewed()
    {
        await using var server = new ScriptedServer(exchange => KeyOf(exchange) == "key1" ? Expired(exchange) : Serve(exchange));
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(Open(server)));
        Assert.Equal((ErrorKind.Authentication, ErrorReason.NoCredentials), (error.Kind, error.Reason));
        Assert.Empty(server.Seen);
        await using var container = new ScriptedServer(exchange => exchange.Respond(200, "Content-Type: application/json\r\n",
            $$"""{"AccessKeyId":"key{{exchange.Number}}","SecretAccessKey":"s","Token":"token{{exchange.Number}}","Expiration":"{{Later}}"}"""));
        Set("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.Url + "/keys");
        await Get(Open(server));
        Assert.Equal(["key1", "key2"], server.Seen.Select(KeyOf));
        Assert.All(container.Seen, exchange => Assert.Equal("/keys", exchange.Target));
        Assert.Equal(2, container.Seen.Count);
    }
}
