using System.Text;
using S3dlio.Storage;
using S3dlio.Storage.Remote;
using S3dlio.Storage.Remote.S3;
using Xunit;

namespace S3dlio.Tests.Storage;

public class S3XmlTests
{
    static ReadOnlyMemory<byte> Utf8(string text) => Encoding.UTF8.GetBytes(text);

    [Fact]
    public void Listing_EncodedKeys_AreDecodedInAnyOrderOfElements()
    {
        var page = S3Store.Listed.Parse(Utf8("""
            <?xml version="1.0" encoding="UTF-8"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>
              <Contents><Key>a%20b%2Bc</Key><LastModified>2024-01-02T03:04:05.678Z</LastModified><ETag>&quot;abc&quot;</ETag><Size>12</Size>
                <Owner><ID>x</ID><DisplayName>y</DisplayName></Owner><StorageClass>GLACIER</StorageClass></Contents>
              <Contents><Key>e+f%C3%BC</Key><Size>0</Size></Contents>
              <CommonPrefixes><Prefix>p%2Fq/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>z/</Prefix></CommonPrefixes>
              <NextContinuationToken>t&amp;1</NextContinuationToken><EncodingType>url</EncodingType></ListBucketResult>
            """), "s3://b/");
        Assert.Equal(["a b+c", "e fü"], page.Objects.Select(found => found.Key));
        Assert.Equal(["p/q/", "z/"], page.Prefixes);
        Assert.Equal(("t&1", "z/"), (page.Next, page.Last));
        var first = page.Objects[0];
        Assert.Equal((12L, "abc", "GLACIER"), (first.Size, first.ETag, first.Attributes["storage_class"]));
        Assert.Equal(new DateTimeOffset(2024, 1, 2, 3, 4, 5, 678, TimeSpan.Zero), first.LastModified);
    }

    [Theory]
    [InlineData("<html><body>hello</body></html>")]
    [InlineData("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")]
    public void Listing_ThatIsNone_IsRefused(string text) =>
        Assert.Equal(ErrorKind.InvalidData, Assert.Throws<StoreException>(() => S3Store.Listed.Parse(Utf8(text), "s3://b/")).Kind);

    [Fact]
    public void Listing_WithDocumentType_IsRefused() =>
        Assert.Equal(ErrorKind.InvalidData, Assert.Throws<StoreException>(() => S3Store.Listed.Parse(
            Utf8("<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult><Contents><Key>&a;</Key></Contents></ListBucketResult>"),
            "s3://b/")).Kind);

    [Theory]
    [InlineData("<Error><Code>SlowDown</Code><Message>m</Message></Error>", "SlowDown")]
    [InlineData("<?xml version=\"1.0\"?>\n<Error xmlns=\"x\"><Message/><Code>NoSuchKey</Code></Error>", "NoSuchKey")]
    [InlineData("", "")]
    [InlineData("<html>Bad Gateway", "")]
    [InlineData("plain", "")]
    public void Error_AnyBody_GivesItsCodeOrNone(string text, string code) => Assert.Equal(code, S3Error.Parse(500, Utf8(text)).Code);

    [Theory]
    [InlineData(403, "InvalidAccessKeyId", ErrorKind.Authentication, false, "AWS_ACCESS_KEY_ID")]
    [InlineData(403, "SignatureDoesNotMatch", ErrorKind.Authentication, false, "secret_access_key")]
    [InlineData(403, "RequestTimeTooSkewed", ErrorKind.Authentication, false, "60 minutes fast")]
    [InlineData(403, "AccessDenied", ErrorKind.PermissionDenied, false, "policies")]
    [InlineData(404, "NoSuchBucket", ErrorKind.NotFound, false, "'bucket'")]
    [InlineData(404, "NoSuchKey", ErrorKind.NotFound, false, "no such object")]
    [InlineData(301, "PermanentRedirect", ErrorKind.InvalidArgument, false, "option region")]
    [InlineData(400, "ExpiredToken", ErrorKind.Authentication, false, "expired")]
    [InlineData(400, "BadDigest", ErrorKind.ChecksumMismatch, true, "damaged")]
    [InlineData(400, "RequestTimeout", ErrorKind.Timeout, true, "")]
    [InlineData(400, "EntityTooLarge", ErrorKind.InvalidArgument, false, "part_size")]
    [InlineData(409, "", ErrorKind.Unavailable, true, "")]
    [InlineData(412, "PreconditionFailed", ErrorKind.Precondition, false, "")]
    [InlineData(429, "", ErrorKind.Unavailable, true, "slow down")]
    [InlineData(500, "InternalError", ErrorKind.Unavailable, true, "")]
    [InlineData(502, "", ErrorKind.Unavailable, true, "502")]
    [InlineData(503, "SlowDown", ErrorKind.Unavailable, true, "slow down")]
    [InlineData(501, "NotImplemented", ErrorKind.InvalidArgument, false, "")]
    [InlineData(404, "SomethingNew", ErrorKind.NotFound, false, "why")]
    public void Failure_EachCode_HasItsKindAndAdvice(int status, string code, ErrorKind kind, bool transient, string advice)
    {
        var options = new S3Options
        {
            EndpointUrl = "http://127.0.0.1:1",
            Region = "here",
            Anonymous = false,
            AccessKeyId = "id",
            SecretAccessKey = "a secret"
        };
        var client = new S3Client(options, "s3://bucket/");
        var error = new S3Error(status, code, "why") { RequestId = "r1", ServerTime = DateTimeOffset.UtcNow.AddHours(-1) };
        var failure = error.ToFailure(new RemoteRequest(HttpMethod.Get, "bucket", "key", "s3://bucket/key"), client, "here");
        Assert.Equal((kind, transient), (failure.Error.Kind, failure.Transient));
        Assert.Contains(advice, failure.Error.Message, StringComparison.Ordinal);
        Assert.StartsWith("s3://bucket/key: ", failure.Error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("a secret", failure.Error.Message, StringComparison.Ordinal);
    }
}
