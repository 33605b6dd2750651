using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace S3dlio.Cache;

/// <summary>
/// Which place a journal is of: in the name of its directory for programs, in the log's description for people and tools.
/// </summary>
static class JournalPlace
{
    const int HashLength = 32;

    public static string NameOf(string place, int number) => string.Create(CultureInfo.InvariantCulture, $"{place}-{number:x2}");

    public static bool TryParse(string name, string place, out int number) =>
        TryParse(name, out string found, out number) && found == place;

    public static bool TryParse(string name, out string place, out int number)
    {
        number = 0;
        place = name.Length == HashLength + 3 ? name[..HashLength] : "";
        return place.Length > 0 && name[HashLength] == '-'
            && int.TryParse(name.AsSpan(HashLength + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number);
    }

    public static string Write(string origin, string root)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("journal", "s3dlio 1");
            json.WriteString("root", root);
            // an endpoint, never a secret; long lists of endpoints are cut, the name of the directory tells them apart
            json.WriteString("origin", origin.Length > 500 ? origin[..500] : origin);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>The address of the place; null where the text is no description of one.</summary>
    public static string? RootOf(string schema)
    {
        try
        {
            using var document = JsonDocument.Parse(schema);
            return document.RootElement.GetProperty("root").GetString();
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return null;
        }
    }
}
