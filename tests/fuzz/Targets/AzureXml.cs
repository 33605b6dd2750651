using S3dlio.Storage;
using S3dlio.Storage.Remote;
using S3dlio.Storage.Remote.Azure;

namespace S3dlio.Fuzz.Targets;

/// <summary>An answer of the Blob service's.</summary>
abstract class AzureXmlTarget(string name, string root, params string[] elements) : Target
{
    protected const string Uri = "az://account/container/";

    public override string Name => name;

    public override IEnumerable<byte[]> Seeds =>
        [Bytes("\uFEFF<?xml version=\"1.0\" "
        + $"encoding=\"utf-8\"?><{root}>{string.Concat(elements.Where(static e => !e.Contains('«', StringComparison.Ordinal)))}</{root}>")];

    public override Grammar Grammar { get; } = XmlGrammar.Of(root, elements);

    public override IReadOnlyList<string> Tokens { get; } = XmlGrammar.Tokens(root, elements);

    protected static string Many(int count) => count > 2 ? "many" : $"{count}";
}

sealed class AzureListTarget() : AzureXmlTarget("azure-list", "EnumerationResults",
    "<Blobs><Blob><Name>a</Name><Properties><Last-Modified>Thu, 01 Jan 2026 00:00:00 "
    + "GMT</Last-Modified><Etag>0x1</Etag><Content-Length>3</Content-Length><Content-Type>t</Content-Type><AccessTier>Hot</AccessTier><ResourceType>file</ResourceType></Properties></Blob><BlobPrefix><Name>b/</Name></BlobPrefix></Blobs>",
    "<NextMarker>m</NextMarker>",
    "<Blobs><Blob><Name "
    + "Encoded=\"true\">«value»</Name><Properties><Content-Length>«value»</Content-Length><Last-Modified>«value»</Last-Modified></Properties></Blob></Blobs>",
    "<Blobs><BlobPrefix><Name>«value»</Name></BlobPrefix></Blobs>")
{
    public override string Run(byte[] input)
    {
        var answer = ListResponse.Parse(input, Uri);
        Must(answer.Marker is null or { Length: > 0 }, "a page that goes on says how");
        Must(answer.Entries.Zip(answer.Entries.Skip(1)).All(pair => ObjectKey.Compare(pair.First.Key, pair.Second.Key) <= 0),
            "entries are in order");
        Must(answer.Entries.All(entry => entry.Key.Length > 0 && entry.Meta is not { Size: < 0 }), "entries have names and sizes");
        return $"{Many(answer.Entries.Count(entry => entry.Meta is null))} prefixes, "
            + $"{Many(answer.Entries.Count(entry => entry.Meta is not null))} objects, {answer.Marker is null}";
    }
}

sealed class AzureContainersTarget() : AzureXmlTarget("azure-containers", "EnumerationResults",
    "<Containers><Container><Name>c</Name></Container></Containers>", "<NextMarker>m</NextMarker>",
    "<Containers><Container><Name>«value»</Name></Container></Containers>")
{
    public override string Run(byte[] input)
    {
        var (found, marker) = AzureContainers.Parse(input, Uri);
        Must(marker is null or { Length: > 0 }, "a page that goes on says how");
        return $"{Many(found.Count)} containers, {marker is null}";
    }
}

sealed class AzureTagsTarget() : AzureXmlTarget("azure-tags", "Tags",
    "<TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet>", "<Tag><Key>«value»</Key><Value>«value»</Value></Tag>")
{
    public override string Run(byte[] input) => $"{Many(ObjectTags.Parse(input, Uri, AzureStore.ServiceName).Count)} tags";
}

sealed class AzureErrorTarget() : AzureXmlTarget("azure-error", "Error",
    "<Code>BlobNotFound</Code>", "<Message>m\nTime:2026</Message>", "<AuthenticationErrorDetail>sig</AuthenticationErrorDetail>",
    "<Code>«value»</Code>", "<Message>«value»</Message>")
{
    public override bool Documents(Exception fault) => false;

    public override string Run(byte[] input)
    {
        var error = AzureError.Parse(400, null, input);
        Must(!error.Message.Contains('\n', StringComparison.Ordinal), "a message is one line");
        return $"{error.Code.Length > 0} {error.Message.Length > 0}";
    }
}
