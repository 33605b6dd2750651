using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Storage.Remote;
using S3dlio.Storage.Remote.Azure;
using Xunit;

namespace S3dlio.Tests.Storage.Remote.Azure;

public class BlobMetadataTests
{
    static RemoteRequest Request() => new(HttpMethod.Put, "box", "key", "az://acct/box/key");

    [Fact]
    public void Say_AnyPairs_ReadBack()
    {
        var metadata = new Dictionary<string, string>
        {
            ["plain"] = "value",
            ["Plain"] = "same but for case",
            ["with-hyphen"] = "é",
            ["_x1"] = "é\n日本",
            ["empty"] = "",
            ["blank"] = " x ",
            ["word"] = "=?UTF-8?B?eA==?=",
            ["1st"] = "{}",
        };
        var request = Request();
        BlobMetadata.Write(request, metadata, new Checksum(7), null, "w1");

        Assert.All(request.Headers,
            header => Assert.True(header.Value.All(c => c is >= ' ' and <= '~') && header.Value.Trim() == header.Value, header.Key));
        Assert.Contains(request.Headers, header => header is { Key: "x-ms-meta-plain", Value: "value" });
        Assert.Contains(request.Headers, header => header is { Key: "x-ms-meta-s3dlio_crc32c", Value: "crc32c:00000007" });
        var (read, checksum, _, write) = BlobMetadata.Read(request.Headers.Select(header => (header.Key, header.Value)));
        Assert.Equal(metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal), read.OrderBy(pair => pair.Key, StringComparer.Ordinal));
        Assert.Equal((new Checksum(7), "w1"), (checksum, write));
    }

    [Fact]
    public void Say_NameOfTheLibrary_InvalidArgument() =>
        Assert.Throws<StoreException>(
            () => BlobMetadata.Write(Request(), new Dictionary<string, string> { ["S3dlio_crc32c"] = "x" }, null, null, "w"));

    [Theory]
    [InlineData("not json")]
    [InlineData("[1]")]
    [InlineData("{\"a\": 1}")]
    public void Read_ValueThatSomebodyElseWrote_IsShown(string value) =>
        Assert.Equal(value, BlobMetadata.Read([("x-ms-meta-s3dlio_metadata", value)]).Metadata["s3dlio_metadata"]);

    [Theory]
    [InlineData("a\\b", "backslash")]
    [InlineData("a/b.", "dot")]
    [InlineData("a./b", "dot")]
    [InlineData("./a", "dot")]
    [InlineData("a/../b", "dot")]
    [InlineData("a\tb", "U+0009")]
    [InlineData("a\u0081", "U+0081")]
    public void Check_KeyThatAzureWouldRename_InvalidArgument(string key, string says)
    {
        var error = Assert.Throws<StoreException>(() => AzureKey.Check(new StoreUri("az", "acct/box", ""), key));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains(says, error.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a//b")]
    [InlineData("/a")]
    [InlineData("...a/..b/c.d")]
    [InlineData("100%/%2F ü +&?#")]
    public void Check_OtherOddKeys_AreFine(string key) => AzureKey.Check(new StoreUri("az", "acct/box", ""), key);
}
