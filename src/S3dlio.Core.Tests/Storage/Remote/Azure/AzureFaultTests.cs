using System.Globalization;
using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tests.Http;
using Xunit;

namespace S3dlio.Tests.Storage.Remote.Azure;

/// <summary>What happens when the network or the service misbehaves, with a server that misbehaves on purpose.</summary>
public class AzureFaultTests
{
    const string Root = "az://acct/box/";

    static readonly CancellationToken None = CancellationToken.None;

    static ObjectStore Open(ScriptedServer server, string options = "") => StoreFactory.Open(
        StoreUri.Parse(Root),
        StoreOptions.Parse($$"""{"endpoint_url":"{{server.Url}}/acct","account_key":"YS1zZWNyZXQ="{{options}}}""", Root));

    static byte[] Data(int length)
    {
        var data = new byte[length];
        new Random(length).NextBytes(data);
        return data;
    }

    static ValueTask<ObjectMeta> Put(ObjectStore store, byte[] data, PutOptions? options = null) =>
        store.PutAsync("key", new Payload(data), options ?? PutOptions.Default, null, None);

    static async Task Serve(Exchange exchange, byte[] data, string tag, int most = int.MaxValue)
    {
        if (exchange.Headers.TryGetValue("If-Match", out string? wanted) && wanted != tag)
        {
            await exchange.Respond(412, "x-ms-error-code: ConditionNotMet\r\n");
            return;
        }
        long[] ends = [.. exchange.Headers["x-ms-range"]["bytes=".Length..].Split(
                '-').Select(text => long.Parse(text, CultureInfo.InvariantCulture))];
        long last = Math.Min(ends[1], data.Length - 1);
        int length = (int)(last - ends[0] + 1);
        await exchange.Raw(
            Exchange.Head(206, $"ETag: {tag}\r\nContent-Range: bytes {ends[0]}-{last}/{data.Length}\r\n", length),
            data.AsSpan((int)ends[0], Math.Min(length, most)).ToArray());
        if (most < length)
            exchange.Break();
    }

    static async Task<byte[]> Get(ObjectStore store)
    {
        await using var reader = await store.OpenReadAsync("key", ReadOptions.Default, None);
        var data = new byte[reader.Meta.Size];
        await reader.ReadAsync(0, data, None);
        return data;
    }

    [Fact]
    public async Task Get_SmallObject_IsOneRequest()
    {
        await using var server = new ScriptedServer(exchange => Serve(exchange, Data(1000), "\"v1\""));
        Assert.Equal(Data(1000), await Get(Open(server)));
        Assert.Single(server.Seen);
    }

    [Fact]
    public async Task Get_BodyBreaksOff_GoesOnFromThere()
    {
        var data = Data(3 << 20);
        await using var server = new ScriptedServer(
            exchange => Serve(exchange, data, "\"v1\"", most: exchange.Number < 8 ? 400_000 : int.MaxValue));
        Assert.Equal(data, await Get(Open(server, ""","max_attempts":2""")));
        Assert.All(server.Seen.Skip(1), exchange => Assert.Equal("\"v1\"", exchange.Headers["If-Match"]));
    }

    [Fact]
    public async Task Get_ServerHeedsNoIfMatch_AnotherVersionIsRefused()
    {
        var data = Data(9 << 20);
        await using var server = new ScriptedServer(async exchange =>
        {
            exchange.Headers.Remove("If-Match");
            await Serve(exchange, data, exchange.Number == 1 ? "\"v1\"" : "\"v2\"", most: exchange.Number == 1 ? 1 << 20 : int.MaxValue);
        });
        Assert.Equal(ErrorKind.Precondition, (await Assert.ThrowsAsync<StoreException>(() => Get(Open(server)))).Kind);
    }

