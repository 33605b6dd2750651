using System.Globalization;
using System.Text.RegularExpressions;
using S3dlio.Storage;
using S3dlio.Tests.Http;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>
/// Large recursive listings, whose folders are listed side by side: the same keys in the same order, with few requests more.
/// </summary>
public class ParallelListingTests
{
    static ObjectStore Open(ScriptedServer server, int concurrency = 8) => StoreFactory.Open(
        StoreUri.Parse("s3://bucket/"),
        StoreOptions.Parse(
            $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1","list_concurrency":{{concurrency}}}""", "s3://bucket/"));

    static async Task<List<string>> List(ObjectStore store, string prefix = "", ListOptions? options = null)
    {
        var found = new List<string>();
        options ??= ListOptions.Default;
        await foreach (var page in store.ListAsync(prefix, options, CancellationToken.None))
        {
            Assert.Empty(page.Prefixes);
            Assert.InRange(page.Objects.Count, 1, options.PageSize);
            found.AddRange(page.Objects.Select(meta => meta.Key));
        }
        return found;
    }

    static IEnumerable<string> Tree(int folders, int perFolder, string above = "") =>
        Enumerable.Range(0, folders).SelectMany(folder => Enumerable.Range(0, perFolder).Select(i => $"{above}{folder:00000}/{i:00000}"));

    static readonly string[] Parts =
        ["/", "/", "/", "a", "b", "-", "0", ".", "a-b", "\uFFFD", "\U0001F600", "\U0010FFFF", "é", "%2F", "+", " ", "&", "//"];

    /// <summary>Keys with every trouble at once: empty parts, folders that are objects too, what sorts around '/'.</summary>
    static List<string> Hostile(Random random)
    {
        var keys = new List<string>();
        int count = random.Next(1, 120);
        while (keys.Count < count)
        {
            string start = keys.Count > 0 && random.Next(3) > 0 ? keys[random.Next(keys.Count)] : "";
            string key = start[..random.Next(start.Length + 1)]
                + string.Concat(Enumerable.Range(0, random.Next(1, 5)).Select(_ => Parts[random.Next(Parts.Length)]));
            // a key is whole characters: none begins or ends within a surrogate pair
            if (IsWhole(key))
                keys.Add(key);
        }
        return keys;
    }

