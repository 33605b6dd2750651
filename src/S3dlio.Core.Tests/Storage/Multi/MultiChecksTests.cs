using System.Text;
using S3dlio.Storage;
using S3dlio.Storage.Multi;
using S3dlio.Tests.Http;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>What a store of several endpoints keeps of what each of them can do, and what it refuses.</summary>
public class MultiChecksTests
{
    static readonly CancellationToken None = CancellationToken.None;

    static ObjectStore Memory() => StoreFactory.Open(StoreUri.Parse($"memory://{Guid.NewGuid():n}"), StoreOptions.Default);

    static ValueTask<ObjectMeta> Put(ObjectStore store, string key, string text) =>
        store.PutAsync(key, new Payload(Encoding.UTF8.GetBytes(text)), PutOptions.Default, null, None);

    [Theory]
    [InlineData("memory://elsewhere/x")]
    [InlineData("file:///tmp/x")]
    [InlineData("gs://bucket/x")]
    public async Task AnyCall_WholeAddressForAKey_InvalidArgumentAndNothingIsWritten(string address)
    {
        ObjectStore first = Memory(), second = Memory();
        foreach (bool replicas in (bool[])[true, false])
        {
            var store = new MultiStore(first.Root, [(first, "a"), (second, "b")], new MultiOptions { Replicas = replicas });
            foreach (var call in (Func<Task>[])[
                async () => await Put(store, address, "x"),
                async () => await store.OpenWriteAsync(address, PutOptions.Default, None),
                async () => await store.OpenReadAsync(address, ReadOptions.Default, None),
                async () => await store.HeadAsync(address, None),
                async () => await store.DeleteAsync(["x", address], None),
                async () => await store.CopyAsync("x", address, PutOptions.Default, None),
                async () => await store.RenameAsync(address, "x", PutOptions.Default, None),
                async () => await store.MakeDirectoryAsync(address, None),
                async () => await store.IsDirectoryAsync(address, None),
                async () => await store.PresignAsync(address, PresignOptions.Default with { Method = "PUT" }, None),
                async () => await store.ListUploadsAsync(address, None),
                async () => await store.ListAsync(address, ListOptions.Default, None).GetAsyncEnumerator().MoveNextAsync()])
            {
                var error = await Assert.ThrowsAsync<StoreException>(call);
                Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
                Assert.Contains(address, error.Message, StringComparison.Ordinal);
                Assert.Contains(first.Root.ToString(), error.Message, StringComparison.Ordinal);
            }
            await foreach (var page in store.ListAsync("", ListOptions.Default, None))
                Assert.Empty(page.Objects);
        }
    }

    [Theory]
    [InlineData("""{"endpoints":["memory://a","file:///tmp"]}""")]
    [InlineData("""{"endpoints":["file:///a","direct:///b"]}""")]
    public void Open_EndpointsOfDifferentSchemes_InvalidArgument(string json)
    {
        var error = Assert.Throws<StoreException>(
            () => StoreFactory.Open(StoreUri.Parse("memory://a"), StoreOptions.Parse(json, "memory://a")));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains("same scheme", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ListUploads_OneAtEachEndpoint_AllAreFoundAndAborted(bool replicas)
    {
        const string listing = """
            <ListMultipartUploadsResult><IsTruncated>false</IsTruncated>
            <Upload><Key>left</Key><UploadId>{0}</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>
            """;
        await using ScriptedServer first = new(Answer("u1")), second = new(Answer(replicas ? "u1" : "u2"));
        static Func<Exchange, Task> Answer(string id) => exchange =>
            exchange.Method == "DELETE"
                ? exchange.Respond(204)
                : exchange.Respond(200, "", listing.Replace("{0}", id, StringComparison.Ordinal));
        string json = $$"""{"endpoints":["{{first.Url}}","{{second.Url}}"],"replicas":{{(replicas ? "true" : "false")}},"anonymous":true}""";
        var store = StoreFactory.Open(StoreUri.Parse("s3://bucket/"), StoreOptions.Parse(json, "s3://bucket/"));
        var found = await store.ListUploadsAsync("", None);
        Assert.Equal(replicas ? ["u1"] : ["u1", "u2"], found.Select(upload => upload.Id));
        foreach (var upload in found)
            await store.AbortUploadAsync(upload, None);
        Assert.Equal(replicas ? 1 : 4, first.Seen.Concat(second.Seen).Count(exchange => exchange.Method == "DELETE"));
    }

    [Fact]
    public async Task DeleteSeen_OlderAtAnotherEndpoint_BringsBackNoneAndSparesANewer()
    {
        ObjectStore first = Memory(), second = Memory();
        foreach (bool isReplaced in (bool[])[false, true])
        {
            var store = new MultiStore(first.Root, [(first, "a"), (second, "b")], new MultiOptions());
            await Put(second, "seen/a", "older");
            await Task.Delay(2);
            await Put(first, "seen/a", "1");
            var seen = await store.HeadAsync("seen/a", None);
            if (isReplaced)
                await Put(first, "seen/a", "2");
            Assert.Equal(!isReplaced, await store.DeleteSeenAsync("seen/a", seen, None));
            var left = new List<string>();
            await foreach (var page in store.ListAsync("seen/", ListOptions.Default, None))
                left.AddRange(page.Objects.Select(found => found.Key));
            Assert.Equal(isReplaced ? ["seen/a"] : [], left);
            await store.DeleteAsync(["seen/a"], None);
        }
    }

    [Fact]
    public async Task Statistics_BytesAndErrors_AreThoseOfTheCalls()
    {
        var store = new MultiStore(StoreUri.Parse("memory://a"), [(Memory(), "a"), (Memory(), "b")], new MultiOptions());
        await Put(store, "put", "12345");
        await using (var writer = await store.OpenWriteAsync("written", PutOptions.Default, None))
        {
            await writer.WriteAsync("1234567"u8.ToArray(), None);
            await writer.CompleteAsync(None);
        }
        await using (var reader = await store.OpenReadAsync("put", ReadOptions.Default, None))
        {
            await reader.ReadAsync(1, new byte[3], None);
            await reader.ReadAsync([new ReadRange(0, new byte[1]), new ReadRange(4, new byte[1])], None);
        }
        Assert.Equal((5, 12, 0),
            (store.Statistics.Sum(one => one.BytesRead), store.Statistics.Sum(one => one.BytesWritten),
                store.Statistics.Sum(one => one.Errors)));
        await Assert.ThrowsAsync<StoreException>(async () => await store.HeadAsync("missing", None));
        Assert.Equal(1, store.Statistics.Sum(one => one.Errors));
    }
}
