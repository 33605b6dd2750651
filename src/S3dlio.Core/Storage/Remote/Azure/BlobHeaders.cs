using S3dlio.Hashing;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>What a blob's headers say of it, and what a write says in them.</summary>
static class BlobHeaders
{
    // header in an answer, header of a write (null: read only), the name that stat gives it
    static readonly (string Answer, string? Write, string Name)[] Known =
    [
        ("Cache-Control", "x-ms-blob-cache-control", "cache_control"),
        ("Content-Disposition", "x-ms-blob-content-disposition", "content_disposition"),
        ("Content-Encoding", "x-ms-blob-content-encoding", "content_encoding"),
        ("Content-Language", "x-ms-blob-content-language", "content_language"),
        ("x-ms-access-tier", "x-ms-access-tier", "access_tier"),
        ("x-ms-encryption-scope", "x-ms-encryption-scope", "encryption_scope"),
        ("x-ms-version-id", null, "version_id"),
        ("x-ms-tag-count", null, "tag_count"),
        ("x-ms-blob-type", null, "blob_type"),
        ("x-ms-creation-time", null, "creation_time"),
        ("x-ms-archive-status", null, "archive_status"),
        ("x-ms-lease-state", null, "lease_state"),
    ];

    public static IReadOnlyCollection<string> WritableNames { get; } =
        [.. Known.Where(known => known.Write is not null).Select(known => known.Name)];

    /// <summary>Content type, attributes and conditions of a write.</summary>
    public static void Write(RemoteRequest request, PutOptions options)
    {
        WriteConditions(request, options);
        request.WithHeader("x-ms-blob-content-type", options.ContentType);
        ObjectAttributes.Check(request.Subject, options, WritableNames, hasTags: true);
        foreach (var (name, value) in options.Attributes ?? ObjectMeta.NoMetadata)
            request.WithHeader(Known.First(known => known.Name == name).Write!, value);
        request.WithHeader("x-ms-tags", ObjectAttributes.Query(options.Tags));
    }

    public static void WriteConditions(RemoteRequest request, PutOptions options)
    {
        if (!options.Overwrite)
            request.WithHeader("If-None-Match", "*");
        request.WithIfMatch(options.IfMatch);
    }

    /// <summary>An existing blob, from the answer to a Get Blob or Get Blob Properties.</summary>
    public static RemoteObject Read(string key, HttpResponse answer, long size)
    {
        var (metadata, checksum, blocks, write) = BlobMetadata.Read(answer.Headers());
        Dictionary<string, string>? attributes = null;
        foreach (var (header, _, name) in Known)
        {
            if (answer.Header(header) is { Length: > 0 } value)
                (attributes ??= new(StringComparer.Ordinal))[name] = value;
        }
        return new RemoteObject(new ObjectMeta
        {
            Key = key,
            Size = size,
            LastModified = answer.Date("Last-Modified") ?? default,
            ETag = ETags.Bare(answer.Header("ETag")),
            Checksum = checksum,
            Blocks = blocks is null ? null : BlockChecksums.Parse(blocks, size),
            ContentType = answer.Header("Content-Type"),
            Metadata = metadata,
            Attributes = attributes ?? ObjectMeta.NoMetadata,
        }, write);
    }

    /// <summary>What a write that succeeded has made.</summary>
    public static Written Written(HttpResponse answer) =>
        new(ETags.Bare(answer.Header("ETag")), LastModified: answer.Date("Last-Modified") ?? answer.Date("Date"));
}
