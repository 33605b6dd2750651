using System.Text;
using S3dlio.Storage;
using S3dlio.Storage.Remote.Azure;
using Xunit;

namespace S3dlio.Tests.Storage.Remote.Azure;

public class AzureListTests
{
    const string Text = """
        <?xml version="1.0" encoding="utf-8"?>
        <EnumerationResults ServiceEndpoint="https://acct.blob.core.windows.net/" ContainerName="box"><Prefix>a</Prefix><Blobs>
          <Blob><Name>a b</Name><Properties><Last-Modified>Wed, 01 Jan 2025 00:00:01 GMT</Last-Modified><Etag>0x8D</Etag><Content-Length>7</Content-Length>
            <Content-Type>text/plain</Content-Type><Content-MD5 /><AccessTier>Cool</AccessTier></Properties><OrMetadata /></Blob>
          <Blob><Name Encoded="true">a%EF%BF%BE%20c</Name><Properties><Last-Modified>Wed, 01 Jan 2025 00:00:02 GMT</Last-Modified><Content-Length>0</Content-Length></Properties></Blob>
          <Blob><Name>a dir</Name><Properties><ResourceType>directory</ResourceType><Content-Length>0</Content-Length></Properties></Blob>
          <BlobPrefix><Name>a&amp;&lt;/</Name></BlobPrefix>
          <Blob><Name> </Name><Properties><Last-Modified>Wed, 01 Jan 2025 00:00:02 GMT</Last-Modified><Content-Length>1</Content-Length></Properties></Blob>
        </Blobs><NextMarker>2!8!b25l</NextMarker></EnumerationResults>
        """;

    [Fact]
    public void Parse_Page_GivesObjectsPrefixesAndMarker()
    {
        var page = ListResponse.Parse(Encoding.UTF8.GetBytes(Text), "az://acct/box");

        Assert.Equal([" ", "a b", "a&</", "a\uFFFE c"], page.Entries.Select(entry => entry.Key));
        Assert.Equal("2!8!b25l", page.Marker);
        var meta = page.Entries[1].Meta!;
        Assert.Equal((7L, "0x8D", "text/plain", "Cool"), (meta.Size, meta.ETag, meta.ContentType, meta.Attributes["access_tier"]));
        Assert.Equal(new DateTimeOffset(2025, 1, 1, 0, 0, 1, TimeSpan.Zero), meta.LastModified);
        Assert.Null(page.Entries[2].Meta);
    }

    [Theory]
    [InlineData("<html><body>log in</body></html>")]
    [InlineData("<EnumerationResults><Blobs><Blob><Name>cut")]
    [InlineData("<!DOCTYPE x [<!ENTITY a \"b\">]><EnumerationResults>&a;</EnumerationResults>")]
    [InlineData("")]
    public void Parse_AnythingElse_InvalidData(string text) =>
        Assert.Equal(ErrorKind.InvalidData,
            Assert.Throws<StoreException>(() => ListResponse.Parse(Encoding.UTF8.GetBytes(text), "az://acct/box")).Kind);

    [Fact]
    public void Next_ServerSortsByUtf16OrUtf8_GivesUtf8()
    {
        string[] pieces = ["", "a", "z", "\uD7FF", "\uE000", "\uFFFD", "\U00010000", "\U0001F600"];
        string[] keys = [.. pieces.SelectMany(
                x => pieces.SelectMany(y => pieces.Select(z => x + y + z))).Where(key => key.Length > 0).Distinct()];
        string[] expected = [.. keys.Order(ObjectKey.Order)];
        foreach (var server in (IComparer<string>[])[StringComparer.Ordinal, ObjectKey.Order])
        {
            var order = new KeyOrder();
            var found = keys.Order(server).SelectMany(key => order.Next(new ListEntry(key, null))).ToList();
            found.AddRange(order.Rest());
            Assert.Equal(expected, found.Select(entry => entry.Key));
        }
    }

    [Fact]
    public void Next_PlainKeys_PassAtOnce()
    {
        var order = new KeyOrder();
        foreach (string key in (string[])["a", "b/é", "b/\uFFFD"])
            Assert.Single(order.Next(new ListEntry(key, null)));
    }
}
