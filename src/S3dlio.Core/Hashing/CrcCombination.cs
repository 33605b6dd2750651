using System.Numerics;

namespace S3dlio.Hashing;

/// <summary>
/// Computes the checksum of two ranges of bytes in a row from that of each, for a cyclic redundancy check of 32 or 64 bits that is
/// reflected and inverted before and after. The second range multiplies the first one's polynomial by x^8 for each of its bytes.
/// </summary>
sealed class CrcCombination
{
    readonly ulong _one, _polynomial;
    readonly ulong[] _powers = new ulong[63];

    /// <param name="width">32 or 64.</param>
    /// <param name="polynomial">The polynomial without its leading term, bits reversed: the coefficient of x^(width - 1) is bit 0.</param>
    public CrcCombination(int width, ulong polynomial)
    {
        (_one, _polynomial) = (1UL << (width - 1), polynomial);
        // at k, x to the power of 8 * 2^k
        _powers[0] = _one >> 8;
        for (int k = 1; k < _powers.Length; k++)
            _powers[k] = Multiply(_powers[k - 1], _powers[k - 1]);
    }

    /// <summary>The checksum of both; <paramref name="secondLength"/> is in bytes, 0 or more.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="secondLength"/> is negative.</exception>
    public ulong Combine(ulong first, ulong second, long secondLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(secondLength);
        for (ulong left = (ulong)secondLength; left != 0; left &= left - 1)
            first = Multiply(first, _powers[BitOperations.TrailingZeroCount(left)]);
        return first ^ second;
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
}
