using System.Globalization;
using System.Text;
using S3dlio.Storage;
using S3dlio.Storage.Remote.Azure;
using S3dlio.Storage.Remote.S3;
using S3dlio.Tests.Http;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>
/// Listings that lie: what is not below the prefix, comes twice or out of order is never given to who downloads or deletes it.
/// </summary>
public class ListGuardTests
{
    static readonly CancellationToken None = CancellationToken.None;

    static ObjectStore OpenS3(ScriptedServer server, int concurrency) => StoreFactory.Open(
        StoreUri.Parse("s3://bucket/"),
        StoreOptions.Parse(
            $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1","max_attempts":1,"list_concurrency":{{concurrency}}}""", "s3://bucket/"));

    static ObjectStore OpenAzure(ScriptedServer server) => StoreFactory.Open(
        StoreUri.Parse("az://acct/box/"),
        StoreOptions.Parse($$"""{"endpoint_url":"{{server.Url}}/acct","account_key":"YS1zZWNyZXQ=","max_attempts":1}""", "az://acct/box/"));

    static bool IsFolder(string name) => name.StartsWith('>');

    static string S3(IEnumerable<string> names, string? next)
    {
        var text = new StringBuilder(
            $"<ListBucketResult><IsTruncated>{(next is null ? "false" : "true")}</IsTruncated><NextContinuationToken>{next}</NextContinuationToken>");
        foreach (string name in names)
            text.Append(IsFolder(name)
                    ? $"<CommonPrefixes><Prefix>{name[1..]}</Prefix></CommonPrefixes>"
                    : $"<Contents><Key>{name}</Key><Size>1</Size></Contents>");
        return text.Append("</ListBucketResult>").ToString();
    }

    static string Azure(IEnumerable<string> names, string? next)
    {
        var text = new StringBuilder("<EnumerationResults><Blobs>");
        foreach (string name in names)
            text.Append(IsFolder(name)
                    ? $"<BlobPrefix><Name>{name[1..]}</Name></BlobPrefix>"
                    : $"<Blob><Name>{name}</Name><Properties><Content-Length>1</Content-Length></Properties></Blob>");
        return text.Append(CultureInfo.InvariantCulture, $"</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>").ToString();
    }

    /// <summary>Pages of names, whatever is asked; those that begin with <c>&gt;</c> are folders.</summary>
    static async Task<(List<string> Found, StoreException? Error)> List(string kind, string[] pages, string prefix, bool recursive)
    {
        await using var server = new ScriptedServer(exchange =>
        {
            if (exchange.Method == "HEAD")
                return exchange.Respond(404);
            int page = 0;
            foreach (string name in (string[])["continuation-token=", "marker="])
            {
                if (exchange.Target.Contains(name, StringComparison.Ordinal))
                    page = int.Parse(exchange.Target.Split(name)[1].Split('&')[0], CultureInfo.InvariantCulture);
            }
            string[] names = pages[page].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            string? next = page + 1 < pages.Length ? (page + 1).ToString(CultureInfo.InvariantCulture) : null;
            return Respond(exchange, kind == "azure" ? Azure(names, next) : S3(names, next));
        });
        var store = kind == "azure" ? OpenAzure(server) : OpenS3(server, kind == "parallel" ? 8 : 1);
        var found = new List<string>();
        try
        {
            await foreach (var page in store.ListAsync(prefix, ListOptions.Default with { Recursive = recursive }, None))
                found.AddRange([.. page.Objects.Select(meta => meta.Key), .. page.Prefixes.Select(name => ">" + name)]);
            return (found, null);
        }
        catch (StoreException error)
        {
            return (found, error);
        }
    }

    // in one write: two would wait for each other's acknowledgement
    static Task Respond(Exchange exchange, string body) => exchange.Raw(Exchange.Head(200, "", Encoding.UTF8.GetByteCount(body)) + body);

    static string Join(string[] pages) => string.Join('|', pages);

    public static TheoryData<string, string[], string, bool> Lies()
    {
        var all = new TheoryData<string, string[], string, bool>();
        foreach (string kind in (string[])["sequential", "parallel", "azure"])
        {
            all.Add(kind, ["other/precious"], "run1/", true);
            all.Add(kind, ["run1/a run10/b"], "run1/", true);
            all.Add(kind, ["run1/a", "run1/b run2/c"], "run1/", true);
            all.Add(kind, ["a b b"], "", true);
            all.Add(kind, ["b a b"], "", true);
            all.Add(kind, ["a b", "b c"], "", true);
            all.Add(kind, ["a b", "c a"], "", true);
            all.Add(kind, ["a b", "c d", "b e"], "", true);
            all.Add(kind, ["c a", "d e"], "", true);
            all.Add(kind, ["a >b/"], "", true);
            all.Add(kind, ["a b/c"], "", false);
            all.Add(kind, ["a >b"], "", false);
            all.Add(kind, ["a >b/c/"], "", false);
            all.Add(kind, ["p/a >q/"], "p/", false);
            all.Add(kind, ["p/a >p/"], "p/", false);
            all.Add(kind, [">a/ >b/", ">a/ c"], "", false);
        }
        return all;
    }

    [Theory]
    [MemberData(nameof(Lies))]
    public async Task List_ThatLies_IsAnErrorAndGivesNothingWrong(string kind, string[] pages, string prefix, bool recursive)
    {
        var (found, error) = await List(kind, pages, prefix, recursive);
        Assert.True(error is { Kind: ErrorKind.InvalidData }, $"{Join(pages)}: {string.Join(' ', found)} {error?.Message}");
        Assert.All(found, name => Assert.StartsWith(prefix, name.TrimStart('>'), StringComparison.Ordinal));
        Assert.Equal(found.Distinct(), found);
    }

