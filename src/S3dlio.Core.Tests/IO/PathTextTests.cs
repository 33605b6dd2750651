using System.Text;
using System.Text.RegularExpressions;
using S3dlio.IO;
using Xunit;

namespace S3dlio.Tests.IO;

public sealed class PathTextTests
{
    [Fact]
    public void Decode_AnyBytes_EncodesToTheSame()
    {
        var random = new Random(3);
        for (int i = 0; i < 50_000; i++)
        {
            var name = new byte[random.Next(12)];
            random.NextBytes(name);
            // half of them mostly UTF-8
            if (i % 2 == 0)
                name = [.. Encoding.UTF8.GetBytes("é😀a"), .. name.AsSpan(0, Math.Min(2, name.Length)), .. "\uFFFD\uD7FF"u8];
            string text = PathText.Decode(name);
            Assert.Equal(name, PathText.Encode(text));
            Assert.Equal(name.Length, PathText.ByteCount(text));
        }
    }

    // attributes are stored as UTF-8, which has no lone surrogates, so they are escaped here; as Python's bytes.decode("utf-8",
    // "surrogateescape") has them
    [Theory]
    [InlineData("ff", "\\uDCFF")]
    [InlineData("61c3a9", "aé")]
    [InlineData("e28241", "\\uDCE2\\uDC82A")]
    [InlineData("c0af", "\\uDCC0\\uDCAF")]
    [InlineData("eda080", "\\uDCED\\uDCA0\\uDC80")]
    [InlineData("f0908080", "𐀀")]
    [InlineData("f4908080", "\\uDCF4\\uDC90\\uDC80\\uDC80")]
    [InlineData("f09f9880f09f98", "😀\\uDCF0\\uDC9F\\uDC98")]
    public void Decode_BytesThatAreNotUtf8_AreLoneSurrogates(string bytes, string expected) =>
        Assert.Equal(Regex.Unescape(expected).Select(c => (int)c), PathText.Decode(Convert.FromHexString(bytes)).Select(c => (int)c));

    [Theory]
    [InlineData("\\uD800")]
    [InlineData("a\\uDC7F")]
    [InlineData("\\uDD00b")]
    [InlineData("\\uDBFF\\uDBFF\\uDC80")]
    public void Encode_LoneSurrogateOfNoByte_IsRefused(string text)
    {
        Assert.Null(PathText.ByteCount(Regex.Unescape(text)));
        Assert.Throws<ArgumentException>(() => PathText.Encode(Regex.Unescape(text)));
    }

    [Theory]
    [InlineData("plain é😀", "plain é😀")]
    [InlineData("a\\uDCFFb\\uDC80", "a\\xffb\\x80")]
    [InlineData("😀\\uD800", "😀\\ud800")]
    public void Show_LoneSurrogates_AreTheirBytes(string text, string shown) => Assert.Equal(shown, PathText.Show(Regex.Unescape(text)));
}
