using System.Buffers;
using System.Globalization;
using System.Text;
using S3dlio.Storage;

namespace S3dlio.Tensors;

/// <summary>
/// Writes a safetensors head as serde_json does: no white space, and only quotes, backslashes and control characters escaped.
/// </summary>
sealed class SafetensorsText
{
    static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
    static readonly SearchValues<byte> Escaped = SearchValues.Create(
        [.. Enumerable.Range(0, 0x20).Select(b => (byte)b), (byte)'"', (byte)'\\']);

    readonly ArrayBufferWriter<byte> buffer = new(4096);
    readonly string uri;

    internal SafetensorsText(string uri)
    {
        this.uri = uri;
        buffer.Write(stackalloc byte[SafetensorsHeader.PrefixLength]);
    }

    /// <summary>Bytes so far, those of the length included.</summary>
    internal int Length => buffer.WrittenCount;

    internal static byte[] Encode(string text, string what, string uri)
    {
        try
        {
            return Strict.GetBytes(text);
        }
        catch (EncoderFallbackException)
        {
            throw FormatFault.Argument(
                uri, $"expected whole characters in {what}, found half of a surrogate pair in {MessageText.Quote(text)}; rename it");
        }
    }

    internal void Raw(ReadOnlySpan<byte> text)
    {
        // before it grows past what a reader takes, and long before memory ends
        if (Length + text.Length > SafetensorsHeader.PrefixLength + SafetensorsHeader.MaxHeaderLength)
            throw FormatFault.Argument(
                uri, $"expected a header of at most {SafetensorsHeader.MaxHeaderLength} bytes, found more; use fewer tensors, shorter "
                + "names or less metadata");
        buffer.Write(text);
    }

    internal void Quoted(ReadOnlySpan<byte> text)
    {
        Raw("\""u8);
        while (text.IndexOfAny(Escaped) is var at and >= 0)
        {
            Raw(text[..at]);
            Raw(text[at] switch
            {
                (byte)'"' => "\\\""u8,
                (byte)'\\' => "\\\\"u8,
                (byte)'\b' => "\\b"u8,
                (byte)'\f' => "\\f"u8,
                (byte)'\n' => "\\n"u8,
                (byte)'\r' => "\\r"u8,
                (byte)'\t' => "\\t"u8,
                byte control => Encoding.ASCII.GetBytes($"\\u00{control:x2}"),
            });
            text = text[(at + 1)..];
        }
        Raw(text);
        Raw("\""u8);
    }

    internal void Tensor(ReadOnlySpan<byte> name, TensorEntry tensor)
    {
        Quoted(name);
        string shape = string.Join(',', tensor.Shape.Select(n => n.ToString(CultureInfo.InvariantCulture)));
        Raw(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $":{{\"dtype\":\"{tensor.DType.Name()}\",\"shape\":[{shape}],\"data_offsets\":[{tensor.Begin},{tensor.End}]}}")));
    }

    /// <summary>The head, padded with spaces to a multiple of 8; its length is still to be filled in.</summary>
    internal byte[] Finish()
    {
        while (Length % 8 != 0)
            Raw(" "u8);
        return buffer.WrittenSpan.ToArray();
    }
}
