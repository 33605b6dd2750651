using System.Net;
using System.Text.Json.Nodes;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using S3dlio.Storage;
using Xunit;
using Checksum = S3dlio.Hashing.Checksum;

namespace S3dlio.Tests.Witness;

/// <summary>
/// What Amazon's SDK writes we read, and what we write it reads: bytes, descriptions, checksums, uploads in parts, conditions, tags, copies
/// and listings, each side comparing checksums where the server keeps them.
/// </summary>
#pragma warning disable CA1001 // DisposeAsync is the framework's
public abstract class S3WitnessTests : IAsyncLifetime
#pragma warning restore CA1001
{
    static readonly string[] Keys =
    [
        "plain", "with blank", "two  blanks", "plus+plus", "percent%41%2F%zz", "dot/./dot/../dots", "..", "double//slash", "~tilde",
            "amp&eq=semi;colon:at@",
        "quote\"<angle>", "ünïcödé/日本語/\U0001F600", "q?uestion#hash", "!*'()$,[]^`{|}", "back\\slash", "nfd e\u0301 nfc é",
            string.Concat(Enumerable.Repeat("long/", 180)) + "k",
    ];

    readonly ObjectStore _ours;
    readonly AmazonS3Client _theirs;
    readonly string _bucket, _prefix;

    protected S3WitnessTests(string server)
    {
        string address = NeedsServerAttribute.Variable(server, "URI")!, text = NeedsServerAttribute.Variable(server, "OPTIONS") ?? "{}";
        var root = StoreUri.Parse($"{address.TrimEnd('/')}/witness-{Guid.NewGuid():n}");
        (_bucket, _prefix) = (root.Container, root.Key + "/");
        _ours = StoreFactory.Open(root, StoreOptions.Parse(text, address));
        var options = JsonNode.Parse(text)!;
        string Option(string name) => (string?)options[name] ?? "";
        _theirs = new AmazonS3Client(new BasicAWSCredentials(Option("access_key_id"), Option("secret_access_key")), new AmazonS3Config
        {
            ServiceURL = Option("endpoint_url"),
            ForcePathStyle = true,
            AuthenticationRegion = Option("region"),
            RequestChecksumCalculation = KeepsChecksums
                ? RequestChecksumCalculation.WHEN_SUPPORTED
                : RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = LabelsParts ? ResponseChecksumValidation.WHEN_SUPPORTED : ResponseChecksumValidation.WHEN_REQUIRED,
        });
    }

    /// <summary>The server checks and keeps CRC32C: both sides have to compare, not only may.</summary>
    protected virtual bool KeepsChecksums => true;

    /// <summary>What it says of an upload in parts is what its label says.</summary>
    protected virtual bool LabelsParts => KeepsChecksums;

    ChecksumAlgorithm? Algorithm => KeepsChecksums ? ChecksumAlgorithm.CRC32C : null;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await foreach (var page in _ours.ListAsync("", ListOptions.Default, default))
            await _ours.DeleteAsync([.. page.Objects.Select(found => found.Key)], default);
        _theirs.Dispose();
    }

    [Fact]
    public async Task Objects_OfEither_AreReadByTheOther()
    {
        int number = 0;
        foreach (string key in Keys)
        {
            var data = Reads.Random(new[] { 0, 1, 5000, 300_000 }[number % 4], ++number);
            await TheyPut("their/" + key, data, request =>
            {
                request.ContentType = "text/x-a; b=c";
                request.Metadata.Add("name", "plain value");
                request.Headers.CacheControl = "no-store";
            });
            Assert.Equal(data, await Reads.Whole(_ours, "their/" + key, KeepsChecksums));
            var head = await _ours.HeadAsync("their/" + key, default);
            Assert.Equal((data.Length, "text/x-a; b=c", "plain value", "no-store"),
                (head.Size, head.ContentType, head.Metadata["name"], head.Attributes["cache_control"]));
            Assert.Equal(KeepsChecksums ? Checksum.Of(data) : null, head.Checksum);

            var put = PutOptions.Default with
            {
                ContentType = "text/x-a; b=c",
                Metadata = new Dictionary<string, string> { ["name"] = "plain value", ["wide"] = "grüße" },
                Attributes = new Dictionary<string, string> { ["cache_control"] = "no-store" },
            };
            var written = await _ours.PutAsync("our/" + key, new Payload(data), put, null, default);
            using var got = await TheyGet("our/" + key);
            Assert.Equal(data, await Bytes(got));
            Assert.Equal(("text/x-a; b=c", "plain value", "no-store", Quoted(written.ETag)),
                (got.Headers.ContentType, got.Metadata["name"], got.Headers.CacheControl, got.ETag));
            Assert.Equal(KeepsChecksums ? Checksum.Of(data).ToBase64() : null, got.ChecksumCRC32C);
        }
    }

    [Theory]
    [InlineData("FULL_OBJECT")]
    [InlineData("COMPOSITE")]
    [InlineData(null)]
    public async Task UploadInParts_OfTheirs_IsReadByUs(string? type)
    {
        var data = Reads.Random((11 << 20) + 5, 7);
        var begun = await _theirs.InitiateMultipartUploadAsync(new InitiateMultipartUploadRequest
        {
            BucketName = _bucket,
            Key = _prefix + "parts",
            ContentType = "a/b",
            Metadata = { ["name"] = "v" },
            ChecksumAlgorithm = type is null ? null : ChecksumAlgorithm.CRC32C,
            ChecksumType = type is null ? null : new ChecksumType(type),
        });
        var complete = new CompleteMultipartUploadRequest
        {
            BucketName = _bucket,
            Key = _prefix + "parts",
            UploadId = begun.UploadId,
            PartETags = []
        };
        for (int i = 0, at = 0; at < data.Length; i++, at += 5 << 20)
        {
            using var part = new MemoryStream(data, at, Math.Min(5 << 20, data.Length - at));
            complete.AddPartETags(await _theirs.UploadPartAsync(new UploadPartRequest
            {
                BucketName = _bucket,
                Key = _prefix + "parts",
                UploadId = begun.UploadId,
                PartNumber = i + 1,
                InputStream = part,
                UseChunkEncoding = false,
                ChecksumAlgorithm = type is null ? null : ChecksumAlgorithm.CRC32C,
            }));
        }
        if (type is "FULL_OBJECT")
            (complete.ChecksumType, complete.ChecksumCRC32C) = (ChecksumType.FULL_OBJECT, Checksum.Of(data).ToBase64());
        await _theirs.CompleteMultipartUploadAsync(complete);
        // a composite checksum says nothing of the whole, but its parts do, where they can be asked for
        Assert.Equal(data, await Reads.Whole(_ours, "parts", required: type is "FULL_OBJECT"));
        var head = await _ours.HeadAsync("parts", default);
        Assert.Equal(("a/b", "v", data.Length), (head.ContentType, head.Metadata["name"], head.Size));
        Assert.EndsWith("-3", head.ETag, StringComparison.Ordinal);
        var copied = await _ours.CopyAsync("parts", "parts copied", PutOptions.Default, default);
        Assert.Equal(data.Length, copied.Size);
        Assert.Equal(data, await Reads.Whole(_ours, "parts copied", required: false));
    }

    [Fact]
    public async Task UploadInParts_OfOurs_IsReadByThem()
    {
        var data = Reads.Random((40 << 20) + 13, 8);
        await using (var writer = await _ours.OpenWriteAsync("streamed", PutOptions.Default with { ContentType = "a/b" }, default))
        {
            await writer.WriteAsync(data, default);
            await writer.CompleteAsync(default);
        }
        await _ours.PutAsync("put", new Payload(data), PutOptions.Default with { ContentType = "a/b" }, null, default);
        foreach (string key in (string[])["streamed", "put"])
        {
            using var got = await TheyGet(key, LabelsParts);
            Assert.Equal(data, await Bytes(got));
            Assert.Equal("a/b", got.Headers.ContentType);
            using var range = await _theirs.GetObjectAsync(
                new GetObjectRequest { BucketName = _bucket, Key = _prefix + key, ByteRange = new ByteRange(9_000_000, 9_000_999) });
            Assert.Equal(data[9_000_000..9_001_000], await Bytes(range));
        }
    }

    [Fact]
    public async Task Conditions_OnTheOthersObjects_Hold()
    {
        var ours = await _ours.PutAsync("ours", new Payload("one"u8.ToArray()), PutOptions.Default, null, default);
        string theirs = (await TheyPut("theirs", "one"u8.ToArray())).ETag;

        await Refused(() => TheyPut("ours", [2], request => request.IfNoneMatch = "*"));
        await Refused(() => TheyPut("ours", [2], request => request.IfMatch = "\"00000000000000000000000000000000\""));
        Assert.Equal(HttpStatusCode.OK,
            (await TheyPut("ours", "two"u8.ToArray(), request => request.IfMatch = ConditionOf(ours.ETag))).HttpStatusCode);
        await Refused(() => _theirs.GetObjectAsync(
                new GetObjectRequest { BucketName = _bucket, Key = _prefix + "ours", EtagToMatch = Quoted(ours.ETag) }));

        await Fails(ErrorKind.AlreadyExists,
            () => _ours.PutAsync("theirs", new Payload(new byte[1]), PutOptions.Default with { Overwrite = false }, null, default));
        await Fails(ErrorKind.Precondition,
            () => _ours.PutAsync(
                "theirs", new Payload(new byte[1]), PutOptions.Default with { IfMatch = "00000000000000000000000000000000" }, null,
                default));
        await _ours.PutAsync("theirs", new Payload("two"u8.ToArray()), PutOptions.Default with { IfMatch = theirs }, null, default);
        Assert.Equal("two"u8.ToArray(), await Reads.Whole(_ours, "theirs", KeepsChecksums));
        Assert.Equal("two"u8.ToArray(), await Reads.Whole(_ours, "ours", KeepsChecksums));
    }

    [Fact]
    public async Task TagsAndCopies_OfEither_AreSeenByTheOther()
    {
        var data = Reads.Random(70_000, 9);
        var tags = new Dictionary<string, string> { ["a b"] = "c+d/e=f:g@h", ["t"] = "" };
        await _ours.PutAsync("tagged", new Payload(data), PutOptions.Default with { Tags = tags }, null, default);
        Assert.Equal(tags, await TheirTags("tagged"));
        await TheyPut("their tagged", data,
            request => request.TagSet = [.. tags.Select(tag => new Tag { Key = tag.Key, Value = tag.Value })]);
        Assert.Equal(tags, await TheirTags("their tagged"));
        await _ours.CopyAsync("their tagged", "copied by us", PutOptions.Default, default);
        Assert.Equal(tags, await TheirTags("copied by us"));
        using (var got = await TheyGet("copied by us"))
            Assert.Equal(data, await Bytes(got));
        foreach (string key in (string[])["tagged", "copied by us"])
        {
            await _theirs.CopyObjectAsync(new CopyObjectRequest
            {
                SourceBucket = _bucket,
                SourceKey = _prefix + key,
                DestinationBucket = _bucket,
                DestinationKey = _prefix + "copied by them",
                ETagToMatch = Quoted((await _ours.HeadAsync(key, default)).ETag),
            });
            Assert.Equal(data, await Reads.Whole(_ours, "copied by them", KeepsChecksums));
            Assert.Equal(tags, await TheirTags("copied by them"));
        }
    }

    [Fact]
    public async Task Listings_OfBoth_AreTheSame()
    {
        int number = 0;
        foreach (string key in Keys)
        {
            if (++number % 2 == 0)
                await TheyPut("list/" + key, new byte[number]);
            else
                await _ours.PutAsync("list/" + key, new Payload(new byte[number]), PutOptions.Default, null, default);
        }
        foreach (int pageSize in (int[])[1000, 3])
        {
            foreach (string prefix in (string[])["list/", "list/d", "list/dot/", "list/percent%", "list/ünïcödé/", "list/nothing"])
            {
                foreach (bool recursive in (bool[])[true, false])
                    Assert.Equal(await TheirList(prefix, recursive, pageSize), await Reads.List(_ours, prefix, recursive, pageSize));
            }
        }
        Assert.Equal(Keys.Length, (await Reads.List(_ours, "list/", true, 1000)).Count);
    }

    async Task<List<string>> TheirList(string prefix, bool recursive, int pageSize)
    {
        var found = new List<string>();
        var request = new ListObjectsV2Request
        {
            BucketName = _bucket,
            Prefix = _prefix + prefix,
            MaxKeys = pageSize,
            Delimiter = recursive ? null : "/"
        };
        ListObjectsV2Response page;
        do
        {
            page = await _theirs.ListObjectsV2Async(request);
            found.AddRange((page.S3Objects ?? []).Select(one => $"{one.Key[_prefix.Length..]} {one.Size} {one.ETag.Trim('"')}"));
            found.AddRange((page.CommonPrefixes ?? []).Select(one => one[_prefix.Length..]));
            request.ContinuationToken = page.NextContinuationToken;
        }
        while (page.IsTruncated == true);
        found.Sort(string.CompareOrdinal);
        return found;
    }

    async Task<Dictionary<string, string>> TheirTags(string key) =>
        (await _theirs.GetObjectTaggingAsync(new GetObjectTaggingRequest { BucketName = _bucket, Key = _prefix + key }))
            .Tagging.ToDictionary(tag => tag.Key, tag => tag.Value ?? "");

    async Task<PutObjectResponse> TheyPut(string key, byte[] data, Action<PutObjectRequest>? more = null)
    {
        using var body = new MemoryStream(data);
        var request = new PutObjectRequest
        {
            BucketName = _bucket,
            Key = _prefix + key,
            InputStream = body,
            UseChunkEncoding = false,
            ChecksumAlgorithm = Algorithm
        };
        more?.Invoke(request);
        return await _theirs.PutObjectAsync(request);
    }

    /// <summary>With the SDK's own comparison of the checksum, where the server tells one.</summary>
    Task<GetObjectResponse> TheyGet(string key, bool compares = true) =>
        _theirs.GetObjectAsync(
            new GetObjectRequest { BucketName = _bucket, Key = _prefix + key, ChecksumMode = compares ? ChecksumMode.ENABLED : null });

    static async Task<byte[]> Bytes(GetObjectResponse answer)
    {
        using var all = new MemoryStream();
        await answer.ResponseStream.CopyToAsync(all);
        return all.ToArray();
    }

    static string Quoted(string? tag) => $"\"{tag}\"";

    /// <summary>As the server wants it.</summary>
    protected virtual string ConditionOf(string? tag) => Quoted(tag);

    static async Task Refused(Func<Task> call)
    {
        var error = await Assert.ThrowsAnyAsync<AmazonS3Exception>(call);
        Assert.Equal(HttpStatusCode.PreconditionFailed, error.StatusCode);
    }

    static async Task Fails(ErrorKind kind, Func<ValueTask<ObjectMeta>> call) =>
        Assert.Equal(kind, (await Assert.ThrowsAsync<StoreException>(async () => await call())).Kind);
}

[NeedsServer("S3")]
public class S3NewestWitnessTests() : S3WitnessTests("S3");

[NeedsServer("S3_OLD")]
[ServerFault(nameof(UploadInParts_OfTheirs_IsReadByUs), "Ceph 16 is from before S3 had checksums", Case = "FULL_OBJECT")]
[ServerFault(nameof(UploadInParts_OfTheirs_IsReadByUs), "Ceph 16 is from before S3 had checksums", Case = "COMPOSITE")]
public class S3OldWitnessTests() : S3WitnessTests("S3_OLD")
{
    // Ceph 16 is from before S3 had checksums
    protected override bool KeepsChecksums => false;

    // and compares the tag with its quotes, so that it never finds it the same
    protected override string ConditionOf(string? tag) => tag ?? "";
}

[NeedsServer("S3_MOTO")]
public class S3MotoWitnessTests() : S3WitnessTests("S3_MOTO")
{
    // without the package crc32c it labels an IEEE CRC-32 so, which the SDK takes for damage
    protected override bool LabelsParts => false;
}