    static bool IsWhole(string key)
    {
        int at = 0;
        while (at < key.Length && System.Text.Rune.TryGetRuneAt(key, at, out var rune))
            at += rune.Utf16SequenceLength;
        return at == key.Length;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public async Task List_HostileTrees_AsTheOracle(int concurrency)
    {
        var random = new Random(concurrency);
        for (int round = 0; round < 150; round++)
        {
            var keys = Hostile(random);
            await using var server = new ScriptedServer(new ListingServer(keys, random.Next(1, 12), random.Next(2) == 0).Answer);
            string some = keys[random.Next(keys.Count)];
            string prefix = random.Next(2) == 0 ? "" : some.EnumerateRunes().First().ToString();
            string? after = random.Next(2) == 0 ? null : keys[random.Next(keys.Count)];
            var expected = keys.Distinct().Where(
                key => key.StartsWith(prefix, StringComparison.Ordinal)
                    && (after is null || ObjectKey.Compare(key, after) > 0)).Order(ObjectKey.Order);
            var found = await List(
                Open(server, concurrency), prefix, ListOptions.Default with { StartAfter = after, PageSize = random.Next(1, 20) });
            Assert.Equal(expected, found);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task List_LargeFolders_AreListedAtOnce(bool skipsFolder)
    {
        var keys = Tree(40, 25, "x/").ToList();
        var listing = new ListingServer(keys, 10, skipsFolder);
        int now = 0, most = 0, waiting = 0;
        var met = new TaskCompletionSource();
        await using var server = new ScriptedServer(async exchange =>
        {
            int count = Interlocked.Increment(ref now);
            InterlockedMax(ref most, count);
            // a folder's first page waits for three others: one after the other would never get on
            var query = ListingServer.Query(exchange);
            if (query.GetValueOrDefault("prefix", "").Length > 2 && !query.ContainsKey("start-after")
                    && !query.ContainsKey("continuation-token") && !met.Task.IsCompleted)
            {
                if (Interlocked.Increment(ref waiting) == 4)
                    met.SetResult();
                await met.Task;
            }
            Interlocked.Decrement(ref now);
            await listing.Answer(exchange);
        });
        Assert.Equal(keys, await List(Open(server, 4)));
        Assert.InRange(most, 4, 4);
        // 100 pages one after the other, and three of each folder
        Assert.InRange(server.Seen.Count, 100, 140);
    }

    static void InterlockedMax(ref int most, int count)
    {
        int seen;
        while ((seen = Volatile.Read(ref most)) < count && Interlocked.CompareExchange(ref most, count, seen) != seen)
        {
        }
    }

    [Theory]
    [InlineData(1, 10, 1, "one page")]
    [InlineData(1, 1000, 101, "a flat folder")]
    [InlineData(1000, 1, 101, "folders of one key")]
    [InlineData(200, 5, 225, "folders of half a page")]
    public async Task List_NothingToGain_CostsNextToNothing(int folders, int perFolder, int most, string what)
    {
        var keys = Tree(folders, perFolder).ToList();
        await using var server = new ScriptedServer(new ListingServer(keys, 10).Answer);
        Assert.Equal(keys, await List(Open(server)));
        Assert.True(server.Seen.Count <= most, $"{what}: {server.Seen.Count}");
    }

    [Fact]
    public async Task List_SmallFoldersBehindALargeOne_AreListedThrough()
    {
        var keys = Enumerable.Range(0, 100).Select(i => $"a/{i:000}").Concat(Tree(2000, 1, "b")).ToList();
        await using var server = new ScriptedServer(new ListingServer(keys, 20).Answer);
        Assert.Equal(keys.Order(ObjectKey.Order), await List(Open(server)));
        // 105 pages; the trial of the first folders comes on top
        Assert.InRange(server.Seen.Count, 105, 140);
    }

    [Fact]
    public async Task List_StoppedAfterAPage_AsksNothingMore()
    {
        await using var server = new ScriptedServer(new ListingServer(Tree(40, 25), 10).Answer);
        await foreach (var page in Open(server).ListAsync("", ListOptions.Default, CancellationToken.None))
            break;
        Assert.Single(server.Seen);
    }

    [Fact]
    public async Task List_StoppedInTheMiddle_CancelsWhatIsOnTheWay()
    {
        var listing = new ListingServer(Tree(40, 25), 10);
        // the folder 00003 never answers; only a cancel gets past it
        await using var server = new ScriptedServer(
            exchange => ListingServer.Query(exchange).GetValueOrDefault("prefix") == "00003/"
                ? Task.CompletedTask
                : listing.Answer(exchange));
        int count = 0;
        await foreach (var page in Open(server).ListAsync("", ListOptions.Default, CancellationToken.None))
        {
            if ((count += page.Objects.Count) >= 50)
                break;
        }
        Assert.InRange(count, 50, 59);
        Assert.InRange(server.Seen.Count, 3, 24);
    }

    [Fact]
    public async Task List_AFolderFails_SurfacesAfterWhatCameBefore()
    {
        var listing = new ListingServer(Tree(40, 25), 10);
        await using var server = new ScriptedServer(exchange => ListingServer.Query(exchange).GetValueOrDefault("prefix") == "00003/"
            ? exchange.Respond(403, "", "<Error><Code>AccessDenied</Code></Error>") : listing.Answer(exchange));
        var found = new List<string>();
        var error = await Assert.ThrowsAsync<StoreException>(async () =>
        {
            await foreach (var page in Open(server).ListAsync("", ListOptions.Default, CancellationToken.None))
                found.AddRange(page.Objects.Select(meta => meta.Key));
        });
        Assert.Equal(ErrorKind.PermissionDenied, error.Kind);
        Assert.Equal(Tree(3, 25), found);
    }

    [Fact]
    public async Task List_Pattern_IsOfTheWholeListing()
    {
        await using var server = new ScriptedServer(new ListingServer(Tree(40, 25), 10).Answer);
        var found = await List(Open(server), "", ListOptions.Default with { Pattern = new Regex("/00024$") });
        Assert.Equal(Enumerable.Range(0, 40).Select(i => string.Create(CultureInfo.InvariantCulture, $"{i:00000}/00024")), found);
    }
}
