using System.Globalization;
using System.Text;
using S3dlio.Storage;

namespace S3dlio.Tensors;

/// <summary>Makes the errors of the formats.</summary>
static class FormatFault
{
    internal static StoreException Data(string uri, string detail, long? offset = null) =>
        new(ErrorKind.InvalidData, uri, detail, offset);

    internal static StoreException Mismatch(string uri, string detail, long? offset = null) =>
        new(ErrorKind.ChecksumMismatch, uri, detail, offset);

    internal static StoreException Argument(string uri, string detail) =>
        new(ErrorKind.InvalidArgument, uri, detail);

    /// <summary>A shape as Python prints it: <c>()</c>, <c>(3,)</c>, <c>(3, 4)</c>.</summary>
    internal static string ShapeText(ReadOnlySpan<long> shape)
    {
        var text = new StringBuilder("(");
        for (int i = 0; i < shape.Length; i++)
            text.Append(CultureInfo.InvariantCulture, $"{(i == 0 ? "" : ", ")}{shape[i]}");
        return text.Append(shape.Length == 1 ? ",)" : ")").ToString();
    }
}
