using System.Text;
using S3dlio.Hashing;
using Xunit;

namespace S3dlio.Tests.Hashing;

public class Crc32Tests
{
    [Theory]
    [InlineData("", 0u)]
    [InlineData("123456789", 0xCBF43926u)] // the check value of CRC-32/ISO-HDLC
    [InlineData("The quick brown fox jumps over the lazy dog", 0x414FA339u)]
    public void Compute_PublishedExamples_Match(string text, uint expected) =>
        Assert.Equal(expected, Crc32.Compute(Encoding.ASCII.GetBytes(text)));

    [Fact]
    public void Append_AnyCutAndAlignment_EqualsBitByBit() => CrcOracle.Attack(
        32, 0xEDB88320, (crc, data) => Crc32.Append((uint)crc, data),
        (first, second, length) => Crc32.Combine((uint)first, (uint)second, length));
}
