using System.Text.Json.Nodes;
using S3dlio.Hashing;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Storage.Remote.Azure;

/// <summary>
/// A real Blob service: S3DLIO_TEST_AZURE_URI is a container and prefix that may be written to, S3DLIO_TEST_AZURE_OPTIONS the store's
/// options as JSON. Each test has a prefix of its own.
/// </summary>
[NeedsServer("AZURE")]
public class AzureStoreTests : StoreConformance
{
    static readonly string Address = NeedsServerAttribute.Variable("AZURE", "URI") ?? "";

    public AzureStoreTests() => Store = Open(Address, Change);

    protected override ObjectStore Store { get; }

    protected override int ManyEntries => 2500;

    protected override bool DeletesMarkers => true;

    /// <summary>Options that this class has instead of the given ones.</summary>
    protected virtual string Change => "{}";

    // the service would keep these under other names
    protected override bool Holds(string key) =>
        !key.Contains('\\', StringComparison.Ordinal) && !key.Contains('\n', StringComparison.Ordinal) && !key.EndsWith('.');

    static StoreOptions Options(string change)
    {
        var options = JsonNode.Parse(NeedsServerAttribute.Variable("AZURE", "OPTIONS") ?? "{}")!.AsObject();
        foreach (var (name, value) in JsonNode.Parse(change)!.AsObject())
            options[name] = value?.DeepClone();
        return StoreOptions.Parse(options.ToJsonString(), Address);
    }

    static ObjectStore Open(string address, string change) =>
        StoreFactory.Open(StoreUri.Parse($"{address.TrimEnd('/')}/{Guid.NewGuid():n}"), Options(change));

    static string Account => StoreUri.Parse(Address).Container.Split('/')[0];

    public override async Task InitializeAsync() =>
        await StoreFactory.OpenContainers(
            StoreUri.Parse(Address), Options("{}")).CreateAsync(StoreUri.Parse(Address).Container.Split('/')[1], None);

    public override async Task DisposeAsync()
    {
        await foreach (var page in Store.ListAsync("", ListOptions.Default, None))
            await Store.DeleteAsync([.. page.Objects.Select(found => found.Key)], None);
    }

    [Theory]
    [InlineData(3 << 20)]
    [InlineData((40 << 20) + 13)]
    public async Task FindBlocks_WhatWasPutCopiedAndWritten_AreThoseOfTheBytes(int size)
    {
        var data = RandomBytes(size, 30);
        byte[] head = RandomBytes(1000, 31);
        await Store.PutAsync(
            "blocks", new Payload(1000, _ => head, [LargeMemory.From(data.AsMemory(0, 77)), LargeMemory.From(data.AsMemory(77))]),
            PutOptions.Default, null, None);
        Assert.NotNull(await BlocksOf("blocks", [.. head, .. data]));
        await Store.CopyAsync(
            "blocks", "copied", PutOptions.Default with { Metadata = new Dictionary<string, string> { ["c"] = "d" } }, None);
        Assert.NotNull(await BlocksOf("copied", [.. head, .. data]));
        Assert.Equal("d", Assert.Single((await Store.HeadAsync("copied", None)).Metadata).Value);
        await using var writer = await Store.OpenWriteAsync("streamed", PutOptions.Default, None);
        for (int at = 0; at < data.Length; at += 1_000_003)
            await writer.WriteAsync(data.AsMemory(at, Math.Min(1_000_003, data.Length - at)), None);
        var written = await writer.CompleteAsync(None);
        Assert.Equal(Checksum.Of(data), written.Checksum);
        Assert.NotNull(await BlocksOf("streamed", data));
    }

    [Fact]
    public async Task Put_Attributes_AreKeptByHeadAndCopy()
    {
        var attributes =
            new Dictionary<string, string>
            {
                ["cache_control"] = "no-store",
                ["content_encoding"] = "zstd",
                ["content_disposition"] = "attachment",
                ["content_language"] = "de"
            };
        await Put("attributes", "x", PutOptions.Default with { Attributes = attributes });
        await Store.CopyAsync("attributes", "copy", PutOptions.Default with { ContentType = "a/b" }, None);
        foreach (string key in (string[])["attributes", "copy"])
        {
            var head = await Store.HeadAsync(key, None);
            Assert.All(attributes, pair => Assert.Equal(pair.Value, head.Attributes[pair.Key]));
        }
        await Fails(ErrorKind.InvalidArgument, "attributes", async () => await Put(
                "attributes", "x", PutOptions.Default with { Attributes = new Dictionary<string, string> { ["storage_class"] = "x" } }));
    }

