using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cli.Output;

/// <summary>How objects look in JSON lines.</summary>
static class JsonText
{
    /// <summary>A line each, and only what JSON itself demands is escaped.</summary>
    public static JsonWriterOptions Options => new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>An address, whose bytes that are not UTF-8 are shown as in messages.</summary>
    public static void Address(Utf8JsonWriter json, string name, string address) =>
        json.WriteString(name, PathText.IsUnicode(address) ? address : PathText.Show(address));

    public static string Time(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    /// <summary>What a listing knows of an object.</summary>
    public static void Brief(Utf8JsonWriter json, string address, ObjectMeta meta)
    {
        Address(json, "uri", address);
        json.WriteNumber("size", meta.Size);
        json.WriteString("modified", Time(meta.LastModified));
        if (meta.ETag is not null)
            json.WriteString("etag", meta.ETag);
        if (meta.Checksum is { } checksum)
            json.WriteString("checksum", checksum.ToString());
    }

    public static void Full(Utf8JsonWriter json, string address, ObjectMeta meta)
    {
        Brief(json, address, meta);
        if (meta.Digest is { } digest)
            json.WriteString("digest", digest.ToString());
        if (meta.ContentType is not null)
            json.WriteString("content_type", meta.ContentType);
        Pairs(json, "attributes", meta.Attributes);
        Pairs(json, "metadata", meta.Metadata);
    }

    static void Pairs(Utf8JsonWriter json, string name, IReadOnlyDictionary<string, string> pairs)
    {
        if (pairs.Count == 0)
            return;
        json.WriteStartObject(name);
        foreach (var (key, value) in pairs)
            json.WriteString(key, value);
        json.WriteEndObject();
    }
}
