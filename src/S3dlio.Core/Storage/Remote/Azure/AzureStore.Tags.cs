using System.Xml;

namespace S3dlio.Storage.Remote.Azure;

public sealed partial class AzureStore
{
    /// <summary>The tags that a copy has to be given, since Copy Blob leaves them behind; none where the source has none or they may not be read.</summary>
    async ValueTask<IReadOnlyDictionary<string, string>?> TagsToCopyAsync(ObjectMeta original, CancellationToken cancel)
    {
        if (original.Attributes.GetValueOrDefault("tag_count") is null or "0")
            return null;
        return await _client.SendAsync(Request(HttpMethod.Get, original.Key).Ask("comp", "tags"), async (answer, stop) =>
            ParseTags(await answer.ReadTextAsync(1 << 20, stop).ConfigureAwait(false), Root.Child(original.Key)), cancel).ConfigureAwait(false);
    }

    /// <exception cref="StoreException">InvalidData when it is something else.</exception>
    internal static Dictionary<string, string> ParseTags(ReadOnlyMemory<byte> text, string uri)
    {
        var tags = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            using var xml = new AzureXml(text);
            xml.Root();
            string? name = null;
            while (xml.Next() is { } element)
            {
                if (element.Name == "Key")
                    name = xml.Text();
                else if (element.Name == "Value" && name is not null)
                    tags[name] = xml.Text();
            }
            return tags;
        }
        catch (XmlException error)
        {
            throw new StoreException(ErrorKind.InvalidData, uri, $"the answer is not the list of tags that the Blob service sends: {error.Message}; check endpoint_url", cause: error);
        }
    }
}
