namespace S3dlio.Tensors;

/// <summary>Names and sizes of the element types, as safetensors' <c>Dtype</c> has them.</summary>
public static class DTypes
{
    static readonly (string Name, int Bits)[] Table =
    [
        ("BOOL", 8), ("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("U8", 8), ("I8", 8),
        ("F8_E5M2", 8), ("F8_E4M3", 8), ("F8_E8M0", 8), ("F8_E4M3FNUZ", 8), ("F8_E5M2FNUZ", 8),
        ("I16", 16), ("U16", 16), ("F16", 16), ("BF16", 16), ("I32", 32), ("U32", 32), ("F32", 32),
        ("C64", 64), ("F64", 64), ("I64", 64), ("U64", 64),
    ];

    /// <summary>How many types there are.</summary>
    public static int Count => Table.Length;

    /// <summary>The name in a safetensors header.</summary>
    public static string Name(this DType type) => Table[(int)type].Name;

    /// <summary>Bits of one element: 4 and 6 for the types smaller than a byte, else a multiple of 8.</summary>
    public static int Bits(this DType type) => Table[(int)type].Bits;

    /// <summary>Finds a type by its exact name.</summary>
    public static bool TryParse(ReadOnlySpan<char> name, out DType type)
    {
        for (int i = 0; i < Table.Length; i++)
        {
            if (name.SequenceEqual(Table[i].Name))
            {
                type = (DType)i;
                return true;
            }
        }
        type = default;
        return false;
    }

    /// <summary>The bytes that a tensor takes. Multiplies in the shape's order and gives up at the first overflow, as safetensors'
    /// own <c>validate</c> does, even if a later dimension is 0.</summary>
    /// <returns>Null, or what is wrong with the shape, as "expected ..., found ...".</returns>
    internal static string? TryByteLength(this DType type, ReadOnlySpan<long> shape, out long bytes)
    {
        bytes = 0;
        long elements = 1;
        foreach (long n in shape)
        {
            if (n < 0)
                return $"expected dimensions of 0 or more, found the shape {FormatFault.ShapeText(shape)}";
            if (n != 0 && elements > long.MaxValue / n)
                return $"expected fewer than 2^63 elements, found the shape {FormatFault.ShapeText(shape)}";
            elements *= n;
        }
        int bits = type.Bits();
        if (elements > long.MaxValue / bits)
            return $"expected fewer than 2^63 bits, found the shape {FormatFault.ShapeText(shape)} of {type.Name()}";
        if (elements * bits % 8 != 0)
            return $"expected a whole number of bytes, found {elements} elements of {bits} bits ({type.Name()})";
        bytes = elements * bits / 8;
        return null;
    }
}
