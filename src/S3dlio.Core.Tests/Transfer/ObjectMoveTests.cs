using System.Runtime.InteropServices;
using System.Text;
using S3dlio.Storage;
using S3dlio.Storage.Local;
using S3dlio.Tests.Http;
using S3dlio.Tests.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Transfer;

/// <summary>Two names of one object, and sources that are written while they are renamed: no rename or copy loses a byte of them.</summary>
public sealed partial class ObjectMoveTests : IDisposable
{
    readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Delete();

    static readonly CancellationToken None = CancellationToken.None;

    static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    static ValueTask<ObjectMeta> Rename(ObjectStore from, string source, ObjectStore to, string destination, PutOptions? options = null) =>
        ObjectCopy.RenameAsync(from, source, to, destination, options ?? PutOptions.Default, NoProgress.Instance, None);

    static ValueTask<ObjectMeta> Copy(ObjectStore from, string source, ObjectStore to, string destination) =>
        ObjectCopy.CopyAsync(from, source, to, destination, PutOptions.Default, NoProgress.Instance, None);

    static LocalStore Open(string scheme) => new(StoreUri.Parse(scheme + ":///"), StoreOptions.Default with { DirectFallback = true });

    [Theory]
    [InlineData("file", "file", "real/a", "link/a")]
    [InlineData("file", "direct", "real/a", "real/a")]
    [InlineData("direct", "file", "real/a", "link/a")]
    [InlineData("file", "file", "real/a", "alias")]
    [InlineData("file", "file", "real//a", "real/./a")]
    [InlineData("file", "file", "real/hard", "link/hard")]
    public async Task Local_TwoWaysToOneFile_NothingHappens(string from, string to, string source, string destination)
    {
        Directory.CreateDirectory(_directory.Path + "/real");
        foreach (string name in (string[])["a", "other"])
            await File.WriteAllTextAsync($"{_directory.Path}/real/{name}", "precious");
        Directory.CreateSymbolicLink(_directory.Path + "/link", "real");
        File.CreateSymbolicLink(_directory.Path + "/alias", "real/a");
        Assert.Equal(0, Link($"{_directory.Path}/real/other", $"{_directory.Path}/real/hard"));
        string root = _directory.Path[1..] + "/";
        var meta = await Rename(Open(from), root + source, Open(to), root + destination);
        Assert.Equal(8, meta.Size);
        Assert.Equal("precious", await File.ReadAllTextAsync($"{_directory.Path}/{source}"));
        Assert.Equal("precious", await File.ReadAllTextAsync($"{_directory.Path}/{destination}"));
        var before = File.GetLastWriteTimeUtc($"{_directory.Path}/{source}");
        await Copy(Open(from), root + source, Open(to), root + destination);
        Assert.Equal(before, File.GetLastWriteTimeUtc($"{_directory.Path}/{source}"));
        var error = await Assert.ThrowsAsync<StoreException>(
            async () => await Rename(
                Open(from), root + source, Open(to), root + destination, PutOptions.Default with { Overwrite = false }));
        Assert.Equal(ErrorKind.AlreadyExists, error.Kind);
        Assert.Equal("precious", await File.ReadAllTextAsync($"{_directory.Path}/{destination}"));
    }

    [Fact]
    public async Task Local_HardLinks_AreTwoToARename()
    {
        await File.WriteAllTextAsync(_directory.Path + "/a", "precious");
        Assert.Equal(0, Link(_directory.Path + "/a", _directory.Path + "/b"));
        string root = _directory.Path[1..] + "/";
        await Rename(Open("file"), root + "a", Open("file"), root + "b");
        Assert.Equal(["b"], Directory.GetFiles(_directory.Path).Select(Path.GetFileName));
        Assert.Equal("precious", await File.ReadAllTextAsync(_directory.Path + "/b"));
    }

    /// <remarks>
    /// Where a file system does not tell upper from lower case, both names are of one entry and an unlink of either loses the object. Hard
    /// links stand for that here: nothing tells the two cases apart.
    /// </remarks>
    [Theory]
    [InlineData("real/a", "real/A")]
    [InlineData("real/a", "link/A")]
    public async Task Local_NamesThatDifferInCaseAlone_MayBeOneEntryAndStay(string source, string destination)
    {
        Directory.CreateDirectory(_directory.Path + "/real");
        Directory.CreateSymbolicLink(_directory.Path + "/link", "real");
        await File.WriteAllTextAsync(_directory.Path + "/real/a", "precious");
        Assert.Equal(0, Link(_directory.Path + "/real/a", _directory.Path + "/real/A"));
        string root = _directory.Path[1..] + "/";
        await Rename(Open("file"), root + source, Open("file"), root + destination);
        Assert.Equal("precious", await File.ReadAllTextAsync(_directory.Path + "/" + source));
        Assert.Equal("precious", await File.ReadAllTextAsync(_directory.Path + "/" + destination));
    }

    [Fact]
    public async Task Local_LinkThroughALinkedDirectory_Stays()
    {
        Directory.CreateDirectory(_directory.Path + "/real");
        await File.WriteAllTextAsync(_directory.Path + "/target", "precious");
        File.CreateSymbolicLink(_directory.Path + "/real/a", "../target");
        Directory.CreateSymbolicLink(_directory.Path + "/link", "real");
        string root = _directory.Path[1..] + "/";
        await Rename(Open("file"), root + "real/a", Open("file"), root + "link/a");
        Assert.Equal("precious", await File.ReadAllTextAsync(_directory.Path + "/real/a"));
    }

