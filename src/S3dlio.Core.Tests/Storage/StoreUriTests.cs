using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Storage;

public class StoreUriTests
{
    [Theory]
    [InlineData("file:///a/b", "file", "", "a/b")]
    [InlineData("file://localhost/a/b", "file", "", "a/b")]
    [InlineData("FILE:///A", "file", "", "A")]
    [InlineData("direct:///a%20b/é", "direct", "", "a%20b/é")]
    [InlineData("file:///a//b/../c", "file", "", "a//b/../c")]
    [InlineData("memory://name", "memory", "name", "")]
    [InlineData("memory://name/", "memory", "name", "")]
    [InlineData("memory://name/k?x#y", "memory", "name", "k?x#y")]
    [InlineData("az://acct/box/a%20b//c", "az", "acct/box", "a%20b//c")]
    [InlineData("az://acct/box", "az", "acct/box", "")]
    [InlineData("https://acct.blob.core.windows.net/box/a%20b/%C3%A9+c", "az", "acct/box", "a b/é+c")]
    [InlineData("https://ACCT.blob.core.chinacloudapi.cn/box/k", "az", "acct.blob.core.chinacloudapi.cn/box", "k")]
    [InlineData("/a/b c", "file", "", "a/b c")]
    [InlineData("/a/../b", "file", "", "b")]
    [InlineData("/a/1://b", "file", "", "a/1:/b")]
    public void Parse_UnderstoodForm_GivesItsParts(string text, string scheme, string container, string key) =>
        Assert.Equal(new StoreUri(scheme, container, key), StoreUri.Parse(text));

    [Fact]
    public void Parse_RelativePath_IsBelowTheWorkingDirectory() =>
        Assert.Equal(Path.Combine(Directory.GetCurrentDirectory(), "a/b")[1..], StoreUri.Parse("a/b").Key);

    [Theory]
    [InlineData("", "empty")]
    [InlineData("file://relative/path", "file:///absolute/path")]
    [InlineData("direct://", "direct:///absolute/path")]
    [InlineData("memory:///key", "memory://name/key")]
    [InlineData("nosuch://a/b", "unknown scheme 'nosuch'")]
    [InlineData("az://acct", "az://account/container/key")]
    [InlineData("https://example.com/a/b", "blob")]
    [InlineData("https://acct.blob.core.windows.net/", "empty")]
    [InlineData("https://acct.blob.core.windows.net/box/k?sv=1&sig=2", "sas_token")]
    [InlineData("a\0b", "NUL")]
    public void Parse_AnythingElse_SaysWhatIsUnderstood(string text, string expected)
    {
        var error = Assert.Throws<StoreException>(() => StoreUri.Parse(text));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\0', error.Message);
    }

    [Theory]
    [InlineData("file:///", "k", "file:///k")]
    [InlineData("file:///a", "k/l", "file:///a/k/l")]
    [InlineData("file:///a/", "k", "file:///a/k")]
    [InlineData("memory://m", "k", "memory://m/k")]
    [InlineData("memory://m/p", "k", "memory://m/p/k")]
    public void Child_OfAnAddress_NamesTheObject(string root, string key, string expected) =>
        Assert.Equal(expected, StoreUri.Parse(root).Child(key));

    [Theory]
    [InlineData("s3:/bucket/x", "s3://bucket/x")]
    [InlineData("file:/tmp/x", "file:///tmp/x")]
    [InlineData("az:/a/c/x", "az://a/c/x")]
    public void Parse_SlashIsMissing_IsRefusedWithTheRightSpelling(string text, string meant)
    {
        var error = Assert.Throws<StoreException>(() => StoreUri.Parse(text));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains($"'{meant}'", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("/" + text, StoreUri.Parse("./" + text).Key, StringComparison.Ordinal);
    }
}
