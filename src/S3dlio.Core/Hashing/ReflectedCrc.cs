using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace S3dlio.Hashing;

/// <summary>
/// A cyclic redundancy check of 32 or 64 bits over any polynomial, least significant bit first, inverted before and after: the family
/// of the checksums that peers and services put on objects. CRC-32C, s3dlio's own, has kernels of its own in <see cref="Crc32C"/>.
/// </summary>
sealed partial class ReflectedCrc
{
    const int Lanes = 8;

    readonly ulong _mask, _one, _polynomial;
    readonly ulong[] _table;
    readonly Folding _fold512, _fold128;

    /// <param name="width">32 or 64.</param>
    /// <param name="polynomial">The polynomial without its leading term, bits reversed: the coefficient of x^(width - 1) is bit 0.</param>
    public ReflectedCrc(int width, ulong polynomial)
    {
        (_mask, _one, _polynomial) = (ulong.MaxValue >> (64 - width), 1UL << (width - 1), polynomial);
        _table = BuildTable(polynomial);
        // a product of two reversed factors comes out one place short, so each exponent is one less than the way it goes
        _fold512 = new Folding(Reversed(512 + 64 - 1, width), Reversed(512 - 1, width));
        _fold128 = new Folding(Reversed(128 + 64 - 1, width), Reversed(128 - 1, width));
    }

    /// <summary>The checksum of the bytes so far, <paramref name="crc"/>, with <paramref name="data"/> after them; 0 is that of no bytes.</summary>
    public ulong Append(ulong crc, ReadOnlySpan<byte> data)
    {
        ulong state = ~crc & _mask;
        state = Pclmulqdq.IsSupported && data.Length >= FoldMinimum ? AppendFolded(state, data) : AppendTable(state, data);
        return ~state & _mask;
    }

    /// <summary>The checksum of two stretches in a row from that of each.</summary>
    public ulong Combine(ulong first, ulong second, long secondLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(secondLength);
        // a byte moves what stands before it by x^8
        ulong power = _one >> 8, factor = _one;
        for (long left = secondLength; left != 0; left >>= 1)
        {
            if ((left & 1) != 0)
                factor = Multiply(factor, power);
            power = Multiply(power, power);
        }
        return Multiply(first, factor) ^ second;
    }

    /// <summary>The same without instructions beyond the common ones: eight bytes a step, a table for each place.</summary>
    internal ulong AppendTable(ulong state, ReadOnlySpan<byte> data)
    {
        ref ulong table = ref MemoryMarshal.GetArrayDataReference(_table);
        while (data.Length >= Lanes)
        {
            ulong mixed = state ^ System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(data);
            state = 0;
            for (int lane = 0; lane < Lanes; lane++)
            {
                state ^= Unsafe.Add(ref table, ((Lanes - 1 - lane) << 8) | (int)(mixed & 0xFF));
                mixed >>= 8;
            }
            data = data[Lanes..];
        }
        foreach (byte b in data)
            state = Unsafe.Add(ref table, (int)((state ^ b) & 0xFF)) ^ (state >> 8);
        return state;
    }

    // modulo the polynomial, both factors reversed as checksums are
    ulong Multiply(ulong a, ulong b)
    {
        ulong product = 0;
        for (ulong bit = _one; bit != 0; bit >>= 1)
        {
            product ^= (a & bit) != 0 ? b : 0;
            b = (b >> 1) ^ ((b & 1) != 0 ? _polynomial : 0);
        }
        return product;
    }

    /// <summary>x^<paramref name="exponent"/> modulo the polynomial, reversed in 64 bits.</summary>
    ulong Reversed(int exponent, int width)
    {
        ulong value = _one;
        for (int i = 0; i < exponent; i++)
            value = (value >> 1) ^ ((value & 1) != 0 ? _polynomial : 0);
        return value << (64 - width);
    }

    static ulong[] BuildTable(ulong polynomial)
    {
        var table = new ulong[Lanes * 256];
        for (uint i = 0; i < 256; i++)
        {
            ulong value = i;
            for (int bit = 0; bit < 8; bit++)
                value = (value & 1) != 0 ? (value >> 1) ^ polynomial : value >> 1;
            table[i] = value;
        }
        for (int i = 256; i < table.Length; i++)
            table[i] = table[(int)(table[i - 256] & 0xFF)] ^ (table[i - 256] >> 8);
        return table;
    }
}
