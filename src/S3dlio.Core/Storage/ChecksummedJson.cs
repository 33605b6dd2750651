using System.Text.Encodings.Web;
using System.Text.Json;
using S3dlio.Hashing;

namespace S3dlio.Storage;

/// <summary>
/// A JSON object whose last member is the CRC32C of the whole text, taken with zeros in its place: the manifests of the library.
/// </summary>
static class ChecksummedJson
{
    const string ChecksumName = "manifest_checksum";

    static readonly JsonWriterOptions Format = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="members">Writes all members but the checksum.</param>
    public static byte[] Write(Action<Utf8JsonWriter> members)
    {
        byte[] text = JsonText.Object(json =>
        {
            members(json);
            json.WriteString(ChecksumName, Checksum.Empty.ToString());
        }, Format);
        int at = FindChecksum(text)!.Value.At;
        Checksum.Of(text).TryFormat(text.AsSpan(at));
        return text;
    }

    /// <exception cref="StoreException">ChecksumMismatch: the text was changed, or, where it is required, has no checksum.</exception>
    public static void Check(ReadOnlySpan<byte> text, string uri, bool required = true)
    {
        if (FindChecksum(text) is not { } place)
        {
            if (required)
                throw StoreException.ChecksumMismatch(uri,
                    $"expected field '{ChecksumName}' in the manifest, found none: it is damaged or was edited");
            return;
        }
        // the text and nothing that reads the same: a digit in upper case is a flipped bit
        Span<byte> zeros = stackalloc byte[Checksum.TextLength];
        Checksum.Empty.TryFormat(zeros);
        var found = Checksum.Of(text[..place.At]).Append(zeros).Append(text[(place.At + place.Length)..]);
        Span<byte> expected = stackalloc byte[Checksum.TextLength];
        found.TryFormat(expected);
        var recorded = text.Slice(place.At, place.Length);
        if (!recorded.SequenceEqual(expected))
            throw StoreException.ChecksumMismatch(uri,
                $"checksum mismatch over the manifest's {text.Length} bytes: "
                + $"{MessageText.Quote(System.Text.Encoding.Latin1.GetString(recorded))} recorded, {found} found; it is damaged or was "
                + "edited");
    }

    /// <summary>Where the checksum's text stands, between its quotes.</summary>
    static (int At, int Length)? FindChecksum(ReadOnlySpan<byte> text)
    {
        var reader = new Utf8JsonReader(text, new JsonReaderOptions { MaxDepth = 64 });
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1)
                continue;
            bool named = reader.ValueTextEquals(ChecksumName);
            reader.Read();
            if (named && reader.TokenType == JsonTokenType.String)
                return ((int)reader.TokenStartIndex + 1, reader.ValueSpan.Length);
            reader.Skip();
        }
        return null;
    }
}
