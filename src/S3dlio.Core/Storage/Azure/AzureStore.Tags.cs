namespace S3dlio.Storage.Azure;

public sealed partial class AzureStore
{
    /// <summary>The tags that a copy has to be given, since Copy Blob leaves them behind; none where the source has none or they may not be read.</summary>
    async ValueTask<IReadOnlyDictionary<string, string>?> TagsToCopyAsync(ObjectMeta original, CancellationToken cancel)
    {
        if (original.Attributes.GetValueOrDefault("tag_count") is null or "0")
            return null;
        return await _client.SendAsync(Request(HttpMethod.Get, original.Key).Ask("comp", "tags"), async (answer, stop) =>
        {
            var tags = new Dictionary<string, string>(StringComparer.Ordinal);
            using var xml = new AzureXml(await answer.ReadTextAsync(1 << 20, stop).ConfigureAwait(false));
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
        }, cancel).ConfigureAwait(false);
    }
}
