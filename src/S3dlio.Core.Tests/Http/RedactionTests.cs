using S3dlio.Http;
using Xunit;

namespace S3dlio.Tests.Http;

public class RedactionTests
{
    static HttpCall Call(string query = "")
    {
        var call = new HttpCall
        {
            Method = HttpMethod.Put,
            Address = HttpTransport.Address($"http://127.0.0.1:1/b/k{query}"),
            Subject = "s3://b/k"
        };
        call.Add("x-amz-date", "20260101T000000Z");
        return call;
    }

    [Theory]
    [InlineData("Authorization", "AWS4-HMAC-SHA256 Credential=id/x, SignedHeaders=host, Signature=0123456789abcdef", "0123456789abcdef")]
    [InlineData("Authorization", "SharedKey account:bG9uZyBzaWduYXR1cmU=", "bG9uZyBzaWduYXR1cmU=")]
    [InlineData("authorization", "Bearer eyJhbGciOi.payload.signed", "eyJhbGciOi.payload.signed")]
    [InlineData("x-amz-security-token", "FwoGZXIvYXdz+/==", "FwoGZXIvYXdz+/==")]
    [InlineData("x-amz-server-side-encryption-customer-key", "MDEyMzQ1Njc4OTAxMjM0NQ==", "MDEyMzQ1Njc4OTAxMjM0NQ==")]
    [InlineData("x-amz-copy-source-server-side-encryption-customer-key", "MDEyMzQ1Njc4OTAxMjM0NQ==", "MDEyMzQ1Njc4OTAxMjM0NQ==")]
    public void Clean_ServerRepeatsAHeader_SecretIsGone(string name, string value, string secret)
    {
        var call = Call();
        call.Add(name, value);
        foreach (string said in (string[])[$"You sent {value}.", $"wrong: {secret}", $"{secret}{secret} 20260101T000000Z"])
        {
            string clean = Redaction.Clean(call, said);
            Assert.DoesNotContain(secret, clean, StringComparison.OrdinalIgnoreCase);
            Assert.Contains("[secret]", clean, StringComparison.Ordinal);
        }
        Assert.Equal("at 20260101T000000Z", Redaction.Clean(call, "at 20260101T000000Z"));
    }

    [Theory]
    [InlineData("?sv=1&sig=a%2Bb%2Fc%3Ddefg", "a%2Bb%2Fc%3Ddefg")]
    [InlineData("?sig=a%2Bb%2Fc%3Ddefg&comp=list", "a+b/c=defg")]
    [InlineData("?comp=list&sig=a%2Bb%2Fc%3Ddefg", "a%2bb%2fc%3ddefg")]
    public void Clean_ServerRepeatsASignature_IsGoneInEveryForm(string query, string said) =>
        Assert.Equal("not [secret]", Redaction.Clean(Call(query), "not " + said));

    [Fact]
    public void Clean_NothingSecretWasSent_StaysAsItWas()
    {
        var call = Call("?signed=yes&sig=t");
        call.Add("x-amz-security-token", "t");
        Assert.Equal("that is the text", Redaction.Clean(call, "that is the text"));
        Assert.Equal("", Redaction.Clean(call, ""));
    }
}
