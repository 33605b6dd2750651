using System.Text;
using S3dlio.Hashing;
using Xunit;

namespace S3dlio.Tests.Hashing;

public sealed class ChecksumTests
{
    [Theory]
    [InlineData(0u, "crc32c:00000000", "AAAAAA==")]
    [InlineData(0x1a2b3c4du, "crc32c:1a2b3c4d", "Gis8TQ==")]
    [InlineData(0x0000000fu, "crc32c:0000000f", "AAAADw==")]
    [InlineData(0xe3069283u, "crc32c:e3069283", "4waSgw==")]
    [InlineData(0xffffffffu, "crc32c:ffffffff", "/////w==")]
    public void TextForms_OfAnyValue_ReadBack(uint value, string text, string base64)
    {
        var checksum = new Checksum(value);
        Assert.Equal(text, checksum.ToString());
        Assert.Equal(text[7..], checksum.ToHex());
        Assert.Equal(base64, checksum.ToBase64());
        Assert.Equal(checksum, Checksum.Parse(text));
        Assert.Equal(checksum, Checksum.Parse("crc32c:" + text[7..].ToUpperInvariant()));
        Assert.True(Checksum.TryParse(text, out Checksum read));
        Assert.Equal(checksum, read);
        Assert.True(Checksum.TryParseBase64(base64, out read));
        Assert.Equal(checksum, read);
        Span<byte> utf8 = stackalloc byte[Checksum.TextLength];
        Assert.True(checksum.TryFormat(utf8));
        Assert.Equal(text, Encoding.UTF8.GetString(utf8));
        Assert.Equal(Checksum.TextLength, text.Length);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1a2b3c4d")]
    [InlineData("crc32c:")]
    [InlineData("crc32c:1a2b3c4")]
    [InlineData("crc32c:1a2b3c4d5")]
    [InlineData("crc32c:1a2b3c4g")]
    [InlineData("crc32c: 1a2b3c4")]
    [InlineData("crc32c:1a2b3c4 ")]
    [InlineData("crc32c:+1a2b3c4")]
    [InlineData("crc32c:0x1a2b3c")]
    [InlineData("crc32c:1a2b3c4\0")]
    [InlineData(" crc32c:1a2b3c4d")]
    [InlineData("crc32c:1a2b3c4d ")]
    [InlineData("CRC32C:1a2b3c4d")]
    [InlineData("crc32 :1a2b3c4d")]
    [InlineData("crc32c-1a2b3c4d")]
    [InlineData("sha256:1a2b3c4d")]
    [InlineData("crc32c:１a2b3c4d")]
    public void Parse_AnythingElse_IsRefusedWithExpectedAndFound(string text)
    {
        Assert.False(Checksum.TryParse(text, out Checksum read));
        Assert.Equal(default, read);
        var error = Assert.Throws<FormatException>(() => Checksum.Parse(text));
        Assert.Contains("crc32c:1a2b3c4d", error.Message, StringComparison.Ordinal);
        Assert.Contains($"found \"{text}\" ({text.Length} characters)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_LongText_IsCutInTheMessage() =>
        Assert.InRange(Assert.Throws<FormatException>(() => Checksum.Parse(new string('x', 100_000))).Message.Length, 64, 300);

    [Theory]
    [InlineData("")]
    [InlineData("Gis8TQ")]
    [InlineData("Gis8TQ=")]
    [InlineData("Gis8TQ==-3")]
    [InlineData("Gis8TQ== ")]
    [InlineData(" Gis8TQ=")]
    [InlineData("Gis8 TQ=")]
    [InlineData("Gis8TR==")]
    [InlineData("Gis8TQA=")]
    [InlineData("Gis8TQAA")]
    [InlineData("Gis_TQ==")]
    public void TryParseBase64_AnythingElse_IsRefused(string text)
    {
        Assert.False(Checksum.TryParseBase64(text, out Checksum read));
        Assert.Equal(default, read);
    }

    [Fact]
    public void TryFormat_TooLittleRoom_WritesNothing()
    {
        byte[] utf8 = new byte[Checksum.TextLength - 1];
        Assert.False(new Checksum(0x1a2b3c4d).TryFormat(utf8));
        Assert.Equal(new byte[utf8.Length], utf8);
    }

    [Fact]
    public void TryFormat_MoreRoom_LeavesTheRest()
    {
        byte[] utf8 = [.. Enumerable.Repeat((byte)'.', Checksum.TextLength + 3)];
        Assert.True(new Checksum(0x1a2b3c4d).TryFormat(utf8));
        Assert.Equal("crc32c:1a2b3c4d...", Encoding.UTF8.GetString(utf8));
    }

    [Fact]
    public void Empty_IsTheChecksumOfNoBytes()
    {
        Assert.Equal(Checksum.Empty, Checksum.Of([]));
        Assert.Equal(0u, Checksum.Empty.Value);
        Assert.Equal(Checksum.Of("a"u8), Checksum.Empty.Append("a"u8));
    }

    [Fact]
    public void AppendAndCombine_OfParts_EqualWhole()
    {
        Checksum whole = Checksum.Of("123456789"u8);
        Assert.Equal("crc32c:e3069283", whole.ToString());
        Assert.Equal(whole, Checksum.Of("1234"u8).Append("56789"u8));
        Assert.Equal(whole, Checksum.Combine(Checksum.Of("1234"u8), Checksum.Of("56789"u8), 5));
        Assert.Equal(whole, Checksum.Combine(whole, Checksum.Empty, 0));
        Assert.Equal(whole, Checksum.Combine(Checksum.Empty, whole, 9));
    }

    [Fact]
    public void Combine_NegativeLength_Throws() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Checksum.Combine(Checksum.Empty, Checksum.Empty, -1));
}