    [Fact]
    public async Task Open_ServerHeedsNoIfMatch_AnotherVersionIsRefused()
    {
        await using var server = new ScriptedServer(async exchange =>
        {
            exchange.Headers.Remove("If-Match");
            await Serve(exchange, Data(10), "\"v2\"");
        });
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await Open(server).OpenReadAsync("key", new ReadOptions { IfMatch = "v1" }, None));
        Assert.Equal(ErrorKind.Precondition, error.Kind);
    }

    [Fact]
    public async Task Write_CancelledWhileItWaits_CannotBeCompleted()
    {
        const int part = 1 << 20;
        var held = new TaskCompletionSource();
        await using var server = new ScriptedServer(async exchange =>
        {
            if (exchange.Target.Contains("comp=block&", StringComparison.Ordinal))
                await held.Task;
            await exchange.Respond(201);
        });
        var writer = await Open(server, $$""","part_size":{{part}}""").OpenWriteAsync("key", PutOptions.Default, None);
        using var soon = new CancellationTokenSource(200);
        // four blocks are on their way and stay there, so the fifth waits with the sixth half in the buffer
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await writer.WriteAsync(new byte[(5 * part) + 100], soon.Token));
        held.SetResult();
        Assert.Equal(ErrorKind.Closed,
            (await Assert.ThrowsAsync<StoreException>(async () => await writer.WriteAsync(new byte[1], None))).Kind);
        Assert.Equal(ErrorKind.Closed, (await Assert.ThrowsAsync<StoreException>(async () => await writer.CompleteAsync(None))).Kind);
        await writer.DisposeAsync();
        Assert.DoesNotContain(
            server.Seen, exchange => exchange.Target.Contains("blocklist", StringComparison.Ordinal)
                || !exchange.Target.Contains("comp=block", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("bytes 5-9/10")]
    [InlineData("bytes 0-9/5")]
    [InlineData("nonsense")]
    public async Task Get_AnswerOfAnotherRange_IsRefused(string range)
    {
        await using var server = new ScriptedServer(
            exchange => exchange.Respond(206, $"Content-Range: {range}\r\nETag: \"v1\"\r\n", "0123456789"));
        Assert.Equal(ErrorKind.InvalidData, (await Assert.ThrowsAsync<StoreException>(() => Get(Open(server)))).Kind);
    }

    [Fact]
    public async Task Put_AnswerIsLostAndConditionFails_OwnWriteIsKnownAgain()
    {
        string write = "";
        await using var server = new ScriptedServer(async exchange =>
        {
            if (exchange.Method == "HEAD")
                await exchange.Raw(
                    Exchange.Head(200,
                        $"ETag: \"v1\"\r\nx-ms-meta-s3dlio_crc32c: {Checksum.Of("data"u8)}\r\nx-ms-meta-s3dlio_write: {write}\r\n", 4));
            else if (exchange.Number == 1)
            {
                write = exchange.Headers["x-ms-meta-s3dlio_write"];
                exchange.Break();
            }
            else
                await exchange.Respond(409, "x-ms-error-code: BlobAlreadyExists\r\n");
        });
        var meta = await Put(Open(server), "data"u8.ToArray(), PutOptions.Default with { Overwrite = false });
        Assert.Equal(("v1", Checksum.Of("data"u8)), (meta.ETag, meta.Checksum));
        Assert.Equal("*", server.Seen[0].Headers["If-None-Match"]);
    }

    [Fact]
    public async Task Put_AnswerIsLostAndAnotherWon_AlreadyExists()
    {
        await using var server = new ScriptedServer(async exchange =>
        {
            if (exchange.Method == "HEAD")
                await exchange.Raw(Exchange.Head(200, "ETag: \"v9\"\r\nx-ms-meta-s3dlio_write: another\r\n", 4));
            else if (exchange.Number == 1)
                exchange.Break();
            else
                await exchange.Respond(409, "x-ms-error-code: BlobAlreadyExists\r\n");
        });
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await Put(Open(server), "data"u8.ToArray(), PutOptions.Default with { Overwrite = false }));
        Assert.Equal(ErrorKind.AlreadyExists, error.Kind);
    }

    [Fact]
    public async Task Put_BlocksAreDroppedByAnotherWriter_BeginsAnew()
    {
        int commits = 0;
        await using var server = new ScriptedServer(exchange =>
            exchange.Target.Contains("comp=blocklist", StringComparison.Ordinal) && Interlocked.Increment(ref commits) < 3
                ? exchange.Respond(400, "x-ms-error-code: InvalidBlockList\r\n")
                : exchange.Respond(201, "ETag: \"v1\"\r\n"));
        long seen = 0;
        var data = Data(300_000);
        await Open(server, ""","part_size":65536""").PutAsync(
            "key", new Payload(data), PutOptions.Default, new SynchronousProgress(value => Interlocked.Add(ref seen, value)), None);
        Assert.Equal(3, commits);
        Assert.Equal(data.Length, seen);
        var last = server.Seen.Last(exchange => exchange.Target.Contains("comp=blocklist", StringComparison.Ordinal));
        var staged = server.Seen.Where(exchange => exchange.Target.Contains("blockid=", StringComparison.Ordinal))
            .GroupBy(exchange => Uri.UnescapeDataString(exchange.Target.Split("blockid=")[1])).ToDictionary(
                group => group.Key, group => group.Last().Body);
        var ids = Encoding.ASCII.GetString(last.Body).Split("<Latest>").Skip(1).Select(part => part.Split('<')[0]);
        Assert.Equal(data, ids.SelectMany(id => staged[id]));
        Assert.All(staged.Keys, id => Assert.Equal(64, id.Length));
    }

    [Theory]
    [InlineData(503, "ServerBusy")]
    [InlineData(500, "OperationTimedOut")]
    [InlineData(400, "Crc64Mismatch")]
    public async Task Put_PassingTrouble_IsTriedAgain(int status, string code)
    {
        await using var server = new ScriptedServer(exchange =>
            exchange.Number < 3 ? exchange.Respond(status, $"x-ms-error-code: {code}\r\n") : exchange.Respond(201, "ETag: \"v1\"\r\n"));
        Assert.Equal("v1", (await Put(Open(server), "Hello Azure!"u8.ToArray())).ETag);
        Assert.Equal(3, server.Seen.Count);
        Assert.All(server.Seen, exchange => Assert.Equal("DtjZpL9/o8c=", exchange.Headers["x-ms-content-crc64"]));
    }

    [Fact]
    public async Task List_ContinuationRepeats_EndsWithAnError()
    {
        const string page =
            "<EnumerationResults><Blobs><Blob><Name>a</Name><Properties><Last-Modified>Wed, 01 Jan 2025 00:00:00 "
            + "GMT</Last-Modified><Content-Length>1</Content-Length></Properties></Blob></Blobs><NextMarker>m</NextMarker></EnumerationResults>";
        await using var server = new ScriptedServer(exchange => exchange.Respond(200, "", page));
        var error = await Assert.ThrowsAsync<StoreException>(async () =>
        {
            await foreach (var found in Open(server).ListAsync("", ListOptions.Default, None))
                Assert.NotEmpty(found.Objects);
        });
        Assert.Equal(ErrorKind.InvalidData, error.Kind);
        Assert.Equal(2, server.Seen.Count);
    }

    [Fact]
    public async Task Copy_InTheBackground_IsWaitedFor()
    {
        string write = "";
        int polls = 0;
        await using var server = new ScriptedServer(async exchange =>
        {
            if (exchange.Method == "PUT")
            {
                write = exchange.Headers["x-ms-meta-s3dlio_write"];
                await exchange.Respond(202, "ETag: \"v2\"\r\nx-ms-copy-status: pending\r\n");
            }
            else if (write.Length == 0)
                await exchange.Raw(Exchange.Head(200, "ETag: \"v1\"\r\n", 4));
            else
                await exchange.Raw(
                    Exchange.Head(200,
                        $"ETag: \"v3\"\r\nx-ms-meta-s3dlio_write: {write}\r\nx-ms-copy-status: {(++polls < 3 ? "pending" : "success")}\r\n",
                        4));
        });
        var meta = await Open(server).CopyAsync("key", "copy", PutOptions.Default, None);
        Assert.Equal(("v3", 3), (meta.ETag, polls));
        Assert.Equal("\"v1\"", server.Seen.Single(exchange => exchange.Method == "PUT").Headers["x-ms-source-if-match"]);
    }
}
