using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using S3dlio.Hashing;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>
/// The object's checksum, content type and metadata, kept in extended attributes: <c>user.s3dlio.crc32c</c> holds <c>crc32c:1a2b3c4d
/// 12345</c>, the checksum and the size it was taken over; <c>user.s3dlio.meta</c> holds JSON, the content type, the
/// attributes and the user's metadata.
/// A program that changes the file in place does not update the record, so the next read finds the mismatch.
/// </summary>
sealed record FileAttributeRecord(
    Checksum? Checksum, long Size, string? ContentType,
    IReadOnlyDictionary<string, string> Metadata, IReadOnlyDictionary<string, string> Attributes)
{
    const int MaxDepth = 64;
    const string ChecksumName = "user.s3dlio.crc32c";
    const string MetaName = "user.s3dlio.meta";
    const string ContentTypeField = "content_type";
    const string MetadataField = "metadata";
    const string AttributesField = "attributes";

    internal static readonly FileAttributeRecord Empty = new(null, 0, null, ObjectMeta.NoMetadata, ObjectMeta.NoMetadata);

    /// <summary>The record of what a put writes.</summary>
    public static FileAttributeRecord Of(Checksum checksum, long size, PutOptions options) =>
        new(checksum, size, options.ContentType, options.Metadata ?? ObjectMeta.NoMetadata, options.Attributes ?? ObjectMeta.NoMetadata);

    public static FileAttributeRecord Read(SafeFileHandle handle, string uri)
    {
        Span<byte> text = stackalloc byte[128];
        var record = Empty;
        if (Has(Interop.GetAttribute(handle, ChecksumName, text, out int length), uri))
            record = ParseChecksum(text[..length], uri);
        text = stackalloc byte[512];
        int errno = Interop.GetAttribute(handle, MetaName, text, out length);
        if (errno == Errno.ERANGE)
        {
            // 64 KiB is the kernel's limit for one value
            text = new byte[1 << 16];
            errno = Interop.GetAttribute(handle, MetaName, text, out length);
        }
        return Has(errno, uri) ? ParseMeta(record, text[..length], uri) : record;
    }

    /// <summary>
    /// Writes the record to a file that is being written. The checksum is dropped where attributes are not supported; metadata never is.
    /// </summary>
    public void Write(SafeFileHandle handle, string uri)
    {
        if (Checksum is { } checksum)
        {
            Span<byte> text = stackalloc byte[64];
            checksum.TryFormat(text);
            text[Hashing.Checksum.TextLength] = (byte)' ';
            Size.TryFormat(text[(Hashing.Checksum.TextLength + 1)..], out int digits, default, CultureInfo.InvariantCulture);
            int errno = Interop.SetAttribute(handle, ChecksumName, text[..(Hashing.Checksum.TextLength + 1 + digits)]);
            // a full attribute area is no reason to refuse data that is itself whole
            if (errno is not (0 or Errno.EOPNOTSUPP or Errno.EPERM or Errno.ENOSPC or Errno.E2BIG or Errno.ERANGE))
                throw LocalError.Error(errno, uri, "record the checksum");
        }
        if (ContentType is null && Metadata.Count == 0 && Attributes.Count == 0)
            return;
        var json = ToJson();
        switch (Interop.SetAttribute(handle, MetaName, json))
        {
            case 0:
                return;
            case Errno.EOPNOTSUPP or Errno.EPERM:
                throw StoreException.InvalidArgument(uri,
                    "the file system has no extended attributes, so content_type, attributes and metadata cannot be kept; write without "
                    + "them");
            case Errno.ENOSPC or Errno.E2BIG or Errno.ERANGE:
                throw StoreException.InvalidArgument(uri,
                    $"content_type, attributes and metadata take {json.Length} bytes as JSON, more than the file system keeps in extended "
                    + "attributes (ext4: about 4000; at most 65536 anywhere); shorten them");
            case var errno:
                throw LocalError.Error(errno, uri, "record the metadata");
        }
    }

    static bool Has(int errno, string uri)
    {
        if (errno is 0)
            return true;
        if (errno is Errno.ENODATA or Errno.EOPNOTSUPP)
            return false;
        throw errno == Errno.ERANGE
            ? Broken(uri, ChecksumName, "it is too long")
            : LocalError.Error(errno, uri, "read the extended attributes");
    }

    internal static FileAttributeRecord ParseChecksum(ReadOnlySpan<byte> utf8, string uri)
    {
        string text = Encoding.UTF8.GetString(utf8);
        int blank = text.IndexOf(' ', StringComparison.Ordinal);
        if (blank < 0
            || !Hashing.Checksum.TryParse(text.AsSpan(0, blank), out var checksum)
            || !long.TryParse(text.AsSpan(blank + 1), NumberStyles.None, CultureInfo.InvariantCulture, out long size))
            throw Broken(uri, ChecksumName, $"expected 'crc32c:xxxxxxxx <size>', found '{text}'");
        return Empty with { Checksum = checksum, Size = size };
    }

    internal static FileAttributeRecord ParseMeta(FileAttributeRecord record, ReadOnlySpan<byte> json, string uri)
    {
        var found = record with { ContentType = null, Metadata = ObjectMeta.NoMetadata, Attributes = ObjectMeta.NoMetadata };
        try
        {
            // a field of another name is of a later version
            foreach (var (name, value) in StrictJson.Members(StrictJson.Parse(json.ToArray(), MaxDepth)))
            {
                found = name switch
                {
                    ContentTypeField => found with { ContentType = StrictJson.Text(value) },
                    MetadataField => found with { Metadata = StrictJson.TextMap(value) },
                    AttributesField => found with { Attributes = StrictJson.TextMap(value) },
                    _ => found,
                };
            }
        }
        catch (StrictJsonException)
        {
            throw Broken(uri, MetaName, "it is not the JSON that was expected");
        }
        return found;
    }

    internal byte[] ToJson() => JsonText.Object(json =>
    {
        if (ContentType is not null)
            json.WriteString(ContentTypeField, ContentType);
        WritePairs(json, AttributesField, Attributes);
        WritePairs(json, MetadataField, Metadata);
    });

    static void WritePairs(Utf8JsonWriter writer, string field, IReadOnlyDictionary<string, string> pairs)
    {
        if (pairs.Count == 0)
            return;
        writer.WriteStartObject(field);
        foreach (var (name, value) in pairs)
            writer.WriteString(name, value);
        writer.WriteEndObject();
    }

    static StoreException Broken(string uri, string name, string how) =>
        new(ErrorKind.InvalidData, uri,
            $"the extended attribute {name} is broken: {how}; remove it (setfattr -x {name}) to read the file without it");
}
