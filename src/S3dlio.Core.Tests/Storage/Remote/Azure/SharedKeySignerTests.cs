using S3dlio.Storage.Remote;
using S3dlio.Storage.Remote.Azure;
using S3dlio.Http;
using Xunit;

namespace S3dlio.Tests.Storage.Remote.Azure;

public class SharedKeySignerTests
{
    // as the service's documentation builds it, line by line; the signature was computed with Python's hmac
    const string Expected = "PUT\n\n\n11\n\n\n\n\n\n*\n\n\n"
        + "x-ms-blob-type:BlockBlob\nx-ms-date:Wed, 01 Jan 2025 00:00:00 GMT\nx-ms-meta-run_1:a "
        + "b\nx-ms-meta-run1:c\nx-ms-version:2023-11-03\n"
        + "/devstoreaccount1/devstoreaccount1/box/a%20b/%C3%A9\ncomp:block\ntimeout:3 0";

    static HttpCall Call()
    {
        var call = new HttpCall
        {
            Method = HttpMethod.Put,
            Address = HttpTransport.Address("http://127.0.0.1:10000/devstoreaccount1/box/a%20b/%C3%A9?timeout=3%200&comp=block"),
            Subject = "az://x",
            Body = new HttpBody(new byte[11]),
        };
        call.Add("x-ms-version", "2023-11-03");
        call.Add("x-ms-meta-run1", "c");
        call.Add("x-ms-meta-run_1", " a b ");
        call.Add("X-Ms-Blob-Type", "BlockBlob");
        call.Add("If-None-Match", "*");
        return call;
    }

    [Fact]
    public void Sign_EverythingAtOnce_MatchesAnotherImplementation()
    {
        var call = Call();
        new SharedKeySigner(
            Emulator.Account, Convert.FromBase64String(Emulator.Key)).Sign(call, new DateTimeOffset(2025, 1, 1, 0, 0, 0, TimeSpan.Zero));

        Assert.Equal(Expected, SharedKeySigner.StringToSign(Emulator.Account, call));
        Assert.Equal("SharedKey devstoreaccount1:ROu6B/5gRidzQTlQH4afpqvs0EBKyzsql5vdLSOgCbw=", call.Headers[^1].Value);
    }

    [Theory]
    [InlineData("/a/../b/.//c", "/a/../b/.//c")]
    [InlineData("/a/%2E%2e", "/a/%2E%2e")]
    public void StringToSign_OddPaths_AreSignedAsTheyAreSent(string path, string signed)
    {
        var call = new HttpCall
        {
            Method = HttpMethod.Get,
            Address = HttpTransport.Address("https://acct.blob.core.windows.net" + path),
            Subject = "az://x"
        };
        Assert.EndsWith("/acct" + signed, SharedKeySigner.StringToSign("acct", call), StringComparison.Ordinal);
    }

    [Fact]
    public void Compare_Names_AsTheServiceSortsThem()
    {
        string[] expected = [
            "x-ms-blob-type", "x-ms-meta-_", "x-ms-meta-a", "x-ms-meta-a_b", "x-ms-meta-a1", "x-ms-meta-ab", "x-ms-meta-B", "x-ms-version"];
        Assert.Equal(expected, expected.Reverse().Order(Comparer<string>.Create(HeaderOrder.Compare)));
    }

    [Theory]
    [InlineData(0UL, "AAAAAAAAAAA=")]
    [InlineData(0xC7A37FBFA4D9D80EUL, "DtjZpL9/o8c=")]
    public void ToBase64_Crc64_IsLittleEndian(ulong value, string expected) => Assert.Equal(expected, PartHash.ToBase64(value));
}
