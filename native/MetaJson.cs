using System.Buffers;
using System.Text.Json;
using S3dlio.Log;
using S3dlio.Storage;
using S3dlio.Storage.Multi;

namespace S3dlio.Native;

/// <summary>Results as JSON, written by hand: reflection has no place in a NativeAOT library.</summary>
static class MetaJson
{
    public static byte[] Write(Action<Utf8JsonWriter> body)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true, Encoder = PathEncoder.Instance }))
            body(json);
        return buffer.WrittenSpan.ToArray();
    }

    public static byte[] Write(LogInspection log, LogInspection? before = null) => Write(json =>
    {
        json.WriteStartObject();
        LogJson.WriteMembers(json, log, before);
        json.WriteEndObject();
    });

    public static byte[] Write(RecordLog log) => Write(json =>
    {
        json.WriteStartObject();
        LogJson.WriteMembers(json, log);
        json.WriteEndObject();
    });

    public static byte[] Write(ObjectMeta meta) => Write(json => Append(json, meta));

    public static void Append(Utf8JsonWriter json, ObjectMeta meta)
    {
        json.WriteStartObject();
        AppendMembers(json, meta);
        json.WriteEndObject();
    }

    public static void AppendMembers(Utf8JsonWriter json, ObjectMeta meta)
    {
        json.WriteString("key", meta.Key);
        json.WriteNumber("size", meta.Size);
        json.WriteNumber("last_modified_ns", Nanoseconds(meta.LastModified));
        if (meta.ETag is not null)
            json.WriteString("etag", meta.ETag);
        if (meta.Checksum is { } checksum)
            json.WriteString("checksum", checksum.ToString());
        if (meta.ContentType is not null)
            json.WriteString("content_type", meta.ContentType);
        if (meta.Metadata.Count > 0)
        {
            json.WriteStartObject("metadata");
            foreach (var (name, value) in meta.Metadata)
                json.WriteString(name, value);
            json.WriteEndObject();
        }
        foreach (var (name, value) in meta.Attributes)
            json.WriteString(name, value);
    }

    public static byte[] Write(IReadOnlyList<EndpointStatistics> endpoints) => Write(json =>
    {
        json.WriteStartArray();
        foreach (var endpoint in endpoints)
        {
            json.WriteStartObject();
            json.WriteString("uri", endpoint.Uri);
            json.WriteString("name", endpoint.Name);
            json.WriteNumber("requests", endpoint.Requests);
            json.WriteNumber("failures", endpoint.Failures);
            json.WriteNumber("in_flight", endpoint.InFlight);
            json.WriteNumber("errors", endpoint.Errors);
            json.WriteNumber("bytes_read", endpoint.BytesRead);
            json.WriteNumber("bytes_written", endpoint.BytesWritten);
            json.WriteBoolean("avoided", endpoint.IsAvoided);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    public static byte[] Write(IReadOnlyList<StoreStatistics> stores) => Write(json =>
    {
        json.WriteStartArray();
        foreach (var store in stores)
        {
            json.WriteStartObject();
            json.WriteString("uri", store.Uri);
            json.WriteNumber("requests", store.Requests);
            json.WriteNumber("retries", store.Retries);
            json.WriteNumber("bytes_read", store.BytesRead);
            json.WriteNumber("bytes_written", store.BytesWritten);
            json.WriteNumber("cache_hits", store.CacheHits);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    public static byte[] Write(ListPage page) => Write(json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("objects");
        foreach (var item in page.Objects)
            Append(json, item);
        json.WriteEndArray();
        json.WriteStartArray("prefixes");
        foreach (string prefix in page.Prefixes)
            json.WriteStringValue(prefix);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    public static long Nanoseconds(DateTimeOffset time) => (time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) * 100;
}
