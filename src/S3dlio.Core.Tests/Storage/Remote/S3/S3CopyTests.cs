using S3dlio.Storage;
using S3dlio.Storage.Remote.S3;
using S3dlio.Tests.Http;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Copies of objects that are beyond what one request copies, with the limit lowered.</summary>
public class S3CopyTests
{
    const int Limit = 1000, Part = 300, Size = 1001;

    static S3Store Open(ScriptedServer server)
    {
        var root = StoreUri.Parse("s3://bucket/");
        var options = S3Options.Read(
            StoreOptions.Parse(
                $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1","max_attempts":2}""", "s3://bucket/"), root);
        return new S3Store(root, new S3Client(options, "s3://bucket/")) { MostCopied = Limit, CopyPart = Part };
    }

    static string Tag(int part) => $"\"{part:x32}\"";

    /// <summary>
    /// A server with one object of <paramref name="size"/> bytes; <paramref name="part"/> may answer for a part in its stead.
    /// </summary>
    static Task Answer(Exchange exchange, int size, Func<Exchange, int, Task?>? part = null)
    {
        if (exchange.Method == "HEAD")
            return exchange.Raw(
                $"HTTP/1.1 200 X\r\nContent-Length: {size}\r\nETag: \"v1\"\r\nContent-Type: text/plain\r\nx-amz-meta-a: b\r\n\r\n");
        if (exchange.Target.Contains("tagging", StringComparison.Ordinal))
            return exchange.Respond(200, "", "<Tagging><TagSet/></Tagging>");
        if (exchange.Target.Contains("uploads", StringComparison.Ordinal))
            return exchange.Respond(200, "", "<InitiateMultipartUploadResult><UploadId>up</UploadId></InitiateMultipartUploadResult>");
        if (exchange.Method == "DELETE")
            return exchange.Respond(204);
        if (exchange.Method == "POST")
            return exchange.Respond(200, "", "<CompleteMultipartUploadResult><ETag>\"whole\"</ETag></CompleteMultipartUploadResult>");
        if (!exchange.Target.Contains("partNumber=", StringComparison.Ordinal))
            return exchange.Respond(200, "", "<CopyObjectResult><ETag>\"one\"</ETag></CopyObjectResult>");
        int number = Number(exchange);
        return part?.Invoke(exchange, number) ?? exchange.Respond(200, "", $"<CopyPartResult><ETag>{Tag(number)}</ETag></CopyPartResult>");
    }

    static int Number(Exchange exchange) =>
        int.Parse(exchange.Target.Split("partNumber=")[1].Split('&')[0], System.Globalization.CultureInfo.InvariantCulture);

    static IEnumerable<Exchange> Parts(ScriptedServer server) =>
        server.Seen.Where(exchange => exchange.Target.Contains("partNumber=", StringComparison.Ordinal)).OrderBy(Number);

