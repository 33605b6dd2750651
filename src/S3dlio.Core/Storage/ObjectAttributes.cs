namespace S3dlio.Storage;

/// <summary>The rules of what a put may say of an object besides its content type and metadata.</summary>
public static class ObjectAttributes
{
    /// <summary>
    /// Those that describe the content, by HTTP's names in lower case: every store keeps them and every copy takes them along.
    /// </summary>
    public static IReadOnlyList<string> OfContent { get; } =
        ["cache_control", "content_disposition", "content_encoding", "content_language", "expires"];

    public static bool IsOfContent(string name) => OfContent.Contains(name);

    /// <summary>
    /// Refuses what a store cannot keep, before anything is sent: an attribute that is lost in silence is found out too late.
    /// </summary>
    /// <exception cref="StoreException">InvalidArgument, with the nearest known name.</exception>
    public static void Check(string uri, PutOptions options, IReadOnlyCollection<string> known, bool hasTags)
    {
        foreach (string name in options.Attributes?.Keys ?? [])
        {
            if (!known.Contains(name))
                throw StoreException.InvalidArgument(uri, NearestName.Refuse("attribute", name, known));
        }
        if (!hasTags && options.Tags is not null)
            throw StoreException.InvalidArgument(uri, "tags are kept by S3 and Azure alone; put the pairs into the metadata");
    }

    /// <summary>What a copy keeps of its source's attributes where the store it goes to keeps them too; those given win.</summary>
    public static Dictionary<string, string> Copied(ObjectMeta source, PutOptions options, IReadOnlyCollection<string> known)
    {
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in source.Attributes)
        {
            if (IsOfContent(name) && known.Contains(name))
                result[name] = value;
        }
        foreach (var (name, value) in options.Attributes ?? ObjectMeta.NoMetadata)
            result[name] = value;
        return result;
    }

    /// <summary>Tags as both S3 and Azure take them: a query.</summary>
    public static string? Query(IReadOnlyDictionary<string, string>? tags) =>
        tags is null ? null : string.Join('&', tags.Select(tag => $"{Uri.EscapeDataString(tag.Key)}={Uri.EscapeDataString(tag.Value)}"));
}
