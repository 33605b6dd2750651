using System.Buffers.Binary;
using System.Text;
using S3dlio.Storage;

namespace S3dlio.Tensors;

/// <summary>
/// The header of a <c>.npy</c> object, versions 1.0, 2.0 and 3.0 (NEP 1 and <c>numpy.lib.format</c>): what the elements are,
/// their order, the shape, and where the data begins.
/// </summary>
public sealed partial class NpyHeader
{
    /// <summary>The longest header text read or written, in bytes. NumPy's own reader stops at 10,000 unless told otherwise.</summary>
    public const int MaxHeaderLength = 1 << 20;

    /// <summary>The most dimensions a shape may have, which is NumPy 2's limit.</summary>
    public const int MaxRank = 64;

    /// <summary>How many bytes <see cref="RequiredLength"/> needs, when the object has them.</summary>
    public const int PrefixLength = 12;

    const string Advice = "the object is damaged or is no .npy file; write it again";

    readonly long[] shape;

    NpyHeader(string descr, bool fortranOrder, long[] shape, long elementCount, int dataOffset, string? extensionType)
    {
        Descr = descr;
        FortranOrder = fortranOrder;
        this.shape = shape;
        ElementCount = elementCount;
        DataOffset = dataOffset;
        ExtensionType = extensionType;
    }

    /// <summary>The Python literal of the element type as it stands in the file, such as <c>'&lt;f4'</c> or <c>[('a', '&lt;i4')]</c>
    /// (without comments and the <c>L</c> that Python 2 put after integers, its strings as Python's <c>repr</c> writes them). It names no
    /// object type, so it is safe to hand to <c>numpy.dtype</c>.</summary>
    public string Descr { get; }

    /// <summary>True when the first index varies fastest in the data.</summary>
    public bool FortranOrder { get; }

    /// <summary>The dimensions, each ≥ 0; empty for a scalar.</summary>
    public IReadOnlyList<long> Shape => shape;

    /// <summary>The product of the shape; 1 for a scalar.</summary>
    public long ElementCount { get; }

    /// <summary>The byte at which the data begins.</summary>
    public int DataOffset { get; }

    /// <summary>The real element type when NumPy's descr cannot name it (ml_dtypes' <c>bfloat16</c>, <c>float8_e4m3fn</c>, ...),
    /// from the comment <c># s3dlio-dtype: NAME</c> behind the header's dictionary; null in all other files.</summary>
    public string? ExtensionType { get; }

    /// <summary>The length of the data in bytes, checked against what the object holds behind the header.
    /// Bytes after the data are allowed, as in <c>np.load</c>: several arrays may follow each other in one file.</summary>
    /// <param name="itemSize">Bytes of one element, as <c>numpy.dtype(Descr).itemsize</c> says.</param>
    /// <param name="objectLength">Bytes of the whole object.</param>
    /// <param name="uri">The object's name, for errors.</param>
    /// <exception cref="StoreException">InvalidData: the object ends before its data does.</exception>
    public long DataLength(long itemSize, long objectLength, string uri)
    {
        if (itemSize < 0)
            throw FormatFault.Argument(uri, $"expected an item size of 0 or more bytes, found {itemSize}");
        Int128 needed = (Int128)ElementCount * itemSize;
        long held = objectLength - DataOffset;
        if (needed > held)
            throw FormatFault.Data(
                uri, $"expected {needed} bytes of data for shape {FormatFault.ShapeText(shape)} of {itemSize}-byte items, " +
                $"found {held} behind the header; the object was cut short or its header is wrong; write it again", objectLength);
        return (long)needed;
    }

    /// <summary>How many bytes from the object's beginning <see cref="Parse"/> needs: prefix and header text.</summary>
    /// <param name="first12">The object's first 12 bytes, or all of it when it is shorter.</param>
    /// <param name="objectLength">Bytes of the whole object.</param>
    /// <param name="uri">The object's name, for errors.</param>
    /// <exception cref="StoreException">InvalidData: no .npy magic, an unknown version, or a length beyond the object or
    /// <see cref="MaxHeaderLength"/>. Nothing has been allocated by then.</exception>
    public static int RequiredLength(ReadOnlySpan<byte> first12, long objectLength, string uri)
    {
        const int MagicLength = 6;
        if (first12.Length < MagicLength || first12[0] != 0x93 || !first12[1..MagicLength].SequenceEqual("NUMPY"u8))
            throw NotNpy(first12, objectLength, uri);
        if (first12.Length < 8)
            throw FormatFault.Data(
                uri, $"expected a format version after the .npy magic, found the end of the object; {Advice}", first12.Length);
        int major = first12[6], minor = first12[7];
        if (major is < 1 or > 3 || minor != 0)
            throw FormatFault.Data(uri, $"expected .npy format version 1.0, 2.0 or 3.0, found {major}.{minor}; {Advice}", MagicLength);

        int prefix = major == 1 ? 10 : 12;
        if (first12.Length < prefix)
            throw FormatFault.Data(uri, $"expected {prefix} bytes of .npy prefix, found {first12.Length}; {Advice}", first12.Length);
        long length = major == 1
            ? BinaryPrimitives.ReadUInt16LittleEndian(first12[8..])
            : BinaryPrimitives.ReadUInt32LittleEndian(first12[8..]);
        if (length > MaxHeaderLength)
            throw FormatFault.Data(
                uri, $"expected a .npy header of at most {MaxHeaderLength} bytes, found a length of {length}; {Advice}", 8);
        if (prefix + length > objectLength)
            throw FormatFault.Data(
                uri, $"expected a .npy header of {length} bytes behind the prefix, found {objectLength - prefix} in the object; " +
                "it was cut short; write it again", 8);
        return (int)(prefix + length);
    }

