using System.Buffers;
using System.Text.Json;

namespace S3dlio.Storage;

/// <summary>JSON objects that this library writes; <see cref="StrictJson"/> reads what others wrote.</summary>
static class JsonText
{
    /// <param name="members">Writes the members.</param>
    /// <param name="options">How it is laid out.</param>
    public static byte[] Object(Action<Utf8JsonWriter> members, JsonWriterOptions options = default)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, options))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }
}
