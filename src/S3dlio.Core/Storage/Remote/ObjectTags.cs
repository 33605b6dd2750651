namespace S3dlio.Storage.Remote;

/// <summary>The document of an object's tags, which S3 and Azure share.</summary>
static class ObjectTags
{
    public const int Limit = 1 << 20;

    /// <param name="text">Empty where there are no tags: older gateways say nothing then.</param>
    /// <param name="subject">The object, for messages.</param>
    /// <param name="service">As in <see cref="ServiceXml.Read"/>.</param>
    /// <exception cref="StoreException">InvalidData when it is something else.</exception>
    public static Dictionary<string, string> Parse(ReadOnlyMemory<byte> text, string subject, string service)
    {
        if (text.Length == 0)
            return [];
        return ServiceXml.Read(text, subject, service, static xml =>
        {
            var tags = new Dictionary<string, string>(StringComparer.Ordinal);
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
