using System.Globalization;
using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tests.Http;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>What happens when the network or the server misbehaves, with a server that misbehaves on purpose.</summary>
public class S3FaultTests
{
    static readonly CancellationToken None = CancellationToken.None;

    static ObjectStore Open(ScriptedServer server, string options = "") => StoreFactory.Open(
        StoreUri.Parse("s3://bucket/"),
        StoreOptions.Parse(
            $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1"{{options}}}""",
            "s3://bucket/"));

    static byte[] Data(int length)
    {
        var data = new byte[length];
        new Random(length).NextBytes(data);
        return data;
    }

    static async Task<byte[]> Get(ObjectStore store, string key = "key")
    {
        await using var reader = await store.OpenReadAsync(key, ReadOptions.Default, None);
        var data = new byte[reader.Meta.Size];
        await reader.ReadAsync(0, data, None);
        return data;
    }

    static ValueTask<ObjectMeta> Put(ObjectStore store, byte[] data, PutOptions? options = null) =>
        store.PutAsync("key", new Payload(data), options ?? PutOptions.Default, null, None);

    [Fact]
    public async Task Get_SmallObject_IsOneRequest()
    {
        await using var server = new ScriptedServer(exchange => exchange.Serve(Data(1000), "\"v1\""));
        Assert.Equal(Data(1000), await Get(Open(server)));
        Assert.Single(server.Seen);
    }

    [Theory]
    [InlineData("x", 1, true, "GET")]
    [InlineData("x.zst", 1, true, "PUT")]
    [InlineData("x", null, true, "PUT")]
    [InlineData("x", null, false, "GET PUT")]
    public async Task Save_WhereNothingMayBeRead_OnlyACompressedOneOfAPlainNameIsRefused(
        string key, int? level, bool overwrite, string methods)
    {
        await using var server = new ScriptedServer(exchange => exchange.Method == "PUT"
            ? exchange.Respond(200, "ETag: \"v1\"\r\n") : exchange.Respond(403, "", "<Error><Code>AccessDenied</Code></Error>"));
        var save = PayloadOutput.SaveAsync(
            Open(server), key, level, new Payload(Data(10)), new PutOptions { Overwrite = overwrite }, NoProgress.Instance, None).AsTask();
        if (methods == "GET")
        {
            var error = await Assert.ThrowsAsync<StoreException>(() => save);
            Assert.Equal(ErrorKind.PermissionDenied, error.Kind);
            Assert.Contains("\"x.zst\"", error.Message);
        }
        else
        {
            Assert.Equal(key, (await save).Stored.Key);
        }
        Assert.Equal(methods, string.Join(' ', server.Seen.Select(exchange => exchange.Method)));
    }

    [Fact]
    public async Task Get_BodyBreaksOff_GoesOnFromThere()
    {
        var data = Data(3 << 20);
        await using var server = new ScriptedServer(
            exchange => exchange.Serve(data, "\"v1\"", most: exchange.Number < 8 ? 400_000 : int.MaxValue));
        Assert.Equal(data, await Get(Open(server, ""","max_attempts":2""")));
        var asked = server.Seen.Skip(1).Select(exchange => exchange.Range.First).ToArray();
        Assert.Equal(asked.Order(), asked);
        Assert.All(server.Seen.Skip(1), exchange => Assert.Equal("\"v1\"", exchange.Headers["If-Match"]));
        Assert.True(asked[^1] > asked[0], string.Join(' ', asked));
    }

    [Fact]
    public async Task Get_ObjectChangesBetweenParts_Precondition()
    {
        var data = Data(9 << 20);
        await using var server = new ScriptedServer(
            exchange => exchange.Serve(
                data, exchange.Number == 1 ? "\"v1\"" : "\"v2\"", most: exchange.Number == 1 ? 1 << 20 : int.MaxValue));
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(Open(server)));
        Assert.Equal(ErrorKind.Precondition, error.Kind);
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

    [Theory]
    [InlineData(500, "InternalError")]
    [InlineData(503, "SlowDown")]
    [InlineData(429, "")]
    [InlineData(408, "")]
    [InlineData(400, "RequestTimeout")]
    public async Task Get_ServerHasTrouble_IsTriedAgain(int status, string code)
    {
        await using var server = new ScriptedServer(exchange => exchange.Number < 3
            ? exchange.Respond(status, "Retry-After: 0\r\n", code.Length == 0 ? "" : $"<Error><Code>{code}</Code></Error>")
            : exchange.Serve(Data(10), "\"v1\""));
        Assert.Equal(Data(10), await Get(Open(server)));
        Assert.Equal(3, server.Seen.Count);
    }

