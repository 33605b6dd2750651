using System.Text;
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
