using S3dlio.Hashing;
using Xunit;

namespace S3dlio.Tests.Hashing;

public sealed class Crc32CTests
{
    const int Seed = 20250101;

    delegate uint Kernel(uint crc, ReadOnlySpan<byte> data);

    // The lane kernel runs on the table's instructions too, so its layout is tested on every processor, ARM's use of it included.
    static readonly (string Name, Kernel Append)[] Kernels =
    [
        ("dispatch", Crc32C.Append),
        ("table", Crc32C.AppendTable),
        ("table lanes", (crc, data) => Crc32C.AppendLanes<Crc32C.Table, uint>(crc, data)),
        .. Crc32C.X86.IsSupported
            ? new (string, Kernel)[] {
                ("x86 fused", Crc32C.AppendX86), ("x86 lanes", (crc, data) => Crc32C.AppendLanes<Crc32C.X86, ulong>(crc, data)) }
            : [],
        .. Crc32C.Arm.IsSupported ? new (string, Kernel)[] { ("arm lanes", Crc32C.AppendArm) } : [],
    ];

    public static TheoryData<string> KernelNames => [.. Kernels.Select(k => k.Name)];

    static Kernel Named(string name) => Kernels.Single(k => k.Name == name).Append;

    /// <summary>The definition, a bit at a time.</summary>
    static uint Naive(uint crc, ReadOnlySpan<byte> data)
    {
        uint state = ~crc;
        foreach (byte b in data)
        {
            state ^= b;
            for (int bit = 0; bit < 8; bit++) state = (state >> 1) ^ ((state & 1) * 0x82F63B78);
        }
        return ~state;
    }

    static byte[] RandomBytes(int length, Random random)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    public static TheoryData<byte[], uint> PublishedVectors => new()
    {
        { [], 0 },
        { "123456789"u8.ToArray(), 0xe3069283 },
        // RFC 3720, appendix B.4
        { new byte[32], 0x8a9136aa },
        { [.. Enumerable.Repeat((byte)0xff, 32)], 0x62a8ab43 },
        { [.. Enumerable.Range(0, 32).Select(i => (byte)i)], 0x46dd794e },
        { [.. Enumerable.Range(0, 32).Select(i => (byte)(31 - i))], 0x113fdb5c },
        { Convert.FromHexString("01c00000000000000000000000000000140000000000040000000014000000182800000000000000" + "0200000000000000"),
            0xd9963a56 },
    };

    [Theory]
    [MemberData(nameof(PublishedVectors))]
    public void Compute_PublishedVector_GivesPublishedValue(byte[] data, uint expected)
    {
        Assert.Equal(expected, Crc32C.Compute(data));
        Assert.Equal(expected, Naive(0, data));
        foreach ((string name, Kernel append) in Kernels) Assert.True(expected == append(0, data), name);
    }

    [Theory]
    [MemberData(nameof(KernelNames))]
    public void Append_EveryLengthTo5000_EqualsNaive(string name)
    {
        Kernel append = Named(name);
        var random = new Random(Seed);
        byte[] data = RandomBytes(5000 + 64, random);
        // one pass of the naive function for each start, and every prefix of it compared
        foreach (int start in (int[])[0, 1, 7, 8, 15, 33])
        {
            uint crc = (uint)random.NextInt64(1L << 32), expected = crc;
            for (int length = 0; length <= 5000; length++)
            {
                uint got = append(crc, data.AsSpan(start, length));
                if (expected != got) Assert.Fail(
                    $"{name}: seed {Seed}, start {start}, length {length}: expected {expected:x8}, got {got:x8}");
                expected = Naive(expected, data.AsSpan(start + length, 1));
            }
        }
    }

    [Theory]
    [MemberData(nameof(KernelNames))]
    public void Append_RandomLengthsAndAlignments_EqualsNaive(string name)
    {
        Kernel append = Named(name);
        var random = new Random(Seed);
        byte[] data = RandomBytes(300_000 + 64, random);
        for (int round = 0; round < 12; round++)
        {
            int start = random.Next(64), length = random.Next(300_000);
            uint crc = (uint)random.NextInt64(1L << 32);
            uint expected = Naive(crc, data.AsSpan(start, length)), got = append(crc, data.AsSpan(start, length));
            if (expected != got) Assert.Fail(
                $"{name}: seed {Seed}, round {round}, start {start}, length {length}: expected {expected:x8}, got {got:x8}");
        }
    }

