using System.Globalization;
using S3dlio.Hashing;
using S3dlio.Storage.Http;

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

    public static IReadOnlyCollection<string> WritableNames { get; } = [.. Known.Where(known => known.Write is not null).Select(known => known.Name)];

    /// <summary>Content type, attributes and conditions of a write.</summary>
    public static void Say(AzureRequest request, PutOptions options)
    {
        SayConditions(request, options);
        request.Say("x-ms-blob-content-type", options.ContentType);
        ObjectAttributes.Check(request.Subject, options, WritableNames, hasTags: true);
        foreach (var (name, value) in options.Attributes ?? ObjectMeta.NoMetadata)
            request.Say(Known.First(known => known.Name == name).Write!, value);
        request.Say("x-ms-tags", ObjectAttributes.Query(options.Tags));
    }

    public static void SayConditions(AzureRequest request, PutOptions options)
    {
        if (!options.Overwrite)
            request.Say("If-None-Match", "*");
        request.SayIfMatch(options.IfMatch);
    }

    /// <summary>An existing blob, from the answer to a Get Blob or Get Blob Properties.</summary>
    public static Blob Read(string key, HttpAnswer answer)
    {
        var (metadata, checksum, blocks, write) = BlobMetadata.Read(answer.Headers());
        Dictionary<string, string>? attributes = null;
        foreach (var (header, _, name) in Known)
        {
            if (answer.Header(header) is { Length: > 0 } value)
                (attributes ??= new(StringComparer.Ordinal))[name] = value;
        }
        long size = Size(answer);
        return new Blob(new ObjectMeta
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
    public static ObjectMeta Written(string key, long size, Checksum checksum, PutOptions options, HttpAnswer answer) => new()
    {
        Key = key,
        Size = size,
        LastModified = answer.Date("Last-Modified") ?? answer.Date("Date") ?? DateTimeOffset.UtcNow,
        ETag = ETags.Bare(answer.Header("ETag")),
        Checksum = checksum,
        ContentType = options.ContentType,
        Metadata = options.Metadata ?? ObjectMeta.NoMetadata,
        Attributes = options.Attributes ?? ObjectMeta.NoMetadata,
    };

    /// <summary>An answer of other bytes than those that were asked for must not become the caller's data.</summary>
    /// <exception cref="StoreException">InvalidData.</exception>
    public static void CheckRange(HttpAnswer answer, long first, long length, long size)
    {
        long end = Math.Min(size, first + length);
        string expected = string.Create(CultureInfo.InvariantCulture, $"bytes {first}-{end - 1}/{size}");
        string? found = answer.Header("Content-Range");
        // one that ignores ranges answers with the whole
        if (answer.Status == 206 ? found == expected && answer.Length == end - first : first == 0 && answer.Length == size && found is null)
            return;
        throw new StoreException(ErrorKind.InvalidData, answer.Call.Subject,
            $"{expected} was asked for; {found ?? $"status {answer.Status}"} with {answer.Length} bytes came; check what stands between this machine and the service", first);
    }

    // the whole object's, also when the answer is a part of it
    static long Size(HttpAnswer answer)
    {
        if (answer.Header("Content-Range") is { } range && range.LastIndexOf('/') is var slash && slash >= 0
            && long.TryParse(range.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out long whole))
            return whole;
        return answer.Length ?? throw new StoreException(ErrorKind.InvalidData, answer.Call.Subject, $"{HttpFault.Place(answer.Call)} does not say how long the object is; check endpoint_url: is it a Blob service?");
    }
}

/// <summary>An object, and which write made it.</summary>
readonly record struct Blob(ObjectMeta Meta, string? Write);
