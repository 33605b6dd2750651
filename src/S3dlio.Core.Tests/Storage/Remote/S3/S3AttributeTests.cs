using S3dlio.Storage;
using S3dlio.Tests.Http;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>The headers by which S3 is told of an object, to the letter: no server here has all that Amazon's has.</summary>
public class S3AttributeTests
{
    static readonly CancellationToken None = CancellationToken.None;

    const string Key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    static ObjectStore Open(ScriptedServer server, string options = "") => StoreFactory.Open(
        StoreUri.Parse("s3://bucket/"),
        StoreOptions.Parse(
            $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1"{{options}}}""",
            "s3://bucket/"));

    static Task Answer(Exchange exchange) => exchange.Method switch
    {
        "HEAD" => exchange.Raw(Exchange.Head(200, "ETag: \"v1\"\r\nx-amz-tagging-count: 1\r\nCache-Control: no-store\r\n", 4)),
        "GET" when exchange.Target.Contains("tagging", StringComparison.Ordinal) => exchange.Respond(
            200, "", "<Tagging><TagSet><Tag><Key>team</Key><Value>a b</Value></Tag></TagSet></Tagging>"),
        "POST" when exchange.Target.Contains("uploads", StringComparison.Ordinal) =>
            exchange.Respond(200, "", "<R><UploadId>u</UploadId></R>"),
        "POST" => exchange.Respond(200, "", "<R><ETag>\"v2\"</ETag></R>"),
        _ when exchange.Headers.ContainsKey("x-amz-copy-source") => exchange.Respond(200, "", "<R><ETag>\"v2\"</ETag></R>"),
        _ => exchange.Respond(200, "ETag: \"v1\"\r\n"),
    };

    static readonly Dictionary<string, string> Attributes = new()
    {
        ["storage_class"] = "GLACIER_IR",
        ["server_side_encryption"] = "aws:kms",
        ["ssekms_key_id"] = "arn:aws:kms:1",
        ["ssekms_encryption_context"] = "e30=",
        ["bucket_key_enabled"] = "true",
        ["acl"] = "bucket-owner-full-control",
        ["expires"] = "Thu, 01 Dec 2030 16:00:00 GMT",
    };

    static readonly Dictionary<string, string> Said = new()
    {
        ["x-amz-storage-class"] = "GLACIER_IR",
        ["x-amz-server-side-encryption"] = "aws:kms",
        ["x-amz-server-side-encryption-aws-kms-key-id"] = "arn:aws:kms:1",
        ["x-amz-server-side-encryption-context"] = "e30=",
        ["x-amz-server-side-encryption-bucket-key-enabled"] = "true",
        ["x-amz-acl"] = "bucket-owner-full-control",
        ["Expires"] = "Thu, 01 Dec 2030 16:00:00 GMT",
        ["x-amz-tagging"] = "team=a%20b&x%26y=1%3D2",
    };

    static readonly Dictionary<string, string> Tags = new() { ["team"] = "a b", ["x&y"] = "1=2" };

    [Theory]
    [InlineData(4)]
    [InlineData(20 << 20)]
    public async Task Put_EveryAttribute_IsSaidOnceWhereTheObjectBegins(int length)
    {
        await using var server = new ScriptedServer(Answer);
        await Open(server, ""","checksum":"off","payload_signing":"never" """).PutAsync(
            "key", new Payload(new byte[length]), new PutOptions { Attributes = Attributes, Tags = Tags }, null, None);
        var first = server.Seen[0];
        foreach (var (name, value) in Said)
            Assert.Equal(value, first.Headers[name]);
        Assert.All(server.Seen.Skip(1), exchange => Assert.DoesNotContain("x-amz-storage-class", exchange.Headers.Keys));
    }

    [Fact]
    public async Task Copy_ByParts_BringsTheTagsThatTheSourceHas()
    {
        await using var server = new ScriptedServer(
            exchange => exchange is { Method: "HEAD", Target: "/bucket/to" } ? exchange.Respond(404) : Answer(exchange));
        await Open(server).CopyAsync("from", "to", new PutOptions { Overwrite = false }, None);
        var begun = server.Seen.Single(exchange => exchange.Target.EndsWith("?uploads=", StringComparison.Ordinal));
        Assert.Equal("team=a%20b", begun.Headers["x-amz-tagging"]);
        Assert.Equal("no-store", begun.Headers["Cache-Control"]);
    }

    [Fact]
    public async Task Copy_Whole_LeavesTagsToTheServerUnlessGiven()
    {
        await using var server = new ScriptedServer(Answer);
        var store = Open(server);
        await store.CopyAsync("from", "to", PutOptions.Default, None);
        await store.CopyAsync("from", "to", new PutOptions { Tags = Tags }, None);
        var copies = server.Seen.Where(exchange => exchange.Method == "PUT").ToArray();
        Assert.DoesNotContain("x-amz-tagging", copies[0].Headers.Keys);
        Assert.Equal("REPLACE", copies[1].Headers["x-amz-tagging-directive"]);
        Assert.Equal("team=a%20b&x%26y=1%3D2", copies[1].Headers["x-amz-tagging"]);
    }

    [Fact]
    public async Task CustomerKey_EveryCallOnAnObject_CarriesItAndNoMessageDoes()
    {
        await using var server = new ScriptedServer(exchange => exchange.Target.Contains("broken", StringComparison.Ordinal)
            ? exchange.Respond(400, "", "<Error><Code>InvalidRequest</Code></Error>") : Answer(exchange));
        var store = Open(server, $$""","sse_customer_key":"{{Key}}" """);
        await store.PutAsync("key", new Payload(new byte[20 << 20]), PutOptions.Default, null, None);
        await store.CopyAsync("key", "to", PutOptions.Default, None);
        await store.DeleteAsync(["key"], None);
        foreach (var exchange in server.Seen)
        {
            bool bare = exchange.Method == "DELETE" || exchange.Target.Contains("?delete", StringComparison.Ordinal);
            Assert.Equal(bare, !exchange.Headers.ContainsKey("x-amz-server-side-encryption-customer-key"));
        }
        var copy = server.Seen.Single(exchange => exchange.Headers.ContainsKey("x-amz-copy-source"));
        Assert.Equal(Key, copy.Headers["x-amz-copy-source-server-side-encryption-customer-key"]);
#pragma warning disable CA5351 // the header is MD5's by S3's definition
        Assert.Equal(Convert.ToBase64String(System.Security.Cryptography.MD5.HashData(Convert.FromBase64String(Key))),
            copy.Headers["x-amz-server-side-encryption-customer-key-md5"]);
#pragma warning restore CA5351
        var error = await Assert.ThrowsAsync<StoreException>(async () => await store.HeadAsync("broken", None));
        Assert.DoesNotContain(Key, error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("short")]
    [InlineData("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISI=")]
    [InlineData("not base64 at all, and thirty-two characters or so")]
    public void CustomerKey_Wrong_IsRefusedWithoutIt(string key)
    {
        var error = Assert.Throws<StoreException>(
            () => StoreFactory.Open(
                StoreUri.Parse("s3://bucket/"), StoreOptions.Parse($$"""{"sse_customer_key":"{{key}}"}""", "s3://bucket/")));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains("'sse_customer_key'", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(key, error.Message, StringComparison.Ordinal);
    }
}
