using System.Globalization;
using System.Text.RegularExpressions;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Storage;

public abstract partial class StoreConformance
{
    // in the order of their UTF-8 bytes: '-' '.' '/' '0'; U+FFFD before U+1F600, which UTF-16 has the other way round
    static readonly string[] Tree =
        ["t/a-b", "t/a.txt", "t/a/b/c", "t/a/b/d", "t/a/e", "t/a0", "t/ab/x", "t/z", "t/\uFFFD", "t/\U0001F600"];

    async Task PutTree()
    {
        foreach (string key in Tree.Reverse())
            await Put(key, key);
    }

    /// <summary>The keys page by page, as they come.</summary>
    async Task<List<ListPage>> Pages(string prefix, ListOptions options)
    {
        var pages = new List<ListPage>();
        await foreach (var page in Store.ListAsync(prefix, options, None))
        {
            Assert.InRange(page.Objects.Count + page.Prefixes.Count, 1, options.PageSize);
            pages.Add(page);
        }
        return pages;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(1000)]
    public async Task List_Recursive_GivesKeysInOrder(int pageSize)
    {
        await PutTree();
        var pages = await Pages("t/", ListOptions.Default with { PageSize = pageSize });
        var found = pages.SelectMany(page => page.Objects).ToList();
        Assert.Equal(Tree, found.Select(meta => meta.Key));
        Assert.All(pages, page => Assert.Empty(page.Prefixes));
        Assert.All(found, meta => Assert.Equal(System.Text.Encoding.UTF8.GetByteCount(meta.Key), meta.Size));
        Assert.All(found,
            meta => Assert.InRange(meta.LastModified, DateTimeOffset.UtcNow.AddMinutes(-10), DateTimeOffset.UtcNow.AddMinutes(10)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(1000)]
    public async Task List_OneLevel_FoldsTheRest(int pageSize)
    {
        await PutTree();
        var pages = await Pages("t/", ListOptions.Default with { Recursive = false, PageSize = pageSize });
        Assert.Equal(["t/a-b", "t/a.txt", "t/a0", "t/z", "t/\uFFFD", "t/\U0001F600"],
            pages.SelectMany(page => page.Objects).Select(meta => meta.Key));
        Assert.Equal(["t/a/", "t/ab/"], pages.SelectMany(page => page.Prefixes));
    }

    [Theory]
    [InlineData("t", new[] { "t/" })]
    [InlineData("t/", new[] { "t/a-b", "t/a.txt", "t/a/", "t/a0", "t/ab/", "t/z", "t/\uFFFD", "t/\U0001F600" })]
    [InlineData("t/a", new[] { "t/a-b", "t/a.txt", "t/a/", "t/a0", "t/ab/" })]
    [InlineData("t/a/", new[] { "t/a/b/", "t/a/e" })]
    [InlineData("t/a/b", new[] { "t/a/b/" })]
    [InlineData("t/z", new[] { "t/z" })]
    [InlineData("t/z/", new string[0])]
    [InlineData("t/nothing/", new string[0])]
    [InlineData("t/y", new string[0])]
    public async Task List_AnyPrefix_IsTextNotPath(string prefix, string[] expected)
    {
        await PutTree();
        Assert.Equal(expected, await List(prefix, ListOptions.Default with { Recursive = false }));
        Assert.Equal(Tree.Where(key => key.StartsWith(prefix, StringComparison.Ordinal)), await List(prefix));
    }

    [Theory]
    [InlineData("t/", 10)]
    [InlineData("t/a-b", 9)]
    [InlineData("t/a/b", 8)]
    [InlineData("t/a/b/c", 7)]
    [InlineData("t/a/b/cc", 7)]
    [InlineData("t/a/zzz", 5)]
    [InlineData("t/a0", 4)]
    [InlineData("t/\uFFFD", 1)]
    [InlineData("t/\U0001F600", 0)]
    [InlineData("a", 10)]
    [InlineData("u", 0)]
    public async Task List_StartAfter_GivesTheRest(string after, int rest)
    {
        await PutTree();
        foreach (int pageSize in (int[])[2, 1000])
        {
            var pages = await Pages("t/", ListOptions.Default with { StartAfter = after, PageSize = pageSize });
            Assert.Equal(Tree[^rest..], pages.SelectMany(page => page.Objects).Select(meta => meta.Key));
        }
    }

    [Fact]
    public async Task List_Pattern_FiltersObjectsOnly()
    {
        await PutTree();
        var pattern = new Regex(@"/[ce]$");
        Assert.Equal(["t/a/b/c", "t/a/e"], await List("t/", ListOptions.Default with { Pattern = pattern, PageSize = 1 }));
        Assert.Equal(["t/a/b/", "t/a/e"], await List("t/a/", ListOptions.Default with { Pattern = pattern, Recursive = false }));
    }

    [Fact]
    public async Task List_NothingThere_NoPage() =>
        Assert.Empty(await Pages("never/written/", ListOptions.Default));

    [Theory]
    [InlineData(0)]
    [InlineData(10_001)]
    public async Task List_PageSizeOutOfRange_InvalidArgument(int pageSize)
    {
        var error = await Assert.ThrowsAsync<StoreException>(() => List("t/", ListOptions.Default with { PageSize = pageSize }));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains(pageSize.ToString(CultureInfo.InvariantCulture), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task List_Many_GivesEachOnce()
    {
        var expected = Enumerable.Range(0, ManyEntries).Select(i => $"many/{i:000000}").ToList();
        await Parallel.ForEachAsync(expected, async (key, _) => await Put(key, "x"));
        var pages = await Pages("many/", ListOptions.Default with { PageSize = 999 });
        Assert.Equal(expected, pages.SelectMany(page => page.Objects).Select(meta => meta.Key));
        Assert.Empty(await Store.DeleteAsync(expected, None));
        Assert.Empty(await List("many/"));
    }
}
