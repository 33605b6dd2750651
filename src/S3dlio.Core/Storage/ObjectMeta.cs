using S3dlio.Hashing;

namespace S3dlio.Storage;

/// <summary>What a store knows of one object.</summary>
public sealed record ObjectMeta
{
    /// <summary>The key within its store.</summary>
    public required string Key { get; init; }

    /// <summary>Length in bytes as stored.</summary>
    public required long Size { get; init; }

    /// <summary>When it was last written, UTC.</summary>
    public required DateTimeOffset LastModified { get; init; }

    /// <summary>
    /// Changes whenever the content does; usable as a condition of a later call. Null in listings of stores that do not list it.
    /// </summary>
    public string? ETag { get; init; }

    /// <summary>CRC32C of the stored bytes, where the store kept one.</summary>
    public Checksum? Checksum { get; init; }

    /// <summary>
    /// The server said it, and there are servers that label another function's value so: see <see cref="MislabelledCrc32"/>.
    /// </summary>
    internal bool MayBeMislabelled { get; init; }

    /// <summary>The checksum of the stored bytes that another program chose, where there is no CRC32C.</summary>
    public Digest? Digest { get; init; }

    /// <summary>CRC32C of its blocks, where the store keeps them beside the object.</summary>
    public BlockChecksums? Blocks { get; init; }

    public string? ContentType { get; init; }

    /// <summary>The user's own key-value pairs.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = NoMetadata;

    /// <summary>Further attributes by the name that Python's <c>stat</c> gives them (storage_class, version_id, …).</summary>
    public IReadOnlyDictionary<string, string> Attributes { get; init; } = NoMetadata;

    /// <summary>
    /// Whether this is what was seen before: a tag that is made of the content is the same for the same bytes written again, so that is not
    /// all.
    /// </summary>
    internal bool IsAsSeen(ObjectMeta seen) =>
        ETag == seen.ETag && Size == seen.Size && LastModified == seen.LastModified && Metadata.Count == seen.Metadata.Count
            && !Metadata.Except(seen.Metadata).Any();

    /// <summary>Who may read the file, as the bits of its mode; null where objects have none.</summary>
    internal uint? Permissions { get; init; }

    internal static IReadOnlyDictionary<string, string> NoMetadata { get; } = new Dictionary<string, string>();
}
