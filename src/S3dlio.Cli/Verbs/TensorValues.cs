using System.Globalization;
using System.Runtime.InteropServices;
using S3dlio.Tensors;

namespace S3dlio.Cli.Verbs;

/// <summary>Values of tensors for people, and NumPy's names of their types.</summary>
static class TensorValues
{
    public static string? Descr(DType type) => type.Name() switch
    {
        "BOOL" => "|b1",
        "U8" => "|u1",
        "I8" => "|i1",
        "I16" => "<i2",
        "U16" => "<u2",
        "I32" => "<i4",
        "U32" => "<u4",
        "I64" => "<i8",
        "U64" => "<u8",
        "F16" => "<f2",
        "F32" => "<f4",
        "F64" => "<f8",
        "C64" => "<c8",
        _ => null,
    };

    public static string Show(DType type, ReadOnlySpan<byte> data) => type.Name() switch
    {
        "F64" => Join<double>(data),
        "F32" => Join<float>(data),
        "F16" => Join<Half>(data),
        "BF16" => BrainFloats(data),
        "I64" => Join<long>(data),
        "U64" => Join<ulong>(data),
        "I32" => Join<int>(data),
        "U32" => Join<uint>(data),
        "I16" => Join<short>(data),
        "U16" => Join<ushort>(data),
        "I8" => Join<sbyte>(data),
        "U8" or "BOOL" => Join<byte>(data),
        _ => "0x" + Convert.ToHexStringLower(data),
    };

    static string Join<T>(ReadOnlySpan<byte> data)
        where T : unmanaged, IFormattable
    {
        var values = MemoryMarshal.Cast<byte, T>(data);
        var texts = new string[values.Length];
        for (int i = 0; i < values.Length; i++)
            texts[i] = values[i].ToString(null, CultureInfo.InvariantCulture);
        return string.Join(' ', texts);
    }

    /// <summary>The upper half of a float.</summary>
    static string BrainFloats(ReadOnlySpan<byte> data)
    {
        var halves = MemoryMarshal.Cast<byte, ushort>(data);
        var texts = new string[halves.Length];
        for (int i = 0; i < halves.Length; i++)
            texts[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16).ToString(CultureInfo.InvariantCulture);
        return string.Join(' ', texts);
    }
}
