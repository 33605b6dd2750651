using S3dlio.Hashing;
using Xunit;

namespace S3dlio.Tests.Hashing;

/// <summary>The definition, a bit at a time, against the ways that are fast.</summary>
static class CrcOracle
{
    public delegate ulong Appending(ulong crc, ReadOnlySpan<byte> data);

    public static void Attack(int width, ulong polynomial, Appending append, Func<ulong, ulong, long, ulong> combine)
    {
        ulong mask = ulong.MaxValue >> (64 - width);
        var data = new byte[70_000];
        new Random(1).NextBytes(data);
        var random = new Random(2);
        for (int i = 0; i < 600; i++)
        {
            // every length up to some rounds of folding, then any
            int length = i < 450 ? i : random.Next(20_000);
            int start = random.Next(data.Length - length);
            var part = data.AsSpan(start, length);
            ulong expected = BitByBit(part, polynomial, mask);
            int cut = random.Next(length + 1);
            ulong first = append(0, part[..cut]), second = append(0, part[cut..]);
            Assert.Equal(expected, append(0, part));
            Assert.Equal(expected, append(first, part[cut..]));
            Assert.Equal(expected, combine(first, second, length - cut));
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => combine(1, 1, -1));
    }

    static ulong BitByBit(ReadOnlySpan<byte> data, ulong polynomial, ulong mask)
    {
        ulong state = mask;
        foreach (byte b in data)
        {
            state ^= b;
            for (int bit = 0; bit < 8; bit++)
                state = (state & 1) != 0 ? (state >> 1) ^ polynomial : state >> 1;
        }
        return ~state & mask;
    }
}
