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
    public void Compute_PublishedExamples_Match(string text, ulong expected) =>
        Assert.Equal(expected, Crc64.Compute(Encoding.ASCII.GetBytes(text)));

    [Fact]
    public void Append_AnyCutAndAlignment_EqualsBitByBit() => CrcOracle.Attack(64, 0x9A6C9329AC4BC9B5, Crc64.Append, Crc64.Combine);
}