    /// <summary>Reads a header.</summary>
    /// <param name="head">The object's first bytes, at least <see cref="RequiredLength"/> of them; what follows is ignored.</param>
    /// <param name="objectLength">Bytes of the whole object.</param>
    /// <param name="uri">The object's name, for errors.</param>
    /// <exception cref="StoreException">InvalidData: the header is not what <c>numpy.lib.format</c> demands, or names object
    /// types.</exception>
    public static NpyHeader Parse(ReadOnlySpan<byte> head, long objectLength, string uri)
    {
        int required = RequiredLength(head[..Math.Min(head.Length, PrefixLength)], objectLength, uri);
        if (head.Length < required)
            throw FormatFault.Argument(
                uri, $"expected the {required} bytes of the .npy header, found {head.Length}; read as many as RequiredLength says");
        int version = head[6];
        int prefix = version == 1 ? 10 : 12;
        ReadOnlySpan<byte> bytes = head[prefix..required];
        string text = version == 3 ? DecodeUtf8(bytes, prefix, uri) : Encoding.Latin1.GetString(bytes);
        try
        {
            // NumPy filters Python 2's long integers out of versions 1.0 and 2.0 only
            return ParseText(text, required, version < 3);
        }
        catch (PythonLiteralException e)
        {
            int at = version == 3 ? Encoding.UTF8.GetByteCount(text.AsSpan(0, e.Position)) : e.Position;
            throw FormatFault.Data(uri, $"{e.Message}; {Advice}", prefix + at);
        }
    }

    static NpyHeader ParseText(string text, int dataOffset, bool longIntegers)
    {
        var literal = new PythonLiteral(text, longIntegers);
        string? descr = null;
        bool? fortranOrder = null;
        long[]? shape = null;
        literal.Expect('{', "the header's dictionary");
        while (!literal.TryTake('}'))
        {
            int at = literal.Position;
            string key = literal.String("a header key");
            literal.Expect(':', $"the value of {MessageText.Quote(key)}");
            // as in Python, of a key that comes again the last value counts
            if (key == "descr")
                descr = literal.Descr();
            else if (key == "fortran_order")
                fortranOrder = literal.Boolean();
            else if (key == "shape")
                shape = literal.Shape(MaxRank);
            else
                throw new PythonLiteralException($"expected the keys descr, fortran_order and shape, found {MessageText.Quote(key)}", at);
            if (!literal.TryTake(','))
            {
                literal.Expect('}', "the end of the header's dictionary");
                break;
            }
        }

        int end = literal.Position;
        string missing = string.Join(
            ", ", new[] { descr is null ? "descr" : "", fortranOrder is null ? "fortran_order" : "", shape is null ? "shape" : "" }
            .Where(name => name.Length > 0));
        if (missing.Length > 0)
            throw new PythonLiteralException($"expected the keys descr, fortran_order and shape, found none named {missing}", end);
        string? extension = ExtensionFrom(literal.Comment(ExtensionComment), descr!, end);
        long count = CountElements(shape) ??
            throw new PythonLiteralException($"expected fewer than 2^63 elements, found the shape {FormatFault.ShapeText(shape)}", end);
        return new NpyHeader(descr!, fortranOrder!.Value, shape!, count, dataOffset, extension);
    }

    static string? ExtensionFrom(ReadOnlySpan<char> comment, string descr, int at)
    {
        if (!comment.StartsWith(ExtensionComment))
            return null;
        ReadOnlySpan<char> name = comment[ExtensionComment.Length..].Trim(' ');
        if (!IsExtensionName(name))
            throw new PythonLiteralException(
                $"expected 1 to {MaxExtensionName} letters, digits or underscores as the s3dlio-dtype, found {MessageText.Quote(name)}",
                at);
        if (!IsVoidDescr(descr))
            throw new PythonLiteralException(
                $"expected descr '|V1', '|V2', ... for the s3dlio-dtype {MessageText.Quote(name)}, found {MessageText.Quote(descr)}", at);
        return name.ToString();
    }

    /// <summary>The product of the shape, 0 when any dimension is; null when the other dimensions' product exceeds 63 bits,
    /// which NumPy refuses too, empty array or not.</summary>
    static long? CountElements(ReadOnlySpan<long> shape)
    {
        long product = 1;
        bool empty = false;
        foreach (long n in shape)
        {
            if (n == 0)
                empty = true;
            else if (product > long.MaxValue / n)
                return null;
            else
                product *= n;
        }
        return empty ? 0 : product;
    }

    static string DecodeUtf8(ReadOnlySpan<byte> bytes, int prefix, string uri)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw FormatFault.Data(
                uri, $"expected UTF-8 in a .npy 3.0 header, found a malformed sequence; {Advice}", prefix + Math.Max(0, e.Index));
        }
    }

    static StoreException NotNpy(ReadOnlySpan<byte> first, long objectLength, string uri)
    {
        string found = objectLength == 0 ? "an empty object" : $"the bytes {Convert.ToHexStringLower(first[..Math.Min(6, first.Length)])}";
        return FormatFault.Data(uri, $"expected the .npy magic 934e554d5059, found {found}; name a .npy file", 0);
    }
}
