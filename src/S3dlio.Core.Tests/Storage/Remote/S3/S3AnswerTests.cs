using System.Globalization;
using System.Text;
using S3dlio.Storage;
using S3dlio.Storage.Remote.S3;
using S3dlio.Tests.Http;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Answers that are well formed and not true: what they say is held against what was asked and what is known.</summary>
public class S3AnswerTests
{
    const int PartSize = 5 << 20;

    static readonly CancellationToken None = CancellationToken.None;

    static S3Store Open(ScriptedServer server, string options = "")
    {
        var root = StoreUri.Parse("s3://bucket/");
        var read = S3Options.Read(
            StoreOptions.Parse(
                $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1","max_attempts":2{{options}}}""", "s3://bucket/"), root);
        return new S3Store(root, new S3Client(read, "s3://bucket/"));
    }

    static byte[] Data(int length, byte fill)
    {
        var data = new byte[length];
        data.AsSpan().Fill(fill);
        return data;
    }

    static async Task<byte[]> Get(ObjectStore store, int first)
    {
        await using var reader = await store.OpenReadAsync("key", new ReadOptions { FirstLength = first }, None);
        var data = new byte[reader.Meta.Size];
        await reader.ReadAsync(0, data, None);
        return data;
    }

    /// <summary>Serves ranges and heeds no condition.</summary>
    static Task ServeHeedless(Exchange exchange, byte[] data, string headers)
    {
        var (first, last) = exchange.Range;
        last = Math.Min(last, data.Length - 1);
        string range = string.Create(CultureInfo.InvariantCulture, $"Content-Range: bytes {first}-{last}/{data.Length}\r\n");
        return exchange.Raw(
            Exchange.Head(206, headers + range, last - first + 1), data.AsSpan((int)first, (int)(last - first) + 1).ToArray());
    }

