using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Azure;
using Azure.Storage;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using Azure.Storage.Sas;
using S3dlio.Hashing;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Witness;

/// <summary>
/// What Azure's SDK writes we read, and what we write it reads: bytes, descriptions, blocks, conditions, tags, copies, listings and shared
/// access signatures, with the SDK comparing MD5 on the way in and out.
/// </summary>
[NeedsServer("AZURE")]
public class AzureBlobWitnessTests : IAsyncLifetime
{
    static readonly string[] Keys =
    [
        "plain", "with blank", "two  blanks", "plus+plus", "percent%41%2F%zz", "double//slash", "~tilde", "amp&eq=semi;colon:at@",
            "quote\"<angle>",
        "ünïcödé/日本語/\U0001F600", "q?uestion#hash", "!*'()$,[]^`{|}", "nfd e\u0301 nfc é", "..hidden/...dots",
            string.Concat(Enumerable.Repeat("long/", 180)) + "k",
    ];

    readonly ObjectStore _ours;
    readonly BlobContainerClient _theirs;
    readonly StorageSharedKeyCredential _key;
    readonly string _address, _prefix, _endpoint, _container;

    public AzureBlobWitnessTests()
    {
        _address = NeedsServerAttribute.Variable("AZURE", "URI")!;
        string text = NeedsServerAttribute.Variable("AZURE", "OPTIONS")!;
        var root = StoreUri.Parse($"{_address.TrimEnd('/')}/witness-{Guid.NewGuid():n}");
        string account = root.Container.Split('/')[0];
        (_container, _prefix) = (root.Container.Split('/')[1], root.Key + "/");
        _ours = StoreFactory.Open(root, StoreOptions.Parse(text, _address));
        var options = JsonNode.Parse(text)!;
        _endpoint = (string)options["endpoint_url"]!;
        _key = new StorageSharedKeyCredential(account, (string)options["account_key"]!);
        // the emulator refuses the SDK's own checksum, CRC64
        var settings = new BlobClientOptions();
        settings.TransferValidation.Upload.ChecksumAlgorithm = settings.TransferValidation.Download.ChecksumAlgorithm =
            StorageChecksumAlgorithm.MD5;
        _theirs = new BlobContainerClient(new Uri($"{_endpoint}/{_container}"), _key, settings);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await foreach (var page in _ours.ListAsync("", ListOptions.Default, default))
            await _ours.DeleteAsync([.. page.Objects.Select(found => found.Key)], default);
    }

    [Fact]
    public async Task Objects_OfEither_AreReadByTheOther()
    {
        int number = 0;
        foreach (string key in Keys)
        {
            var data = Reads.Random(new[] { 0, 1, 5000, 300_000 }[number % 4], ++number);
            await Their("their/" + key).UploadAsync(new MemoryStream(data), new BlobUploadOptions
            {
                HttpHeaders = new BlobHttpHeaders { ContentType = "text/x-a; b=c", CacheControl = "no-store" },
                Metadata = new Dictionary<string, string> { ["name"] = "plain value" },
            });
            Assert.Equal(data, await Reads.Whole(_ours, "their/" + key, required: false));
            var head = await _ours.HeadAsync("their/" + key, default);
            Assert.Equal((data.Length, "text/x-a; b=c", "plain value", "no-store"),
                (head.Size, head.ContentType, head.Metadata["name"], head.Attributes["cache_control"]));

            var written = await _ours.PutAsync("our/" + key, new Payload(data), PutOptions.Default with
            {
                ContentType = "text/x-a; b=c",
                Metadata = new Dictionary<string, string> { ["name"] = "plain value" },
                Attributes = new Dictionary<string, string> { ["cache_control"] = "no-store" },
            }, null, default);
            var got = (await Their("our/" + key).DownloadContentAsync()).Value;
            Assert.Equal(data, got.Content.ToArray());
            Assert.Equal(("text/x-a; b=c", "plain value", "no-store"),
                (got.Details.ContentType, got.Details.Metadata["name"], got.Details.CacheControl));
            Assert.Equal(written.ETag, got.Details.ETag.ToString().Trim('"'));
            Assert.Equal(data, await Reads.Whole(_ours, "our/" + key, required: true));
        }
    }