    [Fact]
    public async Task Get_OtherRegion_IsFollowedOnceAndRemembered()
    {
        await using var server = new ScriptedServer(
            exchange => exchange.Headers["Authorization"].Contains("/r2/s3/", StringComparison.Ordinal)
            ? exchange.Serve(Data(10), "\"v1\"")
            : exchange.Respond(400, "", "<Error><Code>AuthorizationHeaderMalformed</Code><Region>r2</Region></Error>"));
        var store = Open(server);
        Assert.Equal(Data(10), await Get(store));
        Assert.Equal(Data(10), await Get(store));
        Assert.Equal(3, server.Seen.Count);
    }

    [Fact]
    public async Task Head_MissingKey_AsksForTheBucketOnce()
    {
        await using var server = new ScriptedServer(exchange => exchange.Respond(exchange.Target.TrimEnd('/') == "/bucket" ? 200 : 404));
        var store = Open(server);
        for (int i = 0; i < 3; i++)
        {
            var error = await Assert.ThrowsAsync<StoreException>(async () => await store.HeadAsync("key", None));
            Assert.Equal((ErrorKind.NotFound, ErrorReason.None), (error.Kind, error.Reason));
        }
        Assert.Equal(4, server.Seen.Count);
        Assert.Single(server.Seen, exchange => exchange.Target.TrimEnd('/') == "/bucket");
    }

    [Fact]
    public async Task Head_MissingKeyOfABucketThatAnswered_AsksNothingMore()
    {
        await using var server = new ScriptedServer(
            exchange => exchange.Method == "GET" ? exchange.Serve(Data(10), "\"v1\"") : exchange.Respond(404));
        var store = Open(server);
        await Get(store);
        var error = await Assert.ThrowsAsync<StoreException>(async () => await store.HeadAsync("other", None));
        Assert.Equal((ErrorKind.NotFound, ErrorReason.None), (error.Kind, error.Reason));
        Assert.Equal(2, server.Seen.Count);
    }

    [Theory]
    [InlineData(404, ErrorReason.NoSuchBucket)]
    [InlineData(403, ErrorReason.None)]
    [InlineData(500, ErrorReason.None)]
    public async Task Head_BucketAnswers_TellsWhatIsMissing(int bucket, ErrorReason reason)
    {
        await using var server = new ScriptedServer(exchange => exchange.Respond(exchange.Target.TrimEnd('/') == "/bucket" ? bucket : 404));
        var error = await Assert.ThrowsAsync<StoreException>(async () => await Open(server).HeadAsync("key", None));
        Assert.Equal((ErrorKind.NotFound, reason), (error.Kind, error.Reason));
    }

    [Fact]
    public async Task Put_AnswerLostThenConditionFails_IsItsOwnSuccess()
    {
        var data = Data(1000);
        string checksum = Checksum.Of(data).ToBase64();
        await using var server = new ScriptedServer(async exchange =>
        {
            if (exchange.Method == "HEAD")
                await exchange.Raw(Exchange.Head(200, $"ETag: \"v1\"\r\nx-amz-checksum-crc32c: {checksum}\r\n", 1000));
            else if (exchange.Number == 1)
                exchange.Break();
            else
                await exchange.Respond(412, "", "<Error><Code>PreconditionFailed</Code></Error>");
        });
        var put = await Put(Open(server), data, PutOptions.Default with { Overwrite = false });
        Assert.Equal("v1", put.ETag);
        Assert.Equal(["PUT", "PUT", "HEAD"], server.Seen.Select(exchange => exchange.Method));
    }

