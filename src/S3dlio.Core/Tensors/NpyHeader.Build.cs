using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using S3dlio.Storage;

namespace S3dlio.Tensors;

public sealed partial class NpyHeader
{
    const int MaxExtensionName = 64;

    // numpy.lib.format reserves room for the growing dimension to reach str(8 * 2**64 - 1) in place
    const int GrowthDigits = 21;

    const int Alignment = 64;

    const string ExtensionComment = "# s3dlio-dtype:";

    /// <summary>The whole header, byte for byte what <c>numpy.lib.format.write_array_header</c> (and so <c>np.save</c>) writes:
    /// version 1.0 if it fits, 2.0 if it is longer, 3.0 if a field's name is outside latin-1; padded to a multiple of 64.</summary>
    /// <param name="descr">Python's <c>repr</c> of the dtype's descr, quotes included: <c>'&lt;f4'</c>.</param>
    /// <param name="fortranOrder">True when the first index varies fastest in the data.</param>
    /// <param name="shape">The dimensions, each ≥ 0.</param>
    /// <param name="extensionType">The name of a type that NumPy's format cannot name, or null. It goes behind the dictionary as a
    /// comment, which np.load ignores; <paramref name="descr"/> must then be <c>'|V1'</c>, <c>'|V2'</c>, ...</param>
    /// <param name="uri">The name of the object to be written, for errors.</param>
    /// <exception cref="StoreException">InvalidArgument: an argument that no .npy header can hold.</exception>
    public static byte[] Build(string descr, bool fortranOrder, ReadOnlySpan<long> shape, string? extensionType, string uri)
    {
        CheckDescr(descr, uri);
        CheckShape(shape, uri);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{{'descr': {descr}, 'fortran_order': {(fortranOrder ? "True" : "False")}, ");
        text.Append(CultureInfo.InvariantCulture, $"'shape': {FormatFault.ShapeText(shape)}, }}");
        if (extensionType is not null)
        {
            if (!IsExtensionName(extensionType))
                throw FormatFault.Argument(
                    uri, $"expected 1 to {MaxExtensionName} letters, digits or underscores as extension type, found "
                    + $"{MessageText.Quote(extensionType)}");
            if (!IsVoidDescr(descr))
                throw FormatFault.Argument(
                    uri, $"expected descr '|V1', '|V2', ... for the extension type {extensionType}, found {MessageText.Quote(descr)}");
            text.Append(CultureInfo.InvariantCulture, $" {ExtensionComment} {extensionType}");
        }
        if (shape.Length > 0)
        {
            string growing = shape[fortranOrder ? shape.Length - 1 : 0].ToString(CultureInfo.InvariantCulture);
            text.Append(' ', GrowthDigits - growing.Length);
        }
        return Wrap(text.ToString(), uri);
    }

    static byte[] Wrap(string text, string uri)
    {
        bool latin = !text.AsSpan().ContainsAnyExceptInRange('\0', '\u00ff');
        int textLength;
        try
        {
            textLength = latin ? text.Length : new UTF8Encoding(false, throwOnInvalidBytes: true).GetByteCount(text);
        }
        catch (EncoderFallbackException)
        {
            throw FormatFault.Argument(uri, "expected field names that UTF-8 can hold, found half of a surrogate pair; rename the field");
        }
        int length = PaddedLength(textLength, 10);
        int version = !latin ? 3 : length <= ushort.MaxValue ? 1 : 2;
        int prefix = version == 1 ? 10 : 12;
        if (version != 1)
            length = PaddedLength(textLength, prefix);
        if (length > MaxHeaderLength)
            throw FormatFault.Argument(
                uri, $"expected a .npy header of at most {MaxHeaderLength} bytes, found {length}; use fewer fields or shorter names");

        byte[] head = new byte[prefix + length];
        head[0] = 0x93;
        "NUMPY"u8.CopyTo(head.AsSpan(1));
        head[6] = (byte)version;
        if (version == 1)
            BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(8), (ushort)length);
        else
            BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(8), (uint)length);
        (latin ? Encoding.Latin1 : Encoding.UTF8).GetBytes(text, head.AsSpan(prefix));
        head.AsSpan(prefix + textLength).Fill((byte)' ');
        head[^1] = (byte)'\n';
        return head;
    }

    /// <summary>Text, padding and newline. NumPy pads by 1 to 64 bytes: a header that is aligned already gets 64 more.</summary>
    static int PaddedLength(int textLength, int prefix)
    {
        int withNewline = textLength + 1;
        return withNewline + Alignment - (prefix + withNewline) % Alignment;
    }

    static void CheckDescr(string descr, string uri)
    {
        try
        {
            var literal = new PythonLiteral(descr, longIntegers: false);
            string read = literal.Descr();
            literal.ExpectEnd();
            if (read != descr)
                throw new PythonLiteralException("expected no white space around the descr", 0);
        }
        catch (PythonLiteralException e)
        {
            throw FormatFault.Argument(
                uri, $"{e.Message} at character {e.Position} of the descr {MessageText.Quote(descr)}; pass "
                + "repr(numpy.lib.format.dtype_to_descr(dtype))");
        }
    }

    static void CheckShape(ReadOnlySpan<long> shape, string uri)
    {
        if (shape.Length > MaxRank)
            throw FormatFault.Argument(uri, $"expected at most {MaxRank} dimensions, found {shape.Length}; reshape the array");
        foreach (long n in shape)
        {
            if (n < 0)
                throw FormatFault.Argument(uri, $"expected dimensions of 0 or more, found the shape {FormatFault.ShapeText(shape)}");
        }
        if (CountElements(shape) is null)
            throw FormatFault.Argument(uri, $"expected fewer than 2^63 elements, found the shape {FormatFault.ShapeText(shape)}");
    }

    static bool IsExtensionName(ReadOnlySpan<char> name)
    {
        if (name.Length is 0 or > MaxExtensionName)
            return false;
        foreach (char c in name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c != '_')
                return false;
        }
        return true;
    }

    static bool IsVoidDescr(ReadOnlySpan<char> descr) =>
        descr.Length >= 5 && descr[0] is '\'' or '"' && descr[1..].StartsWith("|V") && descr[^1] == descr[0] &&
        !descr[3..^1].ContainsAnyExceptInRange('0', '9');
}