    public static TheoryData<string, string[], string, bool> Oddities()
    {
        var all = new TheoryData<string, string[], string, bool>();
        foreach (string kind in (string[])["sequential", "parallel", "azure"])
        {
            // a single page in no order; trees of directories as they are walked; order of UTF-16; pages without a key; markers of folders
            all.Add(kind, ["c a b"], "", true);
            all.Add(kind, ["a/b a/c a-b", "b/a b.a"], "", true);
            all.Add(kind, ["a\U0001F600 a\uFFFD", "b"], "", true);
            all.Add(kind, ["", "", "a", "", "b", ""], "", true);
            all.Add(kind, ["p/ p/d/ p/d/a"], "p/", true);
            all.Add(kind, ["p/ >p/d/"], "p/", false);
            all.Add(kind, ["a >a/ >b/", "c >d/"], "", false);
        }
        return all;
    }

    [Theory]
    [MemberData(nameof(Oddities))]
    public async Task List_ThatIsOddAndTrue_GivesEachKeyOnce(string kind, string[] pages, string prefix, bool recursive)
    {
        var (found, error) = await List(kind, pages, prefix, recursive);
        Assert.True(error is null, error?.Message);
        Assert.Equal(pages.SelectMany(page => page.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Order(StringComparer.Ordinal),
            found.Order(StringComparer.Ordinal));
    }

    static string Empty(string kind, int number, int last) =>
        Page(kind, number == last ? ["a"] : [], number == last ? null : number.ToString(CultureInfo.InvariantCulture));

    static string Page(string kind, string[] names, string? next) => kind == "azure" ? Azure(names, next) : S3(names, next);

    static ObjectStore Open(string kind, ScriptedServer server, TimeProvider clock)
    {
        var (root, text) = kind == "azure"
            ? (StoreUri.Parse("az://acct/box/"), $$"""{"endpoint_url":"{{server.Url}}/acct","account_key":"YS1zZWNyZXQ="}""")
            : (StoreUri.Parse("s3://bucket/"),
                $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1"}""");
        var options = StoreOptions.Parse(text, root.ToString());
        return kind == "azure"
            ? new AzureStore(
                root, new AzureClient(
                    AzureOptions.Read(options, root), AzureAccount.Resolve(
                        AzureOptions.Read(options, root), "acct", "az://acct/box/", static _ => null), "az://acct/box/", clock))
            : new S3Store(root, new S3Client(S3Options.Read(options, root), "s3://bucket/", clock));
    }

    static async Task<List<string>> Keys(ObjectStore store)
    {
        var keys = new List<string>();
        await foreach (var page in store.ListAsync("", ListOptions.Default, None))
            keys.AddRange(page.Objects.Select(found => found.Key));
        return keys;
    }

    [Theory]
    [InlineData("sequential")]
    [InlineData("azure")]
    public async Task List_EmptyPagesWithoutEnd_IsAnError(string kind)
    {
        // each page takes the server seven minutes
        var clock = new Clock { Step = TimeSpan.FromMinutes(7) };
        await using var server = new ScriptedServer(exchange => Respond(exchange, Empty(kind, exchange.Number, -1)));
        var error = await Assert.ThrowsAsync<StoreException>(() => Keys(Open(kind, server, clock)));
        Assert.Equal(ErrorKind.InvalidData, error.Kind);
    }

    [Theory]
    [InlineData("sequential")]
    [InlineData("azure")]
    public async Task List_ThousandsOfEmptyPages_FindsTheKeyBehindThem(string kind)
    {
        await using var server = new ScriptedServer(exchange => Respond(exchange, Empty(kind, exchange.Number, 1500)));
        Assert.Equal(["a"], await Keys(Open(kind, server, TimeProvider.System)));
    }

    [Theory]
    [InlineData("sequential")]
    [InlineData("azure")]
    public async Task List_ContinuationsInACircle_IsAnErrorAtOnce(string kind)
    {
        await using var server = new ScriptedServer(
            exchange => Respond(exchange, Page(kind, [], (exchange.Number % 3).ToString(CultureInfo.InvariantCulture))));
        var error = await Assert.ThrowsAsync<StoreException>(() => Keys(Open(kind, server, TimeProvider.System)));
        Assert.Equal(ErrorKind.InvalidData, error.Kind);
        Assert.True(server.Seen.Count < 10, $"{server.Seen.Count} pages were asked for");
    }

    /// <summary>A clock that advances whenever somebody looks.</summary>
    sealed class Clock : TimeProvider
    {
        long _now;

        public TimeSpan Step { get; init; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Add(ref _now, Step.Ticks);
    }

    [Theory]
    [InlineData("sequential")]
    [InlineData("azure")]
    public async Task Delete_KeysOutsideOfThePrefix_DeletesNothing(string kind)
    {
        string[] names = ["other/precious", "run1/a"];
        await using var server = new ScriptedServer(
            exchange => exchange.Method is "HEAD" ? exchange.Respond(exchange.Target.Contains("key", StringComparison.Ordinal) ? 404 : 200)
            : exchange.Respond(200, "", kind == "azure" ? Azure(names, null) : S3(names, null)));
        var store = kind == "azure" ? OpenAzure(server) : OpenS3(server, 8);
        await Assert.ThrowsAsync<StoreException>(
            async () => await PathOperations.DeleteRecursiveAsync(store, "run1", NoProgress.Instance, None));
        Assert.DoesNotContain(server.Seen, exchange => exchange.Method is "DELETE" or "POST");
    }
}
