using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Tensors;

/// <summary>
/// Our entries in <c>__metadata__</c>: <c>s3dlio.format</c> = "1"; <c>s3dlio.crc32c</c> = CRC32C of the 8 length bytes and the JSON
/// with its padding, taken with these eight hex digits as zeros; <c>s3dlio.crc32c/NAME</c> = CRC32C of that tensor's bytes.
/// At least two keys begin with <c>s3dlio.</c>, so no single damaged byte can make a file look as if it never had checksums,
/// and CRC32C finds every change within 32 neighbouring bits.
/// </summary>
static class SafetensorsChecksums
{
    internal const string Prefix = "s3dlio.";
    internal const string FormatKey = "s3dlio.format";
    internal const string HeaderKey = "s3dlio.crc32c";
    internal const string TensorKeyPrefix = "s3dlio.crc32c/";
    internal const string Format = "1";

    /// <summary>What every checksum is written as until it is known; the same length as any other.</summary>
    internal const string Unknown = "crc32c:00000000";

    const int SchemeLength = 7;
    const string Advice =
        "the object is damaged, or another tool changed it and kept the s3dlio. entries of __metadata__; write it again, or drop those "
        + "entries";

    /// <summary>CRC32C of a head whose own checksum stands at <paramref name="textOffset"/>.</summary>
    internal static Checksum OfHead(ReadOnlySpan<byte> head, int textOffset)
    {
        int digits = textOffset + SchemeLength;
        return Checksum.Of(head[..digits]).Append("00000000"u8).Append(head[(textOffset + Unknown.Length)..]);
    }

    /// <summary>Verifies the header's checksum.</summary>
    /// <returns>False if the file has no entry of ours.</returns>
    internal static bool Verify(ReadOnlySpan<byte> head, SafetensorsJson json, string uri)
    {
        if (!json.Metadata.Keys.Any(key => key.StartsWith(Prefix, StringComparison.Ordinal)))
            return false;
        CheckFormat(json, uri);

        int at = json.HeaderChecksumOffset;
        // the exact text: a checksum in capital letters would be the same number and another file
        if (!json.Metadata.TryGetValue(HeaderKey, out string? text) || at < 0 || !TryParseExactly(text, out Checksum expected))
            throw FormatFault.Mismatch(
                uri, $"expected the header's checksum as {HeaderKey}, found {(text is null ? "none" : MessageText.Quote(text))}; {Advice}",
                at < 0 ? null : at);
        Checksum found = OfHead(head, at);
        if (found != expected)
            throw FormatFault.Mismatch(uri, $"expected a header with {expected}, found {found}; {Advice}", at);
        return true;
    }

    /// <summary>Gives each tensor its checksum and leaves the user's entries.</summary>
    internal static void TakeOwnEntries(Dictionary<string, string> metadata, TensorEntry[] tensors, string uri)
    {
        metadata.Remove(FormatKey);
        metadata.Remove(HeaderKey);
        for (int i = 0; i < tensors.Length; i++)
        {
            if (!metadata.Remove(TensorKeyPrefix + tensors[i].Name, out string? text))
                throw FormatFault.Data(
                    uri, $"expected a checksum for every tensor, found none for {MessageText.Quote(tensors[i].Name)}; {Advice}");
            if (!TryParseExactly(text, out Checksum checksum))
                throw FormatFault.Data(
                    uri, $"expected a checksum such as {Unknown} for tensor {MessageText.Quote(tensors[i].Name)}, found "
                    + $"{MessageText.Quote(text)}; {Advice}");
            tensors[i] = tensors[i] with { Checksum = checksum };
        }
        string? surplus = metadata.Keys.FirstOrDefault(key => key.StartsWith(Prefix, StringComparison.Ordinal));
        if (surplus is not null)
            throw FormatFault.Data(
                uri, $"expected no s3dlio entry but format and checksums of the file's tensors, found {MessageText.Quote(surplus)}; "
                + $"{Advice}");
    }

    /// <summary>Overwrites <see cref="Unknown"/> in a head with a checksum.</summary>
    internal static void Put(Span<byte> head, int textOffset, Checksum checksum) =>
        Encoding.ASCII.GetBytes(checksum.ToString(), head.Slice(textOffset, Unknown.Length));

    static void CheckFormat(SafetensorsJson json, string uri)
    {
        if (!json.Metadata.TryGetValue(FormatKey, out string? format))
            throw FormatFault.Mismatch(uri, $"expected {FormatKey} beside the other s3dlio entries of __metadata__, found none; {Advice}");
        if (format == Format)
            return;
        throw FormatFault.Data(uri, $"expected {FormatKey} {Format}, found {MessageText.Quote(format)}; " +
            "update s3dlio to one that knows this format; if none does, the object is damaged");
    }

    static bool TryParseExactly(string text, out Checksum checksum) =>
        Checksum.TryParse(text, out checksum) && checksum.ToString() == text;
}
