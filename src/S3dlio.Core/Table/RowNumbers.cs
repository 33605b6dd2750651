using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace S3dlio.Table;

/// <summary>Rows of each type as float32 and back, and the rows that nobody has written yet.</summary>
static class RowNumbers
{
    public static void ToFloats(ReadOnlySpan<byte> row, Span<float> numbers, RowType type)
    {
        switch (type)
        {
            case RowType.Float32:
                MemoryMarshal.Cast<byte, float>(row)[..numbers.Length].CopyTo(numbers);
                break;
            case RowType.Float16:
                var halves = MemoryMarshal.Cast<byte, Half>(row);
                for (int i = 0; i < numbers.Length; i++)
                    numbers[i] = (float)halves[i];
                break;
            default:
                var tops = MemoryMarshal.Cast<byte, ushort>(row);
                for (int i = 0; i < numbers.Length; i++)
                    numbers[i] = BitConverter.UInt32BitsToSingle((uint)tops[i] << 16);
                break;
        }
    }

    /// <summary>Rounds to the nearest number of the type, of two equally near ones to the even one.</summary>
    public static void FromFloats(ReadOnlySpan<float> numbers, Span<byte> row, RowType type)
    {
        switch (type)
        {
            case RowType.Float32:
                numbers.CopyTo(MemoryMarshal.Cast<byte, float>(row));
                break;
            case RowType.Float16:
                var halves = MemoryMarshal.Cast<byte, Half>(row);
                for (int i = 0; i < numbers.Length; i++)
                    halves[i] = (Half)numbers[i];
                break;
            default:
                var tops = MemoryMarshal.Cast<byte, ushort>(row);
                for (int i = 0; i < numbers.Length; i++)
                    tops[i] = ToBFloat16(numbers[i]);
                break;
        }
    }

    /// <summary>The row of a key that has none: the same bits whenever and wherever it is asked for.</summary>
    public static void Initial(Initializer initial, long key, Span<byte> row, RowType type)
    {
        if (initial.Rows == InitialRows.Zeros)
        {
            row.Clear();
            return;
        }
        if (type == RowType.Float32)
        {
            Initial(initial, key, MemoryMarshal.Cast<byte, float>(row));
            return;
        }
        Span<float> numbers = row.Length <= 2048 ? stackalloc float[row.Length / 2] : new float[row.Length / 2];
        Initial(initial, key, numbers);
        FromFloats(numbers, row, type);
    }

    static void Initial(Initializer initial, long key, Span<float> numbers)
    {
        float low = initial.Low, high = initial.High;
        ulong counter = KeyIndex.Hash(key) ^ KeyIndex.Hash((long)initial.Seed + 1);
        switch (initial.Rows)
        {
            case InitialRows.Constant:
                numbers.Fill(low);
                break;
            case InitialRows.Uniform:
                for (int i = 0; i < numbers.Length; i++)
                {
                    float number = low + (float)(Next(ref counter) >> 40) * (1f / (1 << 24)) * (high - low);
                    numbers[i] = number < high || high <= low ? number : MathF.BitDecrement(high);
                }
                break;
            default:
                for (int i = 0; i < numbers.Length; i++)
                    numbers[i] = (float)(low + (high * Normal(((Next(ref counter) >> 11) + 0.5) * (1.0 / (1L << 53)))));
                break;
        }
    }

    /// <summary>SplitMix64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static ulong Next(ref ulong counter)
    {
        ulong x = counter += 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    /// <summary>The quantile of the normal distribution, by Wichura's algorithm AS 241 (PPND7: seven digits).</summary>
    static double Normal(double p)
    {
        double q = p - 0.5;
        if (Math.Abs(q) <= 0.425)
        {
            double near = 0.180625 - (q * q);
            return q * ((((((59.109374720 * near) + 159.29113202) * near) + 50.434271938) * near) + 3.3871327179)
                / ((((((67.187563600 * near) + 78.757757664) * near) + 17.895169469) * near) + 1.0);
        }
        double r = Math.Sqrt(-Math.Log(q < 0 ? p : 1 - p));
        double value;
        if (r <= 5)
        {
            r -= 1.6;
            value = ((((((0.17023821103 * r) + 1.3067284816) * r) + 2.7568153900) * r) + 1.4234372777)
                / ((((0.12021132975 * r) + 0.73700164250) * r) + 1.0);
        }
        else
        {
            r -= 5;
            value = ((((((0.017337203997 * r) + 0.42868294337) * r) + 3.0812263860) * r) + 6.6579051150)
                / ((((0.012258202635 * r) + 0.24197894225) * r) + 1.0);
        }
        return q < 0 ? -value : value;
    }

    static ushort ToBFloat16(float number)
    {
        uint bits = BitConverter.SingleToUInt32Bits(number);
        // a NaN must not become an infinity by rounding
        return float.IsNaN(number) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }
}
