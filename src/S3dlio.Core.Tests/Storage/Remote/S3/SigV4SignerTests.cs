using S3dlio.Http;
using S3dlio.Storage.Remote;
using S3dlio.Storage.Remote.S3;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>The examples of Amazon's "Authenticating Requests (AWS Signature Version 4)" for S3.</summary>
public class SigV4SignerTests
{
    const string Host = "examplebucket.s3.amazonaws.com";
    const string Stamp = "20130524T000000Z";

    static readonly S3Credentials Keys = new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", null);

    [Theory]
    [InlineData("lifecycle", "", null, null, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")]
    [InlineData("max-keys", "2", "prefix", "J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")]
    public void Authorization_PublishedExample_GivesThatSignature(string name, string value, string? name2, string? value2, string expected)
    {
        List<KeyValuePair<string, string>> query = [new(name, value)];
        if (name2 is not null)
            query.Insert(0, new(name2, value2!));
        List<KeyValuePair<string, string>> headers =
            [new("x-amz-content-sha256", SigV4Signer.EmptyPayload), new("X-Amz-Date", Stamp), new("Range", "not signed")];
        string found = new SigV4Signer(
            "us-east-1").Authorization("GET", "/", SigV4Signer.Query(query), Host, headers, SigV4Signer.EmptyPayload, Stamp, Keys);
        Assert.Equal(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            + $"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={expected}",
            found);
    }

    [Fact]
    public void PresignedQuery_PublishedExample_GivesThatSignature()
    {
        string found = new SigV4Signer("us-east-1").PresignedQuery("GET", "/test.txt", [], Host, Stamp, TimeSpan.FromDays(1), Keys);
        Assert.EndsWith(
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", found, StringComparison.Ordinal);
        Assert.DoesNotContain(Keys.SecretAccessKey, found, StringComparison.Ordinal);
    }

    [Fact]
    public void Query_OneNameBeginsWithAnother_SortsByName() =>
        Assert.Equal("a=2&a-b=1&a.c=3&b=", SigV4Signer.Query([new("b", ""), new("a-b", "1"), new("a.c", "3"), new("a", "2")]));

    [Theory]
    [InlineData("a b+c/d~e-f_g.h", "a%20b%2Bc/d~e-f_g.h")]
    [InlineData("ü\U0001F600%2F", "%C3%BC%F0%9F%98%80%252F")]
    [InlineData("../a//./b", "../a//./b")]
    public void Path_AnyKey_IsEncodedOnce(string key, string expected)
    {
        Assert.Equal(expected, PercentEncoding.Path(key));
        Assert.Equal(key, PercentText.Decode(PercentEncoding.Value(key)));
    }

    [Theory]
    [InlineData("plain text")]
    [InlineData("grüße \U0001F600")]
    [InlineData(" blanks  inside ")]
    [InlineData("=?UTF-8?B?YQ==?=")]
    [InlineData("line\nbreak")]
    [InlineData("")]
    public void Metadata_AnyValue_ComesBack(string value)
    {
        string encoded = S3Meta.Encode(value);
        Assert.True(encoded.All(c => c is >= ' ' and <= '~'), encoded);
        Assert.Equal(value, HeaderText.Decode(encoded));
    }

    [Fact]
    public void Metadata_QuotedWords_AreRead() =>
        Assert.Equal("a+b grüße%41", HeaderText.Decode("=?UTF-8?Q?a+b_gr=C3=BC=C3=9Fe%41?="));
}