    [Theory]
    [InlineData("ETag: \"v1\"\r\n", "ETag: \"v2\"\r\n")]
    [InlineData("ETag: v1\r\n", "ETag: v2\r\n")]
    [InlineData("ETag: W/\"v1\"\r\n", "ETag: W/\"v2\"\r\n")]
    [InlineData("Last-Modified: Fri, 01 Mar 2024 10:00:00 GMT\r\n", "Last-Modified: Fri, 01 Mar 2024 10:00:01 GMT\r\n")]
    [InlineData("ETag: \"v1\"\r\nLast-Modified: Fri, 01 Mar 2024 10:00:00 GMT\r\n", "Last-Modified: Fri, 01 Mar 2024 10:00:01 GMT\r\n")]
    public async Task Get_ServerHeedsNoIfMatch_AnotherVersionIsRefused(string before, string after)
    {
        await using var server = new ScriptedServer(exchange => exchange.Number == 1
            ? ServeHeedless(exchange, Data(1000, 1), before)
            : ServeHeedless(exchange, Data(1000, 2), after));
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(Open(server), 100));
        Assert.Equal(ErrorKind.Precondition, error.Kind);
        Assert.Equal(2, server.Seen.Count);
    }

    [Theory]
    [InlineData("ETag: \"v1\"\r\n", "ETag: v1\r\n")]
    [InlineData("ETag: \"v1\"\r\n", "ETag: W/\"v1\"\r\n")]
    [InlineData("ETag: \"v1\"\r\n", "")]
    [InlineData("", "")]
    public async Task Get_TagInAnotherForm_IsTheSameVersion(string before, string after)
    {
        await using var server = new ScriptedServer(
            exchange => ServeHeedless(exchange, Data(1000, 1), exchange.Number == 1 ? before : after));
        Assert.Equal(Data(1000, 1), await Get(Open(server), 100));
    }

    [Fact]
    public async Task Get_WeakTag_IsNoCondition()
    {
        await using var server = new ScriptedServer(exchange => ServeHeedless(exchange, Data(1000, 1), "ETag: W/\"v1\"\r\n"));
        Assert.Equal(Data(1000, 1), await Get(Open(server), 100));
        Assert.All(server.Seen, exchange => Assert.False(exchange.Headers.ContainsKey("If-Match")));
    }

    [Fact]
    public async Task Open_ServerHeedsNoIfMatch_AnotherVersionIsRefused()
    {
        await using var server = new ScriptedServer(exchange => exchange.Respond(200, "ETag: \"v2\"\r\n", "new"));
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await Open(server).OpenReadAsync("key", new ReadOptions { IfMatch = "v1" }, None));
        Assert.Equal(ErrorKind.Precondition, error.Kind);
    }

    [Fact]
    public async Task Head_AnswerWithoutLength_IsAnErrorAndNotZeroBytes()
    {
        await using var server = new ScriptedServer(exchange => exchange.Raw("HTTP/1.1 200 X\r\nETag: \"v1\"\r\n\r\n"));
        var error = await Assert.ThrowsAsync<StoreException>(async () => await Open(server).HeadAsync("key", None));
        Assert.Equal(ErrorKind.InvalidData, error.Kind);
        Assert.Contains("Content-Length", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x@evil.example.com/")]
    [InlineData("evil.example.com")]
    [InlineData("\xfc")]
    [InlineData("-r2")]
    [InlineData("r2#")]
    public async Task Get_RegionThatIsNoLabel_IsNotFollowedAndNotRemembered(string region)
    {
        await using var server = new ScriptedServer(exchange => exchange.Number == 1
            ? exchange.Raw($"HTTP/1.1 301 X\r\nContent-Length: 0\r\nx-amz-bucket-region: {region}\r\n\r\n")
            : exchange.Serve(Data(10, 1), "\"v1\""));
        var store = Open(server);
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(store, 10));
        Assert.Equal(ErrorReason.WrongRegion, error.Reason);
        Assert.DoesNotContain(region, error.Message, StringComparison.Ordinal);
        Assert.Equal(Data(10, 1), await Get(store, 10));
        Assert.All(server.Seen, exchange => Assert.Contains("/r1/s3/", exchange.Headers["Authorization"], StringComparison.Ordinal));
    }

    [Fact]
    public async Task Get_RegionThatLeadsNowhere_IsNotRemembered()
    {
        await using var server = new ScriptedServer(exchange => exchange.Number switch
        {
            1 => exchange.Raw("HTTP/1.1 301 X\r\nContent-Length: 0\r\nx-amz-bucket-region: mars-1\r\n\r\n"),
            2 => exchange.Respond(403, "", "<Error><Code>SignatureDoesNotMatch</Code></Error>"),
            _ => exchange.Serve(Data(10, 1), "\"v1\""),
        });
        var store = Open(server);
        await Assert.ThrowsAsync<StoreException>(() => Get(store, 10));
        Assert.Equal(Data(10, 1), await Get(store, 10));
        Assert.Equal(["r1", "mars-1", "r1"], server.Seen.Select(exchange => exchange.Headers["Authorization"].Split('/')[2]));
    }

    [Fact]
    public void Options_RegionThatIsNoLabel_IsRefusedForAmazon()
    {
        var error = Assert.Throws<StoreException>(() => StoreFactory.Open(
            StoreUri.Parse("s3://bucket/"), StoreOptions.Parse(
                """{"region":"x@evil.example.com/","access_key_id":"id","secret_access_key":"a-secret"}""", "s3://bucket/")));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
    }

    [Fact]
    public async Task Write_MemoryGrantedInTheMomentOfACancel_ComesBack()
    {
        var held = new TaskCompletionSource();
        await using var server = new ScriptedServer(async exchange =>
        {
            if (exchange.Method == "POST")
                await exchange.Respond(200, "", "<InitiateMultipartUploadResult><UploadId>up</UploadId></InitiateMultipartUploadResult>");
            else if (exchange.Method == "DELETE")
                await exchange.Respond(204);
            else
                await held.Task;
        });
        var store = Open(server, $$""","part_size":{{PartSize}},"payload_signing":"never" """);
        var budget = store.Client.InFlight;
        var all = await budget.EnterAsync(0, budget.Bytes, None);
        var writer = await store.OpenWriteAsync("key", PutOptions.Default, None);
        using var cancel = new CancellationTokenSource();
        var writing = writer.WriteAsync(new byte[PartSize + 1], cancel.Token).AsTask();
        while (budget.Waiting == 0)
            await Task.Delay(5);
        // registered last it is called first: the memory is granted, then the cancel is heard
        using (cancel.Token.Register(() => all.Dispose()))
            await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing);
        held.SetResult();
        await writer.DisposeAsync();
        Assert.True(budget.TryEnter(0, budget.Bytes, out var lease), "the memory that was granted to a cancelled write is lost");
        lease.Dispose();
    }
}