    [Fact]
    public async Task Put_MetadataOfAnyName_ComesBack()
    {
        var metadata = new Dictionary<string, string>
        {
            ["with-hyphen"] = "1",
            ["run_1"] = "é",
            ["run1"] = "",
            ["Run1"] = " b ",
            ["a"] = "=?UTF-8?B?eA==?="
        };
        await Put("meta", "x", PutOptions.Default with { Metadata = metadata });
        await Store.CopyAsync("meta", "copy", PutOptions.Default, None);
        foreach (string key in (string[])["meta", "copy"])
            Assert.Equal(metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal),
                (await Store.HeadAsync(key, None)).Metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal));
    }

    [Fact]
    public async Task Put_LargeByManyAtOnce_OneOfThemIsThere()
    {
        var versions = Enumerable.Range(0, 3).Select(i => RandomBytes((17 << 20) + i, i)).ToArray();
        await Task.WhenAll(versions.Select(data => Put("contended", data).AsTask()));
        var found = await Get("contended");
        Assert.Contains(versions, data => data.AsSpan().SequenceEqual(found));
        Assert.Equal(Checksum.Of(found), (await Store.HeadAsync("contended", None)).Checksum);
    }

    [Fact]
    public async Task Presign_EachMethod_WorksWithoutCredentials()
    {
        const string key = "signed key+ü %2F//x";
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(
            HttpMethod.Put, await Store.PresignAsync(key, PresignOptions.Default with { Method = "PUT" }, None));
        request.Content = new ByteArrayContent("via url"u8.ToArray());
        request.Headers.Add("x-ms-blob-type", "BlockBlob");
        (await client.SendAsync(request)).EnsureSuccessStatusCode();
        Assert.Equal("via url", await GetText(key));
        Assert.Equal("via url", await client.GetStringAsync(new Uri(await Store.PresignAsync(key, PresignOptions.Default, None))));
        (await client.DeleteAsync(new Uri(await Store.PresignAsync(key, PresignOptions.Default with { Method = "DELETE" }, None))))
            .EnsureSuccessStatusCode();
        await Fails(ErrorKind.NotFound, key, () => GetText(key));
    }

    [Fact]
    public async Task Containers_CreateListDelete_Work()
    {
        var containers = StoreFactory.OpenContainers(StoreUri.Parse(Address), Options("{}"));
        string name = $"s3dlio-test-{Guid.NewGuid():n}"[..40], address = $"az://{Account}/{name}";
        Assert.False(await containers.ExistsAsync(name, None));
        await containers.CreateAsync(name, None);
        await containers.CreateAsync(name, None);
        Assert.True(await containers.ExistsAsync(name, None));
        Assert.Contains(await containers.ListAsync(None), found => found.Name == name);
        var store = StoreFactory.Open(StoreUri.Parse(address), Options("{}"));
        await store.PutAsync("x", new Payload(new byte[1]), PutOptions.Default, null, None);
        Assert.Equal(ErrorKind.Precondition,
            (await Assert.ThrowsAsync<StoreException>(async () => await containers.DeleteAsync(name, None))).Kind);
        await store.DeleteAsync(["x"], None);
        await containers.DeleteAsync(name, None);
        Assert.False(await containers.ExistsAsync(name, None));
    }

    [Fact]
    public async Task EveryCall_NoSuchContainer_SaysSo()
    {
        var store = Open($"az://{Account}/never-made", "{}");
        Func<Task>[] calls =
        [
            async () => await store.HeadAsync("x", None),
            async () => await store.OpenReadAsync("x", ReadOptions.Default, None),
            async () => await store.PutAsync("x", new Payload(new byte[1]), PutOptions.Default, null, None),
            async () => await store.ListAsync("", ListOptions.Default, None).GetAsyncEnumerator().MoveNextAsync(),
        ];
        foreach (var call in calls)
        {
            var error = await Assert.ThrowsAsync<StoreException>(call);
            Assert.Equal(ErrorKind.NotFound, error.Kind);
            Assert.Contains("no such container 'never-made'", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task EveryCall_WrongKey_AuthenticationWithoutTheKey()
    {
        var store = Open(
            Address, """{"emulator": null, "connection_string": null, "sas_token": null, "credential": null, "account_key": "d3Jvbmcta2V5"}""");
        foreach (var call in (
                Func<Task>[])[async () => await store.HeadAsync("x", None),
                async () => await store.PutAsync("x", new Payload(new byte[1]), PutOptions.Default, null, None)])
        {
            var error = await Assert.ThrowsAsync<StoreException>(call);
            Assert.Equal(ErrorKind.Authentication, error.Kind);
            Assert.Contains("option account_key", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("d3Jvbmcta2V5", error.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task EveryCall_SharedAccessSignature_AllowsWhatItSays()
    {
        await Put("one", "text");
        string url = await Store.PresignAsync("one", PresignOptions.Default, None);
        string sas = url[(url.IndexOf('?', StringComparison.Ordinal) + 1)..];
        var options = Options(
            $$"""{"emulator": null, "connection_string": null, "account_key": null, "credential": null, "sas_token": "{{sas}}"}""");
        var store = StoreFactory.Open(StoreUri.Parse(Store.Root.ToString()), options);
        await using var reader = await store.OpenReadAsync("one", ReadOptions.Default, None);
        Assert.Equal(4, reader.Meta.Size);
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await store.PutAsync("one", new Payload(new byte[1]), PutOptions.Default, null, None));
        Assert.True(error.Kind is ErrorKind.PermissionDenied or ErrorKind.Authentication, error.Message);
        Assert.DoesNotContain("sig=", error.ToString(), StringComparison.Ordinal);
    }
}

/// <summary>Small parts, so that more goes in blocks and comes in ranges, in little memory.</summary>
[NeedsServer("AZURE")]
public sealed class AzureSmallPartsTests : AzureStoreTests
{
    protected override int ManyEntries => 100;

    protected override string Change => """{"part_size": 1048576, "max_in_flight": 6, "memory_limit": 4194304, "transfer_check": "none"}""";
}
