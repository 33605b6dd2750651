using System.Text;
using S3dlio.IO;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Storage;

public class ObjectKeyTests
{
    static readonly StoreUri Memory = StoreUri.Parse("memory://m");

    [Fact]
    public void Compare_RandomText_OrdersAsUtf8Bytes()
    {
        string[] letters = ["", "a", "b", "/", "-", "é", "\uD7FF", "\uE000", "\uFFFD", "\U00010000", "\U0001F600", "\U0010FFFF"];
        var random = new Random(1);
        for (int i = 0; i < 5000; i++)
        {
            string a = Text(), b = Text();
            int bytes = Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b));
            Assert.Equal(Math.Sign(bytes), Math.Sign(ObjectKey.Compare(a, b)));
        }

        string Text() => string.Concat(Enumerable.Range(0, random.Next(4)).Select(_ => letters[random.Next(letters.Length)]));
    }

    [Fact]
    public void Compare_NamesThatAreNotUtf8_OrdersAsTheirBytes()
    {
        var random = new Random(2);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] a = Name(), b = Name();
            int order = ObjectKey.Compare(PathText.Decode(a), PathText.Decode(b));
            Assert.True(Math.Sign(a.AsSpan().SequenceCompareTo(b)) == Math.Sign(order),
                $"{Convert.ToHexString(a)} and {Convert.ToHexString(b)}: {order}");
        }

        byte[] Name()
        {
            byte[] some = [0x41, 0x7f, 0x80, 0xa9, 0xbf, 0xc3, 0xed, 0xa0, 0xf0, 0x9f, 0x98, 0x80, 0xff];
            return [.. Enumerable.Range(0, random.Next(6)).Select(_ => some[random.Next(some.Length)])];
        }
    }

    [Fact]
    public void Check_NamesThatAreNotUtf8_OnlyOfLocalFiles()
    {
        ObjectKey.Check(StoreUri.Parse("file:///a"), "x\uDCFF");
        Assert.Contains(
            "m/x\\xff: ", Assert.Throws<StoreException>(() => ObjectKey.Check(Memory, "x\uDCFF")).Message, StringComparison.Ordinal);
        foreach (string text in (string[])["\uD800", "\uDC7F", "\uDD00", "\uDC80\uD800"])
            Assert.Throws<StoreException>(() => ObjectKey.Check(StoreUri.Parse("file:///a"), text));
    }

    [Fact]
    public void Check_LongestKey_CountsBytesNotCharacters()
    {
        ObjectKey.Check(Memory, new string('é', 512));
        var error = Assert.Throws<StoreException>(() => ObjectKey.Check(Memory, new string('é', 512) + "x"));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains("1025 bytes", error.Message, StringComparison.Ordinal);
        // a path has its file system's limits
        ObjectKey.Check(StoreUri.Parse("file:///"), new string('é', 600));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a/")]
    [InlineData("dir/prefix")]
    public void CheckPrefix_EmptyOrWithSlash_Passes(string prefix) => ObjectKey.CheckPrefix(Memory, prefix);

    [Fact]
    public void CheckPrefix_WithNul_InvalidArgument() =>
        Assert.Equal(ErrorKind.InvalidArgument, Assert.Throws<StoreException>(() => ObjectKey.CheckPrefix(Memory, "a\0")).Kind);
}
