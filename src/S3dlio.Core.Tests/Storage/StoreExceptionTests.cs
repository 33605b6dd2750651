using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Storage;

public sealed class StoreExceptionTests
{
    [Theory]
    [InlineData("a\nERROR: all is lost", "a\\nERROR: all is lost")]
    [InlineData("a\r\tb", "a\\r\\tb")]
    [InlineData("\u001b[31mred\u009b0m\u007f", "\\u001b[31mred\\u009b0m\\u007f")]
    [InlineData("a\u2028b\u202egpj.exe\u2066", "a\\u2028b\\u202egpj.exe\\u2066")]
    [InlineData("größe 日本 \ud83d\ude00 a\\b", "größe 日本 \ud83d\ude00 a\\b")]
    public void Message_NamesThatTerminalsObey_AreEscaped(string name, string shown)
    {
        var error = new StoreException(ErrorKind.NotFound, $"s3://b/{name}", $"the server said '{name}'", offset: 3);
        Assert.Equal($"s3://b/{shown}: at byte 3: the server said '{shown}'", error.Message);
        // programs get the name as it is
        Assert.Equal($"s3://b/{name}", error.Uri);
    }
}
