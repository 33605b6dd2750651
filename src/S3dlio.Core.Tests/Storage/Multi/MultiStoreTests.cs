using System.Text;
using S3dlio.Storage;
using S3dlio.Storage.Multi;
using S3dlio.Tests.Http;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Where calls go: to whose turn it is, to where the object is, and past an endpoint that is down.</summary>
public class MultiStoreTests
{
    static readonly CancellationToken None = CancellationToken.None;

    static (MultiStore Store, BreakableStore[] Endpoints) Open(
        int count, MultiOptions options, bool shared = false, TimeProvider? clock = null)
    {
        string name = Guid.NewGuid().ToString("n");
        BreakableStore[] endpoints =
            [.. Enumerable.Range(0, count).Select(
                    i => new BreakableStore(
                        StoreFactory.Open(StoreUri.Parse($"memory://{name}{(shared ? 0 : i)}"), StoreOptions.Default)))];
        return (new MultiStore(endpoints[0].Root, [.. endpoints.Select((store, i) => ((ObjectStore)store, $"e{i}"))], options, clock),
            endpoints);
    }

    static ValueTask<ObjectMeta> Put(ObjectStore store, string key, string text, PutOptions? options = null) =>
        store.PutAsync(key, new Payload(Encoding.UTF8.GetBytes(text)), options ?? PutOptions.Default, null, None);

    static async Task<string> Get(ObjectStore store, string key)
    {
        await using var reader = await store.OpenReadAsync(key, ReadOptions.Default, None);
        var data = new byte[reader.Meta.Size];
        await reader.ReadAsync(0, data, None);
        return Encoding.UTF8.GetString(data);
    }

    static async Task<bool> Has(ObjectStore store, string key)
    {
        try
        {
            await store.HeadAsync(key, None);
            return true;
        }
        catch (StoreException error) when (error.Kind == ErrorKind.NotFound)
        {
            return false;
        }
    }

    [Fact]
    public async Task Put_NewKeys_AreSpreadAndReadWhereTheyAre()
    {
        var (store, endpoints) = Open(2, new MultiOptions());
        for (int i = 0; i < 20; i++)
            await Put(store, $"k{i:00}", $"{i}");
        int[] held = [0, 0];
        for (int i = 0; i < 20; i++)
        {
            Assert.Equal($"{i}", await Get(store, $"k{i:00}"));
            for (int e = 0; e < 2; e++)
                held[e] += await Has(endpoints[e], $"k{i:00}") ? 1 : 0;
        }
        Assert.Equal([10, 10], held);
        long before = store.Statistics.Sum(endpoint => endpoint.Requests);
        await Get(store, "k00");
        Assert.Equal(before + 1, store.Statistics.Sum(endpoint => endpoint.Requests));
        Assert.All(store.Statistics, endpoint => Assert.Equal((0, 0), (endpoint.InFlight, endpoint.Failures)));
    }

    [Fact]
    public async Task Put_OverAnother_ReplacesItWhereItIs()
    {
        var (store, endpoints) = Open(3, new MultiOptions());
        for (int i = 0; i < 7; i++)
            await Put(store, "same", $"{i}");
        await Put(endpoints[2], "elsewhere", "old");
        await Put(store, "elsewhere", "new");
        Assert.Equal("6", await Get(store, "same"));
        Assert.Equal("new", await Get(endpoints[2], "elsewhere"));
        foreach (string key in (string[])["same", "elsewhere"])
            Assert.Single(await Task.WhenAll(endpoints.Select(endpoint => Has(endpoint, key))), found => found);
    }

    [Fact]
    public async Task Get_SeveralHaveTheKey_TheNewestCountsAndAllAreDeleted()
    {
        var (store, endpoints) = Open(2, new MultiOptions());
        await Put(endpoints[1], "k", "old");
        await Task.Delay(20);
        await Put(endpoints[0], "k", "new");
        Assert.Equal("new", await Get(store, "k"));
        var pages = new List<ObjectMeta>();
        await foreach (var page in store.ListAsync("", ListOptions.Default, None))
            pages.AddRange(page.Objects);
        Assert.Equal(3, Assert.Single(pages).Size);
        Assert.Empty(await store.DeleteAsync(["k"], None));
        Assert.False(await Has(store, "k"));
    }

    [Fact]
    public async Task Replicas_OneIsDown_TheOtherAnswersAndItIsAvoidedForAWhile()
    {
        var clock = new ManualClock();
        var (store, endpoints) = Open(2, new MultiOptions { Replicas = true }, shared: true, clock);
        await Put(store, "k", "text");
        endpoints[0].IsDown = true;
        for (int i = 0; i < 10; i++)
        {
            Assert.Equal("text", await Get(store, "k"));
            await Put(store, $"k{i}", "x");
        }
        Assert.Equal(1, endpoints[0].Refused);
        Assert.True(store.Statistics[0].IsAvoided);
        Assert.Equal(1, store.Statistics[0].Failures);
        clock.Now += TimeSpan.FromSeconds(11);
        Assert.Equal("text", await Get(store, "k"));
        Assert.Equal("text", await Get(store, "k"));
        Assert.Equal(2, endpoints[0].Refused);
        endpoints[0].IsDown = false;
        clock.Now += TimeSpan.FromSeconds(11);
        Assert.Equal("text", await Get(store, "k"));
        Assert.Equal("text", await Get(store, "k"));
        Assert.False(store.Statistics[0].IsAvoided);
    }

