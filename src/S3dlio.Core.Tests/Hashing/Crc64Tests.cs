using System.Text;
using S3dlio.Hashing;
using Xunit;

namespace S3dlio.Tests.Hashing;

public class Crc64Tests
{
    [Theory]
    [InlineData("", 0UL)]
    [InlineData("123456789", 0xAE8B14860A799888UL)] // the check value of CRC-64/NVME
    [InlineData("Hello Azure!", 0xC7A37FBFA4D9D80EUL)] // DtjZpL9/o8c= in the tests of Azure's C++ library
    public void Compute_PublishedExamples_Match(string text, ulong expected) => Assert.Equal(expected, Crc64.Compute(Encoding.ASCII.GetBytes(text)));

    [Fact]
    public void Append_AnyCutAndAlignment_EqualsBitByBit()
    {
        var data = new byte[70_000];
        new Random(1).NextBytes(data);
        var random = new Random(2);
        for (int i = 0; i < 300; i++)
        {
            int length = i < 150 ? i * 3 : random.Next(20_000);
            int start = random.Next(data.Length - length);
            var part = data.AsSpan(start, length);
            ulong expected = BitByBit(part);
            int cut = random.Next(length + 1);
            Assert.Equal(expected, Crc64.Compute(part));
            Assert.Equal(expected, Crc64.Append(Crc64.Compute(part[..cut]), part[cut..]));
        }
    }

    static ulong BitByBit(ReadOnlySpan<byte> data)
    {
        ulong state = ulong.MaxValue;
        foreach (byte b in data)
        {
            state ^= b;
            for (int bit = 0; bit < 8; bit++)
                state = (state & 1) != 0 ? (state >> 1) ^ 0x9A6C9329AC4BC9B5 : state >> 1;
        }
        return ~state;
    }
}
