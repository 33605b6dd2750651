namespace S3dlio.Datasets;

/// <summary>
/// A permutation of 0 … length-1 that a key chooses, in no memory: a balanced Feistel network of eight rounds over the next even power of
/// two, walked until it falls below the length. docs/datasets.md has it to the bit, and python/tests/order_vectors.json values of it.
/// </summary>
public readonly struct KeyedPermutation
{
    const int Rounds = 8;

    /// <summary>Below this width a network has too few keys that differ.</summary>
    const int LeastHalf = 4;

    readonly ulong _length, _mask;
    readonly int _half;
    readonly Keys _keys;

    /// <param name="length">How many numbers, 1 to 2^62.</param>
    /// <param name="key">Chooses the permutation.</param>
    public KeyedPermutation(long length, ulong key)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, 1L << 62);
        _length = (ulong)length;
        int bits = 64 - System.Numerics.BitOperations.LeadingZeroCount(_length - 1);
        _half = Math.Max((bits + 1) / 2, LeastHalf);
        _mask = (1UL << _half) - 1;
        for (int i = 0; i < Rounds; i++)
            _keys[i] = Mix(key + ((ulong)(i + 1) * Golden));
    }

    const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>The finalizer of SplitMix64.</summary>
    public static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    /// <summary>A key made of another one and a number.</summary>
    public static ulong Derive(ulong key, ulong number) => Mix(Mix(key + Golden) ^ Mix(number + Golden + Golden));

    /// <summary>Where <paramref name="value"/>, below the length, goes.</summary>
    public long At(long value)
    {
        ulong x = (ulong)value;
        do
        {
            ulong left = x >> _half, right = x & _mask;
            for (int i = 0; i < Rounds; i++)
                (left, right) = (right, left ^ (Mix(right ^ _keys[i]) & _mask));
            x = (left << _half) | right;
        }
        while (x >= _length);
        return (long)x;
    }

    /// <summary>What goes to <paramref name="value"/>.</summary>
    public long Inverse(long value)
    {
        ulong x = (ulong)value;
        do
        {
            ulong left = x >> _half, right = x & _mask;
            for (int i = Rounds - 1; i >= 0; i--)
                (left, right) = (right ^ (Mix(left ^ _keys[i]) & _mask), left);
            x = (left << _half) | right;
        }
        while (x >= _length);
        return (long)x;
    }

    [System.Runtime.CompilerServices.InlineArray(Rounds)]
    struct Keys
    {
        ulong _first;
    }
}
