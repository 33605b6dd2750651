using System.Runtime.CompilerServices;

namespace S3dlio.Hashing;

// The algebra. A CRC is a polynomial over GF(2) modulo P, and n bytes more after the data multiply it by x^(8n).
//
// All kernels multiply in the same way: a carry-less product of two reflected 32-bit values, folded back to 32 bits by
// running it through the CRC as an 8-byte word. That gives a * b * x^33 mod P, so a factor that should shift by n bits is kept as
// x^(n - 33), here called the shift by n. Then Product(crc, shift n) is crc * x^n, and Product(shift n, shift m) is shift n + m.
public static partial class Crc32C
{
    /// <summary>What the algebra needs of a processor.</summary>
    internal interface IMultiplier
    {
        /// <summary>The carry-less product, 63 bits.</summary>
        static abstract ulong Multiply(uint a, uint b);

        /// <summary>The register after these 8 bytes when it was 0 before: the product times x^33 mod P.</summary>
        static abstract uint Reduce(ulong product);
    }

    const uint ReflectedPolynomial = 0x82F63B78;

    /// <summary>x^(8 - 33) mod P: the shift by one byte.</summary>
    const uint ShiftOneByte = 0xBF818109;

    /// <summary>The checksum of two ranges of bytes, one after the other, from the checksums of each.</summary>
    /// <param name="crcA">Finished checksum of the first range.</param>
    /// <param name="crcB">Finished checksum of the second range, begun at 0.</param>
    /// <param name="lengthB">Length of the second range in bytes, 0 or more. The first one's length does not matter.</param>
    /// <remarks>One multiplication for each bit set in <paramref name="lengthB"/>. Presets and final inversions cancel out.</remarks>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="lengthB"/> is negative.</exception>
    public static uint Combine(uint crcA, uint crcB, long lengthB)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthB);
        if (X86.IsSupported) return Shift<X86>(crcA, (ulong)lengthB) ^ crcB;
        if (Arm.IsMultiplySupported) return Shift<Arm>(crcA, (ulong)lengthB) ^ crcB;
        return Shift<Table>(crcA, (ulong)lengthB) ^ crcB;
    }

    /// <summary>The value after <paramref name="bytes"/> more zero bytes, without the preset's and the final inversion.</summary>
    internal static uint Shift<T>(uint crc, ulong bytes) where T : struct, IMultiplier
    {
        for (int power = 0; bytes != 0; bytes >>= 1)
        {
            if ((bytes & 1) != 0) crc = Product<T>(crc, ShiftPowers.OfTwo[power]);
            // x has the order 2^31 - 1 modulo P, so 2^31 bytes more shift as one byte does and 31 powers are all there are
            if (++power == ShiftPowers.Count) power = 0;
        }
        return crc;
    }

    /// <summary>a * b * x^33 mod P.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static uint Product<T>(uint a, uint b) where T : struct, IMultiplier => T.Reduce(T.Multiply(a, b));

    static uint TimesX(uint value) => (value >> 1) ^ ((value & 1) != 0 ? ReflectedPolynomial : 0);

    static class ShiftPowers
    {
        internal const int Count = 31;

        /// <summary>At k, the shift by 2^k bytes.</summary>
        internal static readonly uint[] OfTwo =
            X86.IsSupported ? Build<X86>() : Arm.IsMultiplySupported ? Build<Arm>() : Build<Table>();

        static uint[] Build<T>() where T : struct, IMultiplier
        {
            var shifts = new uint[Count];
            uint shift = ShiftOneByte;
            for (int i = 0; i < Count; i++)
            {
                shifts[i] = shift;
                shift = Product<T>(shift, shift);
            }
            return shifts;
        }
    }
}
