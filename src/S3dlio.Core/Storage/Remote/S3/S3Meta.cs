using System.Globalization;
using System.Text;
using S3dlio.Hashing;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>An object's headers as <see cref="ObjectMeta"/>, and the other way round.</summary>
static class S3Meta
{
    public const string Prefix = "x-amz-meta-";

    /// <summary>Metadata name of the checksum, for servers that keep none themselves.</summary>
    public const string ChecksumName = Prefix + "s3dlio-crc32c";

    /// <summary>Metadata name of the checksums of the object's blocks.</summary>
    public const string BlocksName = Prefix + "s3dlio-blocks";

    public const string ChecksumHeader = "x-amz-checksum-crc32c";

    /// <summary>S3's limit for names and values together.</summary>
    const int MetadataLimit = 2048;

    static readonly (string Attribute, string Header)[] Attributes =
    [
        ("cache_control", "Cache-Control"),
        ("content_disposition", "Content-Disposition"),
        ("content_encoding", "Content-Encoding"),
        ("content_language", "Content-Language"),
        ("expires", "Expires"),
        ("storage_class", "x-amz-storage-class"),
        ("server_side_encryption", "x-amz-server-side-encryption"),
        ("ssekms_key_id", "x-amz-server-side-encryption-aws-kms-key-id"),
        ("ssekms_encryption_context", "x-amz-server-side-encryption-context"),
        ("bucket_key_enabled", "x-amz-server-side-encryption-bucket-key-enabled"),
        ("sse_customer_algorithm", "x-amz-server-side-encryption-customer-algorithm"),
        ("replication_status", "x-amz-replication-status"),
        ("checksum_crc32", "x-amz-checksum-crc32"),
        ("checksum_crc64nvme", "x-amz-checksum-crc64nvme"),
        ("tag_count", "x-amz-tagging-count"),
        ("version_id", "x-amz-version-id"),
        ("website_redirect_location", "x-amz-website-redirect-location"),
        ("object_lock_mode", "x-amz-object-lock-mode"),
        ("object_lock_retain_until", "x-amz-object-lock-retain-until-date"),
        ("acl", "x-amz-acl"),
    ];

    /// <summary>
    /// The same by the length of the header's name: most headers of an answer are none of these and are passed by at a glance.
    /// </summary>
    static readonly (string Attribute, string Header)[]?[] ByLength =
        [.. Enumerable.Range(0, Attributes.Max(known => known.Header.Length) + 1)
        .Select(length => Array.FindAll(Attributes, known => known.Header.Length == length) is { Length: > 0 } found ? found : null)];

    /// <summary>Attributes that only the server sets.</summary>
    static readonly string[] ReadOnlyAttributes =
        ["version_id", "sse_customer_algorithm", "replication_status", "tag_count", "checksum_crc32", "checksum_crc64nvme"];

    public static IReadOnlyCollection<string> WritableAttributes { get; } =
        [.. Attributes.Select(known => known.Attribute).Except(ReadOnlyAttributes)];

    /// <param name="key">The object's.</param>
    /// <param name="answer">Whose headers are read.</param>
    /// <param name="size">The object's length in bytes.</param>
    /// <param name="isAmazon">Whether the server is Amazon's, whose checksums are what their labels say.</param>
    public static ObjectMeta Read(string key, HttpResponse answer, long size, bool isAmazon = false)
    {
        Dictionary<string, string>? metadata = null, attributes = null;
        Checksum? noted = null;
        BlockChecksums? blocks = null;
        var head = answer.Head;
        for (int i = 0; i < head.Count; i++)
        {
            var bytes = head.Name(i);
            if (bytes.Length > Prefix.Length && Ascii.EqualsIgnoreCase(bytes[..Prefix.Length], Prefix))
            {
                string name = Encoding.Latin1.GetString(bytes), value = Encoding.Latin1.GetString(head.Value(i));
                if (name.Equals(ChecksumName, StringComparison.OrdinalIgnoreCase))
                    noted = Checksum.TryParse(value, out var found) ? found : null;
                else if (name.Equals(BlocksName, StringComparison.OrdinalIgnoreCase))
                    blocks = BlockChecksums.Parse(value, size);
                else
                    (metadata ??= new(StringComparer.Ordinal))[name[Prefix.Length..].ToLowerInvariant()] = HeaderText.Decode(value);
            }
            else if (bytes.Length < ByLength.Length && ByLength[bytes.Length] is { } alike)
            {
                foreach (var (attribute, header) in alike)
                {
                    if (Ascii.EqualsIgnoreCase(bytes, header))
                        (attributes ??= new(StringComparer.Ordinal))[attribute] = Encoding.Latin1.GetString(head.Value(i));
                }
            }
        }
        string? tag = ETags.Bare(answer.Header("ETag")), type = answer.Header("x-amz-checksum-type");
        var native = Native(answer.Header(ChecksumHeader), type, tag);
        return new ObjectMeta
        {
            Key = key,
            Size = size,
            LastModified = answer.Date("Last-Modified") ?? default,
            ETag = tag,
            Checksum = native ?? noted,
            MayBeMislabelled = native is not null && !isAmazon,
            Digest = IsOfWhole(type, tag) ? Foreign(answer) : null,
            Blocks = blocks,
            ContentType = answer.Header("Content-Type"),
            Metadata = metadata ?? ObjectMeta.NoMetadata,
            Attributes = attributes ?? ObjectMeta.NoMetadata,
        };
    }

