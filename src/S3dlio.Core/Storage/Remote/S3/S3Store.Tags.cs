namespace S3dlio.Storage.Remote.S3;

public sealed partial class S3Store
{
    /// <summary>
    /// The tags that a copy has to be given where the server does not take them along: one made of parts, and at Ceph one that is described
    /// anew. Amazon says with an object how many it has; others are asked, and one that has no answer has no tags.
    /// </summary>
    async ValueTask<IReadOnlyDictionary<string, string>?> TagsToCopyAsync(ObjectMeta origin, CancellationToken cancel)
    {
        string? count = origin.Attributes.GetValueOrDefault("tag_count");
        if (count is "0" || (count is null && _client.Endpoint.IsAmazon))
            return null;
        try
        {
            return await ReadTagsAsync(origin, cancel).ConfigureAwait(false) is { Count: > 0 } tags ? tags : null;
        }
        catch (StoreException) when (count is null)
        {
            return null;
        }
    }

    async ValueTask<IReadOnlyDictionary<string, string>> ReadTagsAsync(ObjectMeta origin, CancellationToken cancel)
    {
        var request = Request(HttpMethod.Get, origin.Key).Ask("tagging");
        return await _client.SendAsync(request, async (answer, _, stop) =>
            ParseTags(await answer.ReadTextAsync(1 << 20, stop).ConfigureAwait(false), request.Subject), cancel).ConfigureAwait(false);
    }

    internal static Dictionary<string, string> ParseTags(ReadOnlyMemory<byte> text, string subject)
    {
        var tags = new Dictionary<string, string>(StringComparer.Ordinal);
        // older gateways say nothing where there are none
        if (text.Length == 0)
            return tags;
        return S3Xml.Read(text, subject, xml =>
        {
            xml.Root();
            string? name = null;
            while (xml.Next() is { } element)
            {
                if (element == "Key")
                    name = xml.Text();
                else if (element == "Value" && name is not null)
                    tags[name] = xml.Text();
            }
            return tags;
        });
    }
}
