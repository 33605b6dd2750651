using System.Text;
using S3dlio.Storage;
using S3dlio.Storage.Local;
using Xunit;

namespace S3dlio.Tests.Storage;

public class StrictJsonTests
{
    static StrictJsonException Refused(string text) =>
        Assert.Throws<StrictJsonException>(() => StrictJson.TextMap(StrictJson.Parse(Encoding.UTF8.GetBytes(text), 4)));

    [Theory]
    [InlineData("""{"a":"1","a":"2"}""", nameof(JsonProblem.DuplicateName), "a")]
    [InlineData("""{"a":"1","\u0061":"2"}""", nameof(JsonProblem.DuplicateName), "a")]
    [InlineData("""{"a":1}""", nameof(JsonProblem.NotText), "a")]
    [InlineData("""{"a":null}""", nameof(JsonProblem.NotText), "a")]
    [InlineData("""{"a":"\ud800"}""", nameof(JsonProblem.NotUnicode), "a")]
    [InlineData("""{"\ud800":"a"}""", nameof(JsonProblem.NotUnicode), "")]
    [InlineData("[]", nameof(JsonProblem.NotObject), "")]
    [InlineData("""{"a":"1"}x""", nameof(JsonProblem.Syntax), "")]
    [InlineData("""{"a":"1",}""", nameof(JsonProblem.Syntax), "")]
    [InlineData("""{"a":[[[[[]]]]]}""", nameof(JsonProblem.Syntax), "")]
    [InlineData("""{"a":"1"} // more""", nameof(JsonProblem.Syntax), "")]
    public void TextMap_NotStrict_IsRefused(string text, string problem, string name)
    {
        var error = Refused(text);
        Assert.Equal((problem, name), (error.Problem.ToString(), error.Name));
    }

    [Fact]
    public void Parse_NotUtf8_IsRefused() =>
        Assert.Equal(JsonProblem.NotUtf8,
            Assert.Throws<StrictJsonException>(() => StrictJson.Parse(new byte[] { (byte)'"', 0xff, (byte)'"' }, 4)).Problem);

    [Fact]
    public void Parse_FaultOnTheSecondLine_TellsWhere() => Assert.Equal((2, 1), Refused("{\n x}").Position);

    [Fact]
    public void Members_ManyNames_KeepTheirOrder() =>
        Assert.Equal(["b", "a", "c"],
            StrictJson.Members(StrictJson.Parse("""{"b":1,"a":2,"c":3}"""u8.ToArray(), 4)).Select(member => member.Name));

    [Fact]
    public void AsTextMap_NameTwice_IsRefused()
    {
        var option = OptionReader.Read("""{"metadata":{"team":"a","team":"b"}}""", "memory://b/")[0];
        var error = Assert.Throws<StoreException>(option.AsTextMap);
        Assert.Equal((ErrorKind.InvalidArgument, "option 'metadata': 'team' is given twice"), (error.Kind, error.Detail));
    }

    [Fact]
    public void FileAttributeRecord_NameTwice_IsBroken()
    {
        var error = Assert.Throws<StoreException>(() =>
            FileAttributeRecord.ParseMeta(FileAttributeRecord.Empty, """{"metadata":{"team":"a","team":"b"}}"""u8, "file:///x"));
        Assert.Equal(ErrorKind.InvalidData, error.Kind);
    }
}
