using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Storage;

public class StoreOptionsTests
{
    [Theory]
    [InlineData("", false, false)]
    [InlineData("{}", false, false)]
    [InlineData("""{"durable":true}""", true, false)]
    [InlineData("""{"durable":null,"direct_fallback":true}""", false, true)]
    public void Parse_KnownOptions_AreSet(string json, bool durable, bool fallback)
    {
        var options = StoreOptions.Parse(json, "file:///x");
        Assert.Equal(durable, options.Durable);
        Assert.Equal(fallback, options.DirectFallback);
    }

    [Theory]
    [InlineData("{", "not JSON")]
    [InlineData("[]", "JSON object")]
    [InlineData("""{"durable":1}""", "'durable' must be true or false, found 1")]
    [InlineData("""{"durable":"a secret"}""", "found a JSON string")]
    [InlineData("""{"durable":true,"durable":false}""", "given twice")]
    [InlineData("""{"durabel":true}""", "did you mean 'durable'?")]
    [InlineData("""{"something":true}""", ", direct_fallback, durable, ")]
    public void Parse_AnythingElse_SaysWhatIsWrong(string json, string expected)
    {
        var error = Assert.Throws<StoreException>(() => StoreOptions.Parse(json, "file:///x"));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.StartsWith("file:///x: ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"metadata":{"a":"1","a":"2"}}""", "option 'metadata': 'a' is given twice")]
    [InlineData("""{"metadata":{"a":"1","\u0061":"1"}}""", "option 'metadata': 'a' is given twice")]
    [InlineData("""{"metadata":{"a":1}}""", "the value of 'a' must be a string, found Number")]
    [InlineData("""{"metadata":[]}""", "must be an object of strings, found a JSON array")]
    public void AsTextMap_NoMapOfTexts_SaysWhatIsWrong(string json, string expected)
    {
        var option = Assert.Single(OptionReader.Read(json, "s3dlio call"));
        var error = Assert.Throws<StoreException>(() => option.AsTextMap());
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AsTextMap_SameNameInOtherCase_IsAnotherName() =>
        Assert.Equal(2, Assert.Single(OptionReader.Read("""{"metadata":{"a":"1","A":"2"}}""", "s3dlio call")).AsTextMap().Count);
}