    [Fact]
    public async Task Blocks_OfEither_AreReadByTheOther()
    {
        var data = Reads.Random((20 << 20) + 13, 8);
        var blocks = new List<string>();
        for (int at = 0; at < data.Length; at += 7_000_000)
        {
            blocks.Add(Convert.ToBase64String(Encoding.ASCII.GetBytes(at.ToString("d10", CultureInfo.InvariantCulture))));
            await Their("staged").StageBlockAsync(blocks[^1], new MemoryStream(data, at, Math.Min(7_000_000, data.Length - at)));
        }
        await Their("staged").CommitBlockListAsync(
            blocks, new CommitBlockListOptions { Metadata = new Dictionary<string, string> { ["name"] = "v" } });
        Assert.Equal(data, await Reads.Whole(_ours, "staged", required: false));
        Assert.Equal("v", (await _ours.HeadAsync("staged", default)).Metadata["name"]);

        await using (var writer = await _ours.OpenWriteAsync("streamed", PutOptions.Default with { ContentType = "a/b" }, default))
        {
            await writer.WriteAsync(data, default);
            await writer.CompleteAsync(default);
        }
        await _ours.PutAsync("put", new Payload(data), PutOptions.Default with { ContentType = "a/b" }, null, default);
        foreach (string key in (string[])["streamed", "put"])
        {
            using var got = new MemoryStream();
            await Their(key).DownloadToAsync(got);
            Assert.Equal(data, got.ToArray());
            Assert.Equal("a/b", (await Their(key).GetPropertiesAsync()).Value.ContentType);
        }
    }

    [Fact]
    public async Task Conditions_OnTheOthersObjects_Hold()
    {
        var ours = await _ours.PutAsync("ours", new Payload("one"u8.ToArray()), PutOptions.Default, null, default);
        string theirs = (await Their("theirs").UploadAsync(new MemoryStream("one"u8.ToArray()))).Value.ETag.ToString();

        await Refused(HttpStatusCode.Conflict, new BlobRequestConditions { IfNoneMatch = ETag.All });
        await Refused(HttpStatusCode.PreconditionFailed, new BlobRequestConditions { IfMatch = new ETag("\"0x0\"") });
        var matching = new BlobRequestConditions { IfMatch = new ETag($"\"{ours.ETag}\"") };
        await Their("ours").UploadAsync(new MemoryStream("two"u8.ToArray()), new BlobUploadOptions { Conditions = matching });
        await Refused(HttpStatusCode.PreconditionFailed, matching);

        await Fails(ErrorKind.AlreadyExists, PutOptions.Default with { Overwrite = false });
        await Fails(ErrorKind.Precondition, PutOptions.Default with { IfMatch = "0x0" });
        await _ours.PutAsync(
            "theirs", new Payload("two"u8.ToArray()), PutOptions.Default with { IfMatch = theirs.Trim('"') }, null, default);
        Assert.Equal("two"u8.ToArray(), await Reads.Whole(_ours, "ours", required: false));
        Assert.Equal("two", (await Their("theirs").DownloadContentAsync()).Value.Content.ToString());
    }

    [Fact]
    public async Task TagsAndCopies_OfEither_AreSeenByTheOther()
    {
        var data = Reads.Random(70_000, 9);
        var tags = new Dictionary<string, string> { ["a b"] = "c+d/e=f:g", ["t"] = "" };
        await _ours.PutAsync("tagged", new Payload(data), PutOptions.Default with { Tags = tags }, null, default);
        Assert.Equal(tags, (await Their("tagged").GetTagsAsync()).Value.Tags);
        await Their("their tagged").UploadAsync(new MemoryStream(data), new BlobUploadOptions { Tags = tags });
        await _ours.CopyAsync("their tagged", "copied by us", PutOptions.Default, default);
        Assert.Equal(tags, (await Their("copied by us").GetTagsAsync()).Value.Tags);
        Assert.Equal(data, (await Their("copied by us").DownloadContentAsync()).Value.Content.ToArray());
        var source = Their("tagged").GenerateSasUri(BlobSasPermissions.Read, DateTimeOffset.UtcNow.AddHours(1));
        await (await Their("copied by them").StartCopyFromUriAsync(source)).WaitForCompletionAsync();
        // the checksum that we keep is copied with the rest
        Assert.Equal(data, await Reads.Whole(_ours, "copied by them", required: true));
        Assert.Equal(Checksum.Of(data), (await _ours.HeadAsync("copied by them", default)).Checksum);
    }

    [Fact]
    public async Task Listings_OfBoth_AreTheSame()
    {
        int number = 0;
        foreach (string key in Keys)
        {
            if (++number % 2 == 0)
                await Their("list/" + key).UploadAsync(new MemoryStream(new byte[number]));
            else
                await _ours.PutAsync("list/" + key, new Payload(new byte[number]), PutOptions.Default, null, default);
        }
        foreach (int pageSize in (int[])[1000, 3])
        {
            foreach (string prefix in (string[])["list/", "list/d", "list/double/", "list/percent%", "list/ünïcödé/", "list/nothing"])
            {
                foreach (bool recursive in (bool[])[true, false])
                    Assert.Equal(await TheirList(prefix, recursive, pageSize), await Reads.List(_ours, prefix, recursive, pageSize));
            }
        }
        Assert.Equal(Keys.Length, (await Reads.List(_ours, "list/", true, 1000)).Count);
    }

