using S3dlio.Storage;
using S3dlio.Http;
using S3dlio.Storage.Remote;
using S3dlio.Storage.Remote.S3;

namespace S3dlio.Fuzz.Targets;

/// <summary>XML as a server, or what stands between, may send it.</summary>
static class XmlGrammar
{
    public static Grammar Of(string root, params string[] elements) => new("document", new Dictionary<string, string[]>
    {
        ["document"] = [
            "«head»<«root»>«items»</«root»>", "«head»<«root» xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">«items»</«root»>", "«text»",
            "<html><body>«text»</body></html>", "«head»<«root»>«items»"],
        ["head"] = ["", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "\uFEFF<?xml version=\"1.0\"?>\n",
            "<?xml version=\"1.0\" encoding=\"«coding»\"?>", "<!DOCTYPE a [<!ENTITY b \"cccc\">]>", "<!-- x -->", "<?pi x?>"],
        ["coding"] = ["utf-8", "utf-16", "latin1", "«text»"],
        ["root"] = [root, "Error", "x:" + root, "«text»"],
        ["items"] = ["", "«item»", "«item»«items»", "«item»«item»«items»"],
        ["item"] = ["<«name»>«value»</«name»>", "<«name»/>", "<«name»>«items»</«name»>", .. elements,
            "<«name» Encoded=\"true\">«value»</«name»>", "«value»"],
        ["name"] = [.. Names(elements), "«text»"],
        ["value"] = ["x", "«number»", "true", "false", "«text»", "&lt;", "&#x1;", "&#0;", "&b;", "<![CDATA[«text»]]>",
            "2026-01-01T00:00:00.000Z", "Thu, 01 Jan 2026 00:00:00 GMT", "9999-99-99", "\"e-tag\"", "%E4%0A", " "],
    });

    public static IReadOnlyList<string> Tokens(string root, params string[] elements) =>
        [$"<{root}>", $"</{root}>", .. Names(elements).SelectMany(name => (string[])[$"<{name}>", $"</{name}>", $"<{name}/>"]), "<![CDATA[",
            "]]>", "&#x0;", "&amp;", "<!--", "true", "xmlns:x=\"y\""];

    static IEnumerable<string> Names(string[] elements) =>
        elements.SelectMany(element => element.Split('<', '>', '/')).Where(
            static part => part.Length > 0 && part.All(char.IsAsciiLetterOrDigit)).Distinct();
}

/// <summary>An answer of S3's.</summary>
abstract class S3XmlTarget(string name, string root, params string[] elements) : Target
{
    protected const string Subject = "s3://bucket/key";

    public override string Name => name;

    public override IEnumerable<byte[]> Seeds =>
        [Bytes("<?xml version=\"1.0\" "
        + $"encoding=\"UTF-8\"?><{root}>{string.Concat(elements.Where(static e => !e.Contains('«', StringComparison.Ordinal)))}</{root}>")];

    public override Grammar Grammar { get; } = XmlGrammar.Of(root, elements);

    public override IReadOnlyList<string> Tokens { get; } = XmlGrammar.Tokens(root, elements);

    protected static string Many(int count) => count > 2 ? "many" : $"{count}";
}

sealed class S3ListTarget() : S3XmlTarget("s3-list", "ListBucketResult",
    "<EncodingType>url</EncodingType>", "<IsTruncated>true</IsTruncated>", "<NextContinuationToken>t</NextContinuationToken>",
    "<Contents><Key>a%2Fb</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>3</Size><StorageClass>GLACIER</StorageClass></Contents>",
    "<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>", "<Contents><Key>«value»</Key><Size>«value»</Size></Contents>",
    "<CommonPrefixes><Prefix>«value»</Prefix></CommonPrefixes>")
{
    public override string Run(byte[] input)
    {
        var page = S3Store.Listed.Parse(input, Subject);
        Must(page.Next is null or { Length: > 0 }, "a page that goes on says how");
        Must(page.Objects.All(found => found.Size >= 0 && found.Key is not null), "sizes are 0 and more");
        Must(page.Objects.Count + page.Prefixes.Count == 0 == page.Last is null, "the last key is one of them");
        return $"{Many(page.Objects.Count)} objects, {Many(page.Prefixes.Count)} prefixes, {page.Next is null}, tag "
            + $"{page.Objects.Any(found => found.ETag is not null)}, class {page.Objects.Any(found => found.Attributes.Count > 0)}";
    }
}

sealed class S3UploadsTarget() : S3XmlTarget("s3-uploads", "ListMultipartUploadsResult",
    "<EncodingType>url</EncodingType>", "<IsTruncated>true</IsTruncated>", "<NextKeyMarker>k%20</NextKeyMarker>",
    "<NextUploadIdMarker>i</NextUploadIdMarker>",
    "<Upload><Key>k</Key><UploadId>i</UploadId><Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>",
    "<Upload><Key>«value»</Key><UploadId>«value»</UploadId><Initiated>«value»</Initiated></Upload>")
{
    public override string Run(byte[] input)
    {
        var page = S3Store.Uploads.Parse(input, Subject);
        Must(page.Next is null or { Key.Length: > 0 }, "a page that goes on says how");
        return $"{Many(page.Found.Count)} uploads, {page.Next is null}, {page.Found.Any(found => found.Begun is null)}";
    }
}

