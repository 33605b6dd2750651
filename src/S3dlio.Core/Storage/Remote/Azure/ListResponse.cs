using System.Globalization;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>One page of List Blobs, as the service sends it.</summary>
/// <param name="Entries">Objects and folded prefixes in the order of their UTF-8 bytes.</param>
/// <param name="Marker">Marker of the next page; null at the end.</param>
sealed record ListResponse(IReadOnlyList<ListEntry> Entries, string? Marker)
{
    /// <summary>The same in the order in which they came.</summary>
    public IReadOnlyList<ListEntry> AsSent { get; init; } = Entries;

    /// <exception cref="StoreException">InvalidData when it is something else.</exception>
    public static ListResponse Parse(ReadOnlyMemory<byte> text, string uri) => ServiceXml.Read(text, uri, AzureStore.ServiceName, xml =>
        xml.Root == "EnumerationResults" ? Read(xml, uri) : throw Wrong(uri, $"its root is <{xml.Root}>"));

    static ListResponse Read(ServiceXml xml, string uri)
    {
        var entries = new List<ListEntry>();
        string? marker = null;
        var entry = new Draft();
        while (xml.Next() is { } name)
        {
            switch (xml.Depth, name)
            {
                case (1, "NextMarker"):
                    marker = xml.Text();
                    break;
                case (2, "Blob" or "BlobPrefix"):
                    entry.AddTo(entries);
                    entry = new Draft { IsPrefix = name == "BlobPrefix", IsOpen = true };
                    break;
                case (3, "Name"):
                    bool isEncoded = xml.Attribute("Encoded") is "true";
                    string text = xml.Text();
                    entry.Name = isEncoded ? Uri.UnescapeDataString(text) : text;
                    break;
                case (4, "Content-Length"):
                    if (!long.TryParse(xml.Text(), NumberStyles.None, CultureInfo.InvariantCulture, out entry.Size))
                        throw Wrong(uri, $"the size of '{entry.Name}' is no number");
                    break;
                case (4, "Last-Modified"):
                    if (!DateTimeOffset.TryParse(xml.Text(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out entry.Time))
                        throw Wrong(uri, $"the time of '{entry.Name}' is no date");
                    break;
                case (4, "Etag"):
                    entry.ETag = ETags.Bare(xml.Text());
                    break;
                case (4, "Content-Type"):
                    entry.ContentType = xml.Text();
                    break;
                case (4, "AccessTier"):
                    entry.Tier = xml.Text();
                    break;
                case (4, "ResourceType"):
                    // accounts with a hierarchical namespace list their directories as blobs; here only objects are
                    entry.IsOpen &= xml.Text() != "directory";
                    break;
            }
        }
        entry.AddTo(entries);
        ListEntry[] sent = [.. entries];
        entries.Sort(static (a, b) => ObjectKey.Compare(a.Key, b.Key));
        return new ListResponse(entries, marker is { Length: > 0 } ? marker : null) { AsSent = sent };
    }

    static StoreException Wrong(string uri, string what) =>
        new(ErrorKind.InvalidData, uri, $"the answer is not the list that the Blob service sends: {what}; check endpoint_url");

    sealed class Draft
    {
        public bool IsOpen, IsPrefix;
        public string Name = "";
        public long Size;
        public DateTimeOffset Time;
        public string? ETag, ContentType, Tier;

        public void AddTo(List<ListEntry> entries)
        {
            if (!IsOpen || Name.Length == 0)
                return;
            entries.Add(new ListEntry(Name, IsPrefix ? null : new ObjectMeta
            {
                Key = Name,
                Size = Size,
                LastModified = Time,
                ETag = ETag,
                ContentType = ContentType,
                Attributes = Tier is null
                    ? ObjectMeta.NoMetadata
                    : new Dictionary<string, string>(StringComparer.Ordinal) { ["access_tier"] = Tier },
            }));
        }
    }
}

/// <param name="Key">The object's key, or the prefix.</param>
/// <param name="Meta">Null for a prefix.</param>
readonly record struct ListEntry(string Key, ObjectMeta? Meta);