    [Fact]
    public async Task SharedAccessSignatures_OfEither_AreTakenFromTheOther()
    {
        var data = Reads.Random(1000, 10);
        foreach (string key in Keys)
        {
            string put = await _ours.PresignAsync("sas/" + key, PresignOptions.Default with { Method = "PUT" }, default);
            await new BlockBlobClient(new Uri(put)).UploadAsync(new MemoryStream(data));
            string get = await _ours.PresignAsync("sas/" + key, PresignOptions.Default, default);
            Assert.Equal(data, (await new BlobClient(new Uri(get)).DownloadContentAsync()).Value.Content.ToArray());
            var error = await Assert.ThrowsAsync<RequestFailedException>(() => new BlobClient(new Uri(get)).DeleteAsync());
            Assert.Equal((int)HttpStatusCode.Forbidden, error.Status);
        }
        var ends = DateTimeOffset.UtcNow.AddHours(1);
        string account = new AccountSasBuilder(
            AccountSasPermissions.All, ends, AccountSasServices.Blobs, AccountSasResourceTypes.All)
        { Protocol = SasProtocol.HttpsAndHttp }
            .ToSasQueryParameters(_key).ToString();
        string container = _theirs.GenerateSasUri(BlobContainerSasPermissions.All, ends).Query;
        string blob = Their("sas/" + Keys[2]).GenerateSasUri(BlobSasPermissions.Read, ends).Query;
        foreach (string token in (string[])[account, container, blob])
        {
            var store = StoreFactory.Open(StoreUri.Parse($"{_address.TrimEnd('/')}/{_prefix}"), StoreOptions.Parse(
                new JsonObject { ["endpoint_url"] = _endpoint, ["sas_token"] = token }.ToJsonString(), _address));
            Assert.Equal(data, await Reads.Whole(store, "sas/" + Keys[2], required: false));
            var options = PutOptions.Default with { Metadata = new Dictionary<string, string> { ["a"] = "b" } };
            if (token == blob)
            {
                var error = await Assert.ThrowsAsync<StoreException>(
                    async () => await store.PutAsync("sas/new", new Payload(data), options, null, default));
                Assert.Contains(error.Kind, (ErrorKind[])[ErrorKind.PermissionDenied, ErrorKind.Authentication]);
                continue;
            }
            await store.PutAsync("sas/new", new Payload(data), options, null, default);
            Assert.Equal(data, (await Their("sas/new").DownloadContentAsync()).Value.Content.ToArray());
            Assert.Equal(Keys.Length + 1, (await Reads.List(store, "sas/", true, 1000)).Count);
            Assert.Empty(await store.DeleteAsync(["sas/new"], default));
        }
    }

    BlockBlobClient Their(string key) => _theirs.GetBlockBlobClient(_prefix + key);

    async Task<List<string>> TheirList(string prefix, bool recursive, int pageSize)
    {
        var found = new List<string>();
        var options = new GetBlobsByHierarchyOptions { Prefix = _prefix + prefix, Delimiter = recursive ? null : "/" };
        await foreach (var page in _theirs.GetBlobsByHierarchyAsync(options).AsPages(null, pageSize))
        {
            found.AddRange(page.Values.Select(item => item.IsPrefix
                ? item.Prefix[_prefix.Length..]
                : $"{item.Blob.Name[_prefix.Length..]} {item.Blob.Properties.ContentLength} {item.Blob.Properties.ETag.ToString()!.Trim('"')}"));
        }
        found.Sort(string.CompareOrdinal);
        return found;
    }

    async Task Refused(HttpStatusCode status, BlobRequestConditions conditions)
    {
        var error = await Assert.ThrowsAsync<RequestFailedException>(
            () => Their("ours").UploadAsync(new MemoryStream([2]), new BlobUploadOptions { Conditions = conditions }));
        Assert.Equal((int)status, error.Status);
    }

    async Task Fails(ErrorKind kind, PutOptions options) => Assert.Equal(kind,
        (await Assert.ThrowsAsync<StoreException>(
                async () => await _ours.PutAsync("theirs", new Payload(new byte[1]), options, null, default))).Kind);
}