    [Theory]
    [MemberData(nameof(KernelNames))]
    public void Append_WholeBlocksOfMostRounds_EqualsNaive(string name)
    {
        Kernel append = Named(name);
        byte[] data = RandomBytes(3 * 104 * Crc32C.MaxRounds + 1, new Random(Seed));
        foreach (int round in (int[])[72, 104])
        {
            for (int blocks = 1; blocks <= 3; blocks++)
            {
                for (int more = -1; more <= 1; more++)
                {
                    ReadOnlySpan<byte> block = data.AsSpan(0, blocks * round * Crc32C.MaxRounds + more);
                    uint expected = Naive(0, block), got = append(0, block);
                    if (expected != got) Assert.Fail($"{name}: seed {Seed}, length {block.Length}: expected {expected:x8}, got {got:x8}");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(KernelNames))]
    public void Append_InRandomPieces_EqualsWhole(string name)
    {
        Kernel append = Named(name);
        var random = new Random(Seed);
        byte[] data = RandomBytes(100_000, random);
        uint expected = Naive(0, data);
        for (int round = 0; round < 50; round++)
        {
            int longest = 1 << random.Next(4, 17);
            uint got = 0;
            for (int at = 0; at < data.Length;)
            {
                int piece = Math.Min(data.Length - at, random.Next(longest));
                got = append(got, data.AsSpan(at, piece));
                at += piece;
            }
            if (expected != got) Assert.Fail(
                $"{name}: seed {Seed}, round {round}, pieces below {longest}: expected {expected:x8}, got {got:x8}");
        }
    }

    [Fact]
    public void Append_ReadsNothingBeyondTheSpan()
    {
        // the same bytes among different neighbours
        var random = new Random(Seed);
        byte[] one = RandomBytes(8192, random), other = RandomBytes(8192, random);
        for (int length = 0; length < 2000; length += 13)
        {
            one.AsSpan(100, length).CopyTo(other.AsSpan(100));
            foreach ((string name, Kernel append) in Kernels)
            {
                Assert.True(append(0, one.AsSpan(100, length)) == append(0, other.AsSpan(100, length)),
                    $"{name}: seed {Seed}, length {length}");
            }
        }
    }

    [Fact]
    public void Combine_EveryKindOfSplit_EqualsWhole()
    {
        var random = new Random(Seed);
        byte[] data = RandomBytes(70_000, random);
        uint expected = Naive(0, data);
        foreach (int second in (
                int[])[0, 1, 2, 3, 7, 8, 255, 256, 65_535, 65_536, 69_999, 70_000,
                .. Enumerable.Range(0, 50).Select(_ => random.Next(70_000))])
        {
            uint a = Crc32C.Compute(data.AsSpan(0, data.Length - second)), b = Crc32C.Compute(data.AsSpan(data.Length - second));
            uint got = Crc32C.Combine(a, b, second);
            if (expected != got) Assert.Fail($"seed {Seed}, second part {second} bytes: expected {expected:x8}, got {got:x8}");
        }
    }

    [Theory]
    [InlineData(1L << 31)]
    [InlineData((1L << 32) + 1)]
    [InlineData(5_000_000_000)]
    [InlineData((1L << 40) + 12_345)]
    [InlineData(long.MaxValue)]
    public void Combine_LengthsBeyondMemory_EqualsRepeatedSquaring(long length)
    {
        // crc(zeros of n bytes) by doubling: an oracle that combines halves only, down to one byte
        static uint Zeros(long n)
        {
            if (n == 0) return 0;
            if (n == 1) return Naive(0, [0]);
            uint half = Zeros(n / 2), twice = NaiveCombine(half, half, n / 2);
            return (n & 1) == 0 ? twice : Naive(twice, [0]);
        }

        uint a = Naive(0, "checkpoint"u8), b = Zeros(length);
        Assert.Equal(NaiveCombine(a, b, length), Crc32C.Combine(a, b, length));
        Assert.Equal(b, Crc32C.Combine(Zeros(length / 2), Zeros(length - (length / 2)), length - (length / 2)));
    }

    /// <summary>zlib's old way: the 32 by 32 bit matrix of one zero bit, squared until it is that of the length.</summary>
    static uint NaiveCombine(uint a, uint b, long length)
    {
        static uint Apply(uint[] matrix, uint value)
        {
            uint sum = 0;
            for (int i = 0; value != 0; value >>= 1, i++) sum ^= (value & 1) != 0 ? matrix[i] : 0;
            return sum;
        }

        uint[] matrix = [0x82F63B78, .. Enumerable.Range(0, 31).Select(i => 1u << i)];
        for (int i = 0; i < 3; i++) matrix = [.. matrix.Select(column => Apply(matrix, column))];
        for (; length != 0; length >>= 1)
        {
            if ((length & 1) != 0) a = Apply(matrix, a);
            matrix = [.. matrix.Select(column => Apply(matrix, column))];
        }
        return a ^ b;
    }

    [Fact]
    public void Shift_OnEveryInstructionSet_IsTheSame()
    {
        var random = new Random(Seed);
        for (int round = 0; round < 200; round++)
        {
            uint crc = (uint)random.NextInt64(1L << 32);
            long bytes = random.NextInt64(long.MaxValue) >> random.Next(62);
            uint expected = NaiveCombine(crc, 0, bytes);
            string at = $"seed {Seed}, round {round}, {crc:x8} by {bytes} bytes";
            Assert.True(expected == Crc32C.Shift<Crc32C.Table>(crc, (ulong)bytes), "table: " + at);
            if (Crc32C.X86.IsSupported) Assert.True(expected == Crc32C.Shift<Crc32C.X86>(crc, (ulong)bytes), "x86: " + at);
            if (Crc32C.Arm.IsSupported) Assert.True(expected == Crc32C.Shift<Crc32C.Arm>(crc, (ulong)bytes), "arm: " + at);
        }
    }

    [Fact]
    public void Combine_NegativeLength_Throws() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Crc32C.Combine(1, 2, -1));
}