sealed class S3PartsTarget() : S3XmlTarget("s3-parts", "GetObjectAttributesResponse",
    "<ETag>e</ETag>",
    "<ObjectParts><IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker><Part><Size>5</Size><ChecksumCRC32C>AAAAAA==</ChecksumCRC32C></Part></ObjectParts>",
    "<Part><Size>«value»</Size><ChecksumCRC32C>AAAAAA==</ChecksumCRC32C></Part>",
    "<Part><Size>5</Size><ChecksumCRC32C>«value»</ChecksumCRC32C></Part>")
{
    public override bool Documents(Exception fault) => false;

    public override string Run(byte[] input)
    {
        var page = S3Store.PartsPage.Parse(input);
        Must(page.Parts?.All(part => part.Length > 0) ?? true, "parts hold bytes");
        return $"{(page.Parts is null ? "none" : Many(page.Parts.Count))}, {page.ETag is null}, {page.Next is null}";
    }
}

sealed class S3BucketsTarget() : S3XmlTarget("s3-buckets", "ListAllMyBucketsResult",
    "<Buckets><Bucket><Name>b</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets>",
    "<ContinuationToken>t</ContinuationToken>", "<Bucket><Name>«value»</Name><CreationDate>«value»</CreationDate></Bucket>")
{
    public override string Run(byte[] input)
    {
        var all = new List<ContainerInfo>();
        string? next = S3Containers.Parse(input, all, Subject);
        Must(next is null or { Length: > 0 }, "a page that goes on says how");
        return $"{Many(all.Count)} buckets, {next is null}, {all.Any(bucket => bucket.Created is null)}";
    }
}

sealed class S3TagsTarget() : S3XmlTarget("s3-tags", "Tagging",
    "<TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet>", "<Tag><Value>«value»</Value><Key>«value»</Key></Tag>",
    "<Tag><Key>«value»</Key><Value>«value»</Value></Tag>")
{
    public override string Run(byte[] input)
    {
        var tags = ObjectTags.Parse(input, Subject, S3Xml.Service);
        foreach (string part in (ObjectAttributes.Query(tags) ?? "").Split('&'))
            Must(part.Length == 0 || part.Split('=').Length == 2, "tags are sent on as a query");
        return $"{Many(tags.Count)} tags";
    }
}

sealed class S3DeletedTarget() : S3XmlTarget("s3-deleted", "DeleteResult",
    "<Deleted><Key>k</Key></Deleted>", "<Error><Key>k</Key><Code>AccessDenied</Code><Message>m</Message></Error>",
    "<Error><Key>«value»</Key><Code>InternalError</Code><Message>«value»</Message></Error>")
{
    public override string Run(byte[] input)
    {
        var refused = S3Store.ParseRefused(input, Subject);
        Must(refused.All(found => found.Error.Status is 400 or 500), "each has a status");
        return $"{Many(refused.Count)} refused, {refused.Any(found => found.Error.Status == 500)}";
    }
}

sealed class S3ResultTarget() : S3XmlTarget("s3-result", "CompleteMultipartUploadResult",
    "<ETag>&quot;e-2&quot;</ETag>", "<ChecksumCRC32C>AAAAAA==</ChecksumCRC32C>", "<ChecksumType>FULL_OBJECT</ChecksumType>",
    "<ChecksumCRC32C>AAAAAA==-2</ChecksumCRC32C>", "<UploadId>u</UploadId>", "<ETag>«value»</ETag>",
    "<ChecksumType>COMPOSITE</ChecksumType>")
{
    public override string Run(byte[] input)
    {
        var result = S3Result.Parse(input, Subject);
        Must(result.Whole is null || result.Type != "COMPOSITE", "checksums of parts are none of the whole");
        string id = result.RequireUploadId(Subject);
        Must(id.Length > 0, "an upload has a name");
        return $"{ETags.Bare(result.ETag) is null}, {result.Whole is null}, {result.Type is null}";
    }
}

sealed class S3ErrorTarget() : S3XmlTarget("s3-error", "Error",
    "<Code>NoSuchKey</Code>", "<Message>m</Message>", "<Region>r</Region>", "<RequestId>i</RequestId>",
    "<ServerTime>2026-01-01T00:00:00Z</ServerTime>", "<Code>«code»</Code>", "<ServerTime>«value»</ServerTime>")
{
    static readonly S3Client Client = new(
        S3Options.Read(StoreOptions.Parse("{\"region\":\"r\",\"endpoint_url\":\"http://127.0.0.1:1\",\"anonymous\":true}", "s3://bucket/"),
            new StoreUri("s3", "bucket", "")), "s3://bucket/");

    static readonly int[] Statuses =
        [200, 301, 307, 400, 401, 403, 404, 405, 408, 409, 412, 416, 418, 429, 500, 501, 503, 507, 599, 0, 999];

    public override Grammar Grammar { get; } = new(
        "document", new Dictionary<string, string[]>(
            XmlGrammar.Of("Error", "<Code>«code»</Code>", "<Message>«value»</Message>", "<Region>«value»</Region>",
                "<ServerTime>«value»</ServerTime>").Rules)
        {
            ["code"] = ["SlowDown", "NoSuchBucket", "ExpiredToken", "RequestTimeTooSkewed", "PermanentRedirect", "EntityTooLarge",
            "QuotaExceeded", "InternalError", "«text»"],
        });

    public override bool Documents(Exception fault) => false;

    public override string Run(byte[] input)
    {
        int status = input.Length == 0 ? 500 : Statuses[input[^1] % Statuses.Length];
        var error = S3Error.Parse(status, input);
        var failure = error.ToFailure(new RemoteRequest(HttpMethod.Get, "bucket", "key", Subject), Client, "r");
        Must(failure.Error.Uri == Subject && failure.Error.Detail.Length > 0 && failure.Error.Kind != ErrorKind.Internal,
            "every answer has an error of its own");
        return $"{failure.Error.Kind} {failure.Error.Reason} {failure.Transient} {error.ServerTime is null}";
    }
}