    [Fact]
    public async Task Replicas_AllAreDown_TheFailureIsTold()
    {
        var (store, endpoints) = Open(2, new MultiOptions { Replicas = true }, shared: true);
        endpoints[0].IsDown = endpoints[1].IsDown = true;
        Assert.Equal(ErrorKind.Unavailable, (await Assert.ThrowsAsync<StoreException>(() => Get(store, "k"))).Kind);
    }

    [Fact]
    public async Task Separate_OneIsDown_NewKeysGoToTheOtherAndItsOwnAreNotDeniedToExist()
    {
        var (store, endpoints) = Open(2, new MultiOptions());
        await Put(store, "a", "1");
        await Put(store, "b", "2");
        int home = await Has(endpoints[0], "a") ? 0 : 1;
        endpoints[home].IsDown = true;
        Assert.Equal("2", await Get(store, "b"));
        // not NotFound: it is there, and cannot be had
        Assert.Equal(ErrorKind.Unavailable, (await Assert.ThrowsAsync<StoreException>(() => Get(store, "a"))).Kind);
        Assert.Equal(ErrorKind.Unavailable, (await Assert.ThrowsAsync<StoreException>(() => Get(store, "never"))).Kind);
        Assert.Equal(ErrorKind.Unavailable,
            (await Assert.ThrowsAsync<StoreException>(
                    async () => await Put(store, "c", "3", PutOptions.Default with { Overwrite = false }))).Kind);
        await Put(store, "a", "newer");
        await Put(store, "d", "4");
        Assert.Equal("newer", await Get(store, "a"));
        Assert.Equal("a", Assert.Single(await store.DeleteAsync(["a"], None)).Key);
        await Assert.ThrowsAsync<StoreException>(async () =>
        {
            await foreach (var _ in store.ListAsync("", ListOptions.Default, None))
            {
                // half a listing must not pass as a whole one
            }
        });
        endpoints[home].IsDown = false;
        Assert.Equal("1", await Get(store, "a"));
    }

    [Fact]
    public async Task LeastConnections_OneIsBusy_TheOthersAreAsked()
    {
        var (store, _) = Open(2, new MultiOptions { Replicas = true, Strategy = EndpointStrategy.LeastConnections }, shared: true);
        await Put(store, "k", "text");
        await using var held = await store.OpenReadAsync("k", ReadOptions.Default, None);
        int busy = store.Statistics[0].InFlight == 1 ? 0 : 1;
        long before = store.Statistics[busy].Requests;
        for (int i = 0; i < 10; i++)
            await Get(store, "k");
        Assert.Equal(before, store.Statistics[busy].Requests);
        Assert.Equal(1, store.Statistics[busy].InFlight);
    }

    [Fact]
    public async Task List_SeparateEndpoints_IsMergedInOrder()
    {
        var (store, endpoints) = Open(3, new MultiOptions());
        for (int i = 0; i < 100; i++)
            await Put(endpoints[i * 7 % 3], $"{(i % 5 == 0 ? "dir/" : "")}k{i:000}", "");
        foreach (bool recursive in (bool[])[true, false])
        {
            var keys = new List<string>();
            await foreach (var page in store.ListAsync("", new ListOptions { PageSize = 7, Recursive = recursive }, None))
            {
                Assert.InRange(page.Objects.Count + page.Prefixes.Count, 1, 7);
                keys.AddRange(page.Prefixes.Concat(page.Objects.Select(found => found.Key)));
            }
            Assert.Equal(recursive ? 100 : 81, keys.Count);
            Assert.Equal(keys.Order(ObjectKey.Order), keys);
        }
    }

    [Theory]
    [InlineData("""{"endpoints":[]}""", "1 to 32")]
    [InlineData("""{"endpoints":"memory://a"}""", "a list")]
    [InlineData("""{"strategy":"round_robin"}""", "'endpoints' is missing")]
    [InlineData("""{"endpoints":["memory://a"],"strategy":"fastest"}""", "round_robin, least_connections")]
    [InlineData("""{"endpoints":[{"uri":"s3://b","region_name":"x"}]}""", "unknown option 'region_name'")]
    [InlineData("""{"defaults":{"endpoints":["memory://a"]}}""", "for one store")]
    public void Open_WrongOptions_SayWhat(string json, string what)
    {
        var error = Assert.Throws<StoreException>(
            () => StoreFactory.Open(StoreUri.Parse("memory://a"), StoreOptions.Parse(json, "memory://a")));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains(what, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Open_RefusedConnection_FailsOverToTheServerThatIsThere()
    {
        await using var server = new ScriptedServer(exchange => exchange.Serve("text"u8.ToArray(), "\"v1\""));
        string json = $$"""{"endpoints":["http://127.0.0.1:1","{{server.Url}}"],"replicas":true,"anonymous":true,"max_attempts":1}""";
        var store = StoreFactory.Open(StoreUri.Parse("s3://bucket/"), StoreOptions.Parse(json, "s3://bucket/"));
        for (int i = 0; i < 4; i++)
            Assert.Equal("text", await Get(store, "key"));
        var statistics = ((MultiStore)store).Statistics;
        Assert.Equal(("http://127.0.0.1:1", 1, true), (statistics[0].Name, statistics[0].Failures, statistics[0].IsAvoided));
        Assert.Equal(4, server.Seen.Count);
    }

    sealed class ManualClock : TimeProvider
    {
        public TimeSpan Now { get; set; } = TimeSpan.FromDays(1);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