    [Fact]
    public async Task Put_ConditionFailsAtOnce_AlreadyExists()
    {
        await using var server = new ScriptedServer(
            exchange => exchange.Respond(412, "", "<Error><Code>PreconditionFailed</Code></Error>"));
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await Put(Open(server), Data(10), PutOptions.Default with { Overwrite = false }));
        Assert.Equal(ErrorKind.AlreadyExists, error.Kind);
        Assert.Single(server.Seen);
    }

    [Fact]
    public async Task Put_ServerWithoutChecksums_NotesThemInTheMetadata()
    {
        await using var server = new ScriptedServer(exchange => exchange.Respond(200, "ETag: \"v1\"\r\n"));
        var store = Open(server);
        await Put(store, Data(10));
        await Put(store, Data(10));
        Assert.All(server.Seen, exchange => Assert.Equal(Checksum.Of(Data(10)).ToString(), exchange.Headers["x-amz-meta-s3dlio-crc32c"]));
        Assert.True(server.Seen[0].Headers.ContainsKey("x-amz-checksum-crc32c"));
        Assert.False(server.Seen[1].Headers.ContainsKey("x-amz-checksum-crc32c"));
    }

    [Theory]
    [InlineData("error")]
    [InlineData("lost")]
    [InlineData("refused")]
    public async Task Multipart_CompletionGoesWrong_IsNotBelievedBlindly(string how)
    {
        var data = Data(20 << 20);
        int completions = 0;
        bool aborted = false;
        await using var server = new ScriptedServer(async exchange =>
        {
            if (exchange.Method == "DELETE")
            {
                aborted = true;
                await exchange.Respond(204);
            }
            else if (exchange.Method == "HEAD")
            {
                await exchange.Raw(
                    Exchange.Head(200, $"ETag: \"v9\"\r\nx-amz-checksum-crc32c: {Checksum.Of(data).ToBase64()}\r\n", data.Length));
            }
            else if (exchange.Target.EndsWith("?uploads=", StringComparison.Ordinal))
            {
                await exchange.Respond(
                    200, "x-amz-checksum-algorithm: CRC32C\r\nx-amz-checksum-type: FULL_OBJECT\r\n",
                    "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>");
            }
            else if (exchange.Method == "PUT")
            {
                await exchange.Respond(200, "ETag: \"00000000000000000000000000000000\"\r\n");
            }
            else
            {
                completions++;
                switch (how)
                {
                    case "error" when completions == 1:
                        await exchange.Respond(
                            200, "", "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>try again</Message></Error>");
                        break;
                    case "error":
                        await exchange.Respond(
                            200, "", $"<CompleteMultipartUploadResult><ETag>\"v9\"</ETag><ChecksumCRC32C>{Checksum.Of(data).ToBase64()}</ChecksumCRC32C><ChecksumType>FULL_OBJECT</ChecksumType></CompleteMultipartUploadResult>");
                        break;
                    case "lost" when completions == 1:
                        exchange.Break();
                        break;
                    case "lost":
                        await exchange.Respond(404, "", "<Error><Code>NoSuchUpload</Code></Error>");
                        break;
                    default:
                        await exchange.Respond(403, "", "<Error><Code>AccessDenied</Code></Error>");
                        break;
                }
            }
        });
        var store = Open(server);
        if (how == "refused")
        {
            Assert.Equal(ErrorKind.PermissionDenied, (await Assert.ThrowsAsync<StoreException>(async () => await Put(store, data))).Kind);
            Assert.True(aborted);
            return;
        }
        var put = await Put(store, data);
        Assert.Equal(("v9", Checksum.Of(data)), (put.ETag, put.Checksum));
        Assert.Equal(2, completions);
        Assert.False(aborted);
    }

    [Fact]
    public async Task Get_Cancelled_NothingWritesToTheMemoryAnyMore()
    {
        var data = Data(4 << 20);
        await using var server = new ScriptedServer(async exchange =>
        {
            await exchange.Raw(Exchange.Head(200, "ETag: \"v1\"\r\n", data.Length));
            for (int at = 0; at < data.Length; at += 65536)
            {
                await exchange.Raw("", data[at..(at + 65536)]);
                await Task.Delay(1);
            }
        });
        for (int round = 0; round < 8; round++)
        {
            await using var reader = await Open(server).OpenReadAsync("key", ReadOptions.Default, None);
            var target = new byte[data.Length];
            using var cancel = new CancellationTokenSource(5 + (7 * round));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await reader.ReadAsync(0, target, cancel.Token));
            target.AsSpan().Fill(0xEE);
            await Task.Delay(30);
            Assert.False(target.AsSpan().ContainsAnyExcept((byte)0xEE));
        }
    }

    [Fact]
    public async Task Get_ServerFallsSilent_TimesOut()
    {
        await using var server = new ScriptedServer(
            exchange => exchange.Number == 1
                ? exchange.Raw(Exchange.Head(200, "ETag: \"v1\"\r\n", 1000), new byte[10])
                : Task.CompletedTask);
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(Open(server, ""","read_timeout":0.2,"max_attempts":2""")));
        Assert.Equal(ErrorKind.Timeout, error.Kind);
        Assert.Contains("silent for 0.2 s", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task List_PageThatRepeats_IsNotListedForEver()
    {
        await using var server = new ScriptedServer(
            exchange => exchange.Respond(
                200, "", $"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>{exchange.Number}</NextContinuationToken><Contents><Key>a</Key><Size>1</Size></Contents></ListBucketResult>"));
        var error = await Assert.ThrowsAsync<StoreException>(async () =>
        {
            await foreach (var _ in Open(server).ListAsync("", ListOptions.Default, None))
            {
            }
        });
        Assert.Equal(ErrorKind.InvalidData, error.Kind);
        Assert.Equal(2, server.Seen.Count);
    }

    [Fact]
    public async Task List_LastPageRepeatsTheFirst_InvalidData()
    {
        const string keys =
            "<Contents><Key>a</Key><Size>1</Size></Contents><Contents><Key>b</Key><Size>1</Size></Contents></ListBucketResult>";
        await using var server = new ScriptedServer(exchange => exchange.Respond(200, "", (exchange.Number == 1
            ? "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>"
            : "<ListBucketResult><IsTruncated>false</IsTruncated>") + keys));
        var error = await Assert.ThrowsAsync<StoreException>(async () =>
        {
            await foreach (var _ in Open(server).ListAsync("", ListOptions.Default with { Recursive = false }, None))
            {
            }
        });
        Assert.Equal(ErrorKind.InvalidData, error.Kind);
    }

    [Fact]
    public async Task List_AMillionKeys_StaysFlat()
    {
        const int pages = 1000, perPage = 1000;
        await using var server = new ScriptedServer(exchange =>
        {
            int page = exchange.Target.Contains("continuation-token=", StringComparison.Ordinal)
                ? int.Parse(exchange.Target.Split("continuation-token=")[1].Split('&')[0], CultureInfo.InvariantCulture) : 0;
            var text = new StringBuilder(
                $"<ListBucketResult><IsTruncated>{(page < pages - 1 ? "true" : "false")}</IsTruncated><NextContinuationToken>{page + 1}</NextContinuationToken>");
            for (int i = 0; i < perPage; i++)
                text.Append(CultureInfo.InvariantCulture, $"<Contents><Key>k{(page * perPage) + i:0000000}</Key><Size>1</Size></Contents>");
            return exchange.Respond(200, "", text.Append("</ListBucketResult>").ToString());
        });
        long count = 0;
        var earlier = new List<WeakReference>();
        await foreach (var page in Open(server).ListAsync("", ListOptions.Default, None))
        {
            count += page.Objects.Count;
            earlier.Add(new WeakReference(page));
        }
        Assert.Equal(pages * perPage, count);
        GC.Collect();
        // the last may still be somebody's local
        Assert.InRange(earlier.Count(page => page.IsAlive), 0, 2);
    }

    [Fact]
    public async Task Delete_SomeKeysFail_NamesThoseAndTriesTheTransientOnesAgain()
    {
        await using var server = new ScriptedServer(exchange => exchange.Respond(200, "", exchange.Number == 1
            ? "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error><Error><Key>b&lt;</Key><Code>InternalError</Code></Error></DeleteResult>"
            : "<DeleteResult/>"));
        var failure = Assert.Single(await Open(server).DeleteAsync(["a", "b<", "c"], None));
        Assert.Equal(("a", ErrorKind.PermissionDenied), (failure.Key, failure.Error.Kind));
        // one key alone goes as a request of its own form
        Assert.Equal(2, server.Seen.Count);
    }

    [Fact]
    public async Task Error_AnyFailure_HoldsNoSecret()
    {
        await using var server = new ScriptedServer(
            exchange => exchange.Respond(
                403, "", "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>AWS4 a-secret</StringToSign></Error>"));
        var error = await Assert.ThrowsAsync<StoreException>(() => Get(Open(server)));
        Assert.Equal(ErrorKind.Authentication, error.Kind);
        Assert.DoesNotContain("a-secret", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("Signature=", error.ToString(), StringComparison.Ordinal);
    }
}