    [Fact]
    public async Task Copy_AboveTheLimit_CopiesExactRangesOfOneVersion()
    {
        await using var server = new ScriptedServer(exchange => Answer(exchange, Size));
        var copied = await Open(server).CopyAsync("a key/ü", "to", PutOptions.Default, default);
        Assert.Equal(["bytes=0-299", "bytes=300-599", "bytes=600-899", "bytes=900-1000"],
            Parts(server).Select(part => part.Headers["x-amz-copy-source-range"]));
        Assert.All(Parts(server), part => Assert.Equal(
            ("/bucket/to", "/bucket/a%20key/%C3%BC", "\"v1\"", 0),
            (part.Target.Split('?')[0], part.Headers["x-amz-copy-source"], part.Headers["x-amz-copy-source-if-match"], part.Body.Length)));
        var begin = Assert.Single(
            server.Seen, exchange => exchange.Method == "POST" && exchange.Target.Contains("uploads", StringComparison.Ordinal));
        Assert.Equal(("text/plain", "b"), (begin.Headers["Content-Type"], begin.Headers["x-amz-meta-a"]));
        var end = System.Text.Encoding.UTF8.GetString(
            Assert.Single(server.Seen, exchange => exchange.Method == "POST"
                    && exchange.Target.Contains("uploadId=up", StringComparison.Ordinal)).Body);
        var order = Enumerable.Range(1, 4).Select(
            i => end.IndexOf(
                $"<PartNumber>{i}</PartNumber><ETag>{Tag(i).Replace("\"", "&quot;", StringComparison.Ordinal)}</ETag>",
                StringComparison.Ordinal)).ToArray();
        Assert.DoesNotContain(-1, order);
        Assert.Equal(order.Order(), order);
        Assert.Equal(("to", (long)Size, "whole", "text/plain", "b"),
            (copied.Key, copied.Size, copied.ETag, copied.ContentType, copied.Metadata["a"]));
        Assert.DoesNotContain(server.Seen, exchange => exchange.Method == "DELETE");
    }

    [Fact]
    public async Task Copy_AtTheLimit_IsOneRequest()
    {
        await using var server = new ScriptedServer(exchange => Answer(exchange, Limit));
        Assert.Equal("one", (await Open(server).CopyAsync("from", "to", PutOptions.Default, default)).ETag);
        Assert.DoesNotContain(server.Seen, exchange => exchange.Target.Contains('?', StringComparison.Ordinal));
    }

    [Fact]
    public async Task Copy_SourceChangesBetweenParts_PreconditionAndAborted()
    {
        await using var server = new ScriptedServer(exchange => Answer(exchange, Size, (part, number) =>
            number < 3 ? null : part.Respond(412, "", "<Error><Code>PreconditionFailed</Code></Error>")));
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await Open(server).CopyAsync("from", "to", PutOptions.Default, default));
        Assert.Equal(ErrorKind.Precondition, error.Kind);
        CheckAborted(server);
    }

    [Theory]
    [InlineData(403, "AccessDenied", ErrorKind.PermissionDenied)]
    [InlineData(200, "InternalError", ErrorKind.Unavailable)]
    public async Task Copy_APartFails_AbortsTheUploadOnce(int status, string code, ErrorKind kind)
    {
        await using var server = new ScriptedServer(exchange => Answer(exchange, Size, (part, number) =>
            number != 2 ? null : part.Respond(status, "", $"<Error><Code>{code}</Code></Error>")));
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await Open(server).CopyAsync("from", "to", PutOptions.Default, default));
        Assert.Equal(kind, error.Kind);
        CheckAborted(server);
    }

    [Fact]
    public async Task Copy_APartFailsOnce_IsCopiedAgain()
    {
        int failures = 0;
        await using var server = new ScriptedServer(exchange => Answer(exchange, Size, (part, number) =>
            number == 2 && Interlocked.Increment(ref failures) == 1
                ? part.Respond(200, "", "<Error><Code>InternalError</Code></Error>")
                : null));
        await Open(server).CopyAsync("from", "to", PutOptions.Default, default);
        Assert.Equal([1, 2, 2, 3, 4], Parts(server).Select(Number));
    }

    [Fact]
    public async Task Copy_ServerHeedsNoConditionOnParts_ANewVersionIsSeenAndAborted()
    {
        int looks = 0;
        await using var server = new ScriptedServer(exchange => exchange.Method == "HEAD" && Interlocked.Increment(ref looks) > 1
            ? exchange.Raw($"HTTP/1.1 200 X\r\nContent-Length: {Size}\r\nETag: \"v2\"\r\n\r\n")
            : Answer(exchange, Size));
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await Open(server).CopyAsync("from", "to", PutOptions.Default, default));
        Assert.Equal((ErrorKind.Precondition, "s3://bucket/from"), (error.Kind, error.Message.Split(": ")[0]));
        CheckAborted(server);
    }

    static void CheckAborted(ScriptedServer server)
    {
        // after everything else: a part that comes later would stay behind
        Assert.Equal(("DELETE", "/bucket/to?uploadId=up"), (server.Seen[^1].Method, server.Seen[^1].Target));
        Assert.Single(server.Seen, exchange => exchange.Method == "DELETE");
        Assert.DoesNotContain(
            server.Seen, exchange => exchange.Method == "POST" && exchange.Target.Contains("uploadId", StringComparison.Ordinal));
    }
}
