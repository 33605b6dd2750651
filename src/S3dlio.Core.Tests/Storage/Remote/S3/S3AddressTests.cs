using S3dlio.Storage;
using S3dlio.Storage.Remote.S3;
using S3dlio.Tests.Http;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>
/// Buckets as host names and as paths. A proxy stands in for the network's DNS: it sees the whole address and resolves nothing.
/// </summary>
public class S3AddressTests
{
    static ObjectStore Open(ScriptedServer proxy, string bucket, string endpoint, string style) => StoreFactory.Open(
        StoreUri.Parse($"s3://{bucket}/"),
        StoreOptions.Parse(
            $$"""{"endpoint_url":"{{endpoint}}","addressing_style":"{{style}}","proxy":"{{proxy.Url}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1","max_attempts":1}""", "s3://bucket/"));

    [Theory]
    [InlineData("bucket", "http://s3.example.test", "virtual", "bucket.s3.example.test", "")]
    [InlineData("bucket", "http://s3.example.test:8080", "virtual", "bucket.s3.example.test:8080", "")]
    [InlineData("bucket", "http://s3.example.test:80", "virtual", "bucket.s3.example.test", "")]
    [InlineData("my.dotted.bucket", "http://s3.example.test:8080", "virtual", "my.dotted.bucket.s3.example.test:8080", "")]
    [InlineData("bucket", "http://s3.example.test/base/", "virtual", "bucket.s3.example.test", "/base")]
    [InlineData("bucket", "http://s3.example.test:8080", "path", "s3.example.test:8080", "/bucket")]
    [InlineData("my.dotted.bucket", "http://s3.example.test/base", "auto", "s3.example.test", "/base/my.dotted.bucket")]
    [InlineData("My_Bucket", "http://s3.example.test", "auto", "s3.example.test", "/My_Bucket")]
    public async Task AnyCall_EachStyle_IsSentAndSignedForItsHost(string bucket, string endpoint, string style, string host, string start)
    {
        await using var proxy = new ScriptedServer(
            exchange => exchange.Method == "GET" ? exchange.Serve(new byte[10], "\"v1\"") : exchange.Respond(200, "ETag: \"v1\"\r\n"));
        var store = Open(proxy, bucket, endpoint, style);
        const string key = "a/../b c//ü+%";
        await store.PutAsync(key, new Payload(new byte[10]), PutOptions.Default with { ContentType = "text/plain" }, null, default);
        await (await store.OpenReadAsync(key, ReadOptions.Default, default)).DisposeAsync();
        Assert.Equal(["PUT", "GET"], proxy.Seen.Select(exchange => exchange.Method));
        foreach (var exchange in proxy.Seen)
        {
            Assert.Equal($"http://{host}{start}/a/../b%20c//%C3%BC%2B%25", exchange.Target);
            Assert.Equal(host, exchange.Headers["Host"]);
            Assert.Equal(SignatureOf(exchange, host), exchange.Headers["Authorization"]);
        }
    }

    /// <summary>What a server that has the key would compute from what it was sent.</summary>
    static string SignatureOf(Exchange exchange, string host)
    {
        string[] address = exchange.Target[$"http://{host}".Length..].Split('?');
        var headers = exchange.Headers.Where(
            pair => pair.Key.StartsWith("x-amz-", StringComparison.OrdinalIgnoreCase) || pair.Key is "Content-Type").ToList();
        return new SigV4Signer("r1").Authorization(
            exchange.Method, address[0], address.Length > 1 ? address[1] : "", host, headers, exchange.Headers["x-amz-content-sha256"],
            exchange.Headers["x-amz-date"],
            new S3Credentials("id", "a-secret", null));
    }

    [Theory]
    [InlineData("My_Bucket", "http://s3.example.test")]
    [InlineData("two..dots", "http://s3.example.test")]
    [InlineData("dash-.dot", "http://s3.example.test")]
    [InlineData("bucket", "http://127.0.0.1:7480")]
    [InlineData("bucket", "http://[::1]:7480")]
    public async Task AnyCall_VirtualHostThatCannotBe_IsRefusedUnsent(string bucket, string endpoint)
    {
        await using var proxy = new ScriptedServer(exchange => exchange.Respond(200));
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await Open(proxy, bucket, endpoint, "virtual").HeadAsync("key", default));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains("addressing_style", error.Detail, StringComparison.Ordinal);
        Assert.Empty(proxy.Seen);
    }

    [Theory]
    [InlineData("bucket", "eu-west-1", "bucket.s3.eu-west-1.amazonaws.com", "/key")]
    [InlineData("bucket", "cn-north-1", "bucket.s3.cn-north-1.amazonaws.com.cn", "/key")]
    [InlineData("dotted.bucket", "eu-west-1", "s3.eu-west-1.amazonaws.com", "/dotted.bucket/key")]
    [InlineData("Upper", "eu-west-1", "s3.eu-west-1.amazonaws.com", "/Upper/key")]
    [InlineData("192.168.5.4", "eu-west-1", "s3.eu-west-1.amazonaws.com", "/192.168.5.4/key")]
    public void Locate_Amazon_DottedNamesAreNoHostsUnderTls(string bucket, string region, string host, string path) =>
        Assert.Equal((host, path), new S3Endpoint(new S3Options()).Locate(bucket, "key", region));
}