    [Theory]
    [InlineData("http://127.0.0.1:", "bucket", "http://localhost:", "bucket", "a")]
    [InlineData("http://127.0.0.1:", "bucket", "http://127.0.0.1:", "another-name", "a")]
    [InlineData("http://localhost:", "bucket", "HTTP://LOCALHOST:", "bucket", "a")]
    public async Task S3_TwoWaysToOneBucket_TheObjectStays(string firstUrl, string first, string secondUrl, string second, string key)
    {
        var bucket = new S3Bucket { ["a"] = Bytes("precious") };
        await using var server = new ScriptedServer(bucket.Answer);
        string port = server.Url[(server.Url.LastIndexOf(':') + 1)..];
        ObjectStore from = S3Bucket.Open(firstUrl + port, first), to = S3Bucket.Open(secondUrl + port, second);
        Assert.Equal(8, (await Rename(from, key, to, key)).Size);
        Assert.Equal(["a"], bucket.Keys);
        Assert.Equal("precious", Encoding.UTF8.GetString(bucket["a"]));
        await Copy(from, key, to, key);
        Assert.Equal("precious", Encoding.UTF8.GetString(bucket["a"]));
    }

    [Fact]
    public async Task S3_EqualObjectsOfOneSecond_AreTwo()
    {
        var bucket = new S3Bucket();
        await using var server = new ScriptedServer(bucket.Answer);
        bucket["a"] = bucket["b"] = Bytes("same");
        await Rename(S3Bucket.Open(server.Url), "a", S3Bucket.Open(server.Url), "b");
        Assert.Equal(["b"], bucket.Keys);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task S3_SourceIsWrittenWhileItIsRenamed_BothAreKept(bool inside)
    {
        var bucket = new S3Bucket { ["a"] = Bytes("old") };
        await using var server = new ScriptedServer(bucket.Answer);
        bucket.Written = key =>
        {
            if (key == "b")
                bucket["a"] = Bytes("new");
        };
        var from = S3Bucket.Open(server.Url);
        var to = inside ? from : S3Bucket.Open(server.Url, "another-name");
        var error = await Assert.ThrowsAsync<StoreException>(async () => await Rename(from, "a", to, "b"));
        Assert.Equal(ErrorKind.Precondition, error.Kind);
        Assert.Contains("Both are kept", error.Message, StringComparison.Ordinal);
        Assert.Equal("new", Encoding.UTF8.GetString(bucket["a"]));
        Assert.Equal("old", Encoding.UTF8.GetString(bucket["b"]));
    }

    [Fact]
    public async Task S3_Rename_DeletesUnderACondition()
    {
        var bucket = new S3Bucket { ["a"] = Bytes("old") };
        await using var server = new ScriptedServer(
            exchange => exchange.Method == "DELETE"
                ? exchange.Respond(412, "", "<Error><Code>PreconditionFailed</Code></Error>")
                : bucket.Answer(exchange));
        var store = S3Bucket.Open(server.Url);
        Assert.Equal(ErrorKind.Precondition,
            (await Assert.ThrowsAsync<StoreException>(async () => await Rename(store, "a", store, "b"))).Kind);
        Assert.Contains(
            server.Seen, exchange => exchange.Method == "DELETE"
                && exchange.Headers["If-Match"].Trim('"') == "149603e6c03516362a8da23f624db945");
        Assert.Equal(["a", "b"], bucket.Keys);
    }

    [Theory]
    [InlineData("az://acct/con/", "az://acct.blob.core.windows.net/con/")]
    [InlineData("az://acct.blob.core.windows.net/con/", "https://acct.Blob.core.windows.net/con/")]
    [InlineData("az://acct.blob.core.usgovcloudapi.net/con/", "az://acct.Blob.Core.UsGovCloudApi.net/con/")]
    public async Task Azure_TwoNamesOfOneAccount_AreOnePlace(string a, string b)
    {
        static ObjectStore Open(string uri) =>
            StoreFactory.Open(StoreUri.Parse(uri), StoreOptions.Parse("""{"account_key":"YS1zZWNyZXQ="}""", uri));
        Assert.True(await Open(a).IsSameObjectAsync("x", Open(b), "x", moves: true, None));
        Assert.True(await Open(a + "p").IsSameObjectAsync("x", Open(b), "p/x", moves: true, None));
        Assert.False(await Open(a).IsSameObjectAsync("x", Open(b), "y", moves: true, None));
    }

    [Theory]
    [InlineData("""{"region":"eu-west-1"}""", """{"region":"us-east-1"}""", true)]
    [InlineData("""{"region":"eu-west-1"}""", """{"endpoint_url":"https://s3.us-west-2.AmazonAWS.com"}""", true)]
    [InlineData("""{"region":"eu-west-1"}""", """{"region":"eu-west-1","addressing_style":"path"}""", true)]
    [InlineData("""{"region":"eu-west-1"}""", """{"region":"cn-north-1"}""", false)]
    [InlineData("""{"endpoint_url":"http://HOST:80/"}""", """{"endpoint_url":"http://host"}""", true)]
    [InlineData("""{"endpoint_url":"http://host:81"}""", """{"endpoint_url":"http://host"}""", false)]
    [InlineData("""{"endpoint_url":"http://host/s3"}""", """{"endpoint_url":"http://host"}""", false)]
    public async Task S3_EndpointsAndRegions_AreOnePlaceWhereTheNamesAre(string a, string b, bool same)
    {
        static ObjectStore Open(string options) =>
            StoreFactory.Open(StoreUri.Parse("s3://bucket/"), StoreOptions.Parse(options, "s3://bucket/"));
        Assert.Equal(same, await Open(a).IsSameObjectAsync("x", Open(b), "x", moves: true, None));
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);
}