    /// <summary>S3's own checksum when it is of the whole object's bytes.</summary>
    public static Checksum? Native(string? text, string? type, string? tag) =>
        text is not null && IsOfWhole(type, tag) && Checksum.TryParseBase64(text, out var checksum) ? checksum : null;

    /// <summary>
    /// Whether a checksum is of the object's bytes, and not a composite one of its parts' checksums. Servers that do not say its type are
    /// believed only where the ETag shows that there were no parts.
    /// </summary>
    static bool IsOfWhole(string? type, string? tag) => type is "FULL_OBJECT" || (type is null && !IsOfParts(tag));

    /// <summary>The ETag of an upload in parts ends in their number.</summary>
    public static bool IsOfParts(string? tag) =>
        tag?.LastIndexOf('-') is int dash and >= 0 && dash < tag.Length - 1 && tag.AsSpan(dash + 1).IndexOfAnyExceptInRange('0', '9') < 0;

    /// <summary>What boto3 and S3 itself give objects whose writer asked for nothing.</summary>
    static Digest? Foreign(HttpResponse answer) =>
        Digest.FromBase64(DigestKind.Crc64Nvme, answer.Header("x-amz-checksum-crc64nvme"))
            ?? Digest.FromBase64(DigestKind.Crc32, answer.Header("x-amz-checksum-crc32"));

    /// <summary>Adds what the user says of an object to the request that makes it.</summary>
    public static void Write(RemoteRequest request, PutOptions options)
    {
        request.WithHeader("Content-Type", Checked(request.Subject, "content_type", options.ContentType));
        long total = 0;
        foreach (var (name, value) in options.Metadata ?? ObjectMeta.NoMetadata)
        {
            CheckName(request.Subject, name);
            string header = Prefix + name.ToLowerInvariant();
            string text = Encode(value);
            total += name.Length + text.Length;
            if (header is ChecksumName or BlocksName)
                // a copy from elsewhere; it is set again from the bytes
                continue;
            request.WithHeader(header, text);
        }
        if (total > MetadataLimit)
            throw StoreException.InvalidArgument(request.Subject,
                $"the metadata has {total} bytes of names and values; S3 keeps {MetadataLimit}");
        ObjectAttributes.Check(request.Subject, options, WritableAttributes, hasTags: true);
        foreach (var (name, value) in options.Attributes ?? ObjectMeta.NoMetadata)
            request.WithHeader(Array.Find(Attributes, known => known.Attribute == name).Header, Checked(request.Subject, name, value));
        request.WithHeader("x-amz-tagging", ObjectAttributes.Query(options.Tags));
    }

    /// <summary>Adds the checksums of an object's blocks, where the user's metadata leaves room for them.</summary>
    public static void WriteBlocks(RemoteRequest request, PutOptions options, BlockChecksums? blocks)
    {
        if (blocks?.ToString() is not { } text)
            return;
        long used = BlocksName.Length - Prefix.Length + ChecksumName.Length - Prefix.Length + Checksum.TextLength;
        foreach (var (name, value) in options.Metadata ?? ObjectMeta.NoMetadata)
            used += name.Length + Encode(value).Length;
        if (used + text.Length <= MetadataLimit)
            request.WithHeader(BlocksName, text);
    }

    /// <summary>Adds a body's checksum, which the server compares with what arrives.</summary>
    public static void WriteChecksum(RemoteRequest request, Checksum checksum) =>
        request.WithHeader(ChecksumHeader, checksum.ToBase64()).WithHeader("x-amz-sdk-checksum-algorithm", "CRC32C");

    /// <summary>
    /// Adds what makes a put conditional. Ceph before it had checksums compares the tag with its quotes, and so never finds it the same.
    /// </summary>
    public static void WriteCondition(RemoteRequest request, PutOptions options, S3Capabilities can)
    {
        if (options.IfMatch is { } tag)
            request.WithHeader("If-Match", can.Put == Support.No ? ETags.Bare(tag) : ETags.Quoted(tag));
        else if (!options.Overwrite)
            request.WithHeader("If-None-Match", "*");
    }

    static void CheckName(string subject, string name)
    {
        bool valid = name.Length > 0;
        foreach (char c in name)
            valid &= char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.';
        if (!valid)
            throw StoreException.InvalidArgument(subject,
                $"the metadata name '{name}' cannot be a header's: S3 takes letters (in lower case), digits, '-', '_' and '.'");
    }

    static string? Checked(string subject, string name, string? value)
    {
        if (value is not null && value.AsSpan().IndexOfAnyExceptInRange(' ', '~') >= 0)
            throw StoreException.InvalidArgument(subject,
                $"'{name}' holds characters that a header cannot carry; S3 takes printable ASCII");
        return value;
    }

    /// <summary>
    /// S3 itself shows metadata that is no printable ASCII as RFC 2047 words. Runs of blanks would not keep their length in a signature.
    /// </summary>
    public static string Encode(string value) =>
        HeaderText.IsPlain(value) && !value.Contains("  ", StringComparison.Ordinal) ? value : HeaderText.Word(value);

    public static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
