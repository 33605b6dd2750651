using System.Text;
using S3dlio.Http;
using Xunit;

namespace S3dlio.Tests.Http;

/// <summary>The heads of answers, as servers, broken servers and enemies write them.</summary>
public class HttpHeadTests
{
    static HttpHead Parse(string text) => HttpHead.Parse(Encoding.Latin1.GetBytes(text));

    [Fact]
    public void Parse_OrdinaryHead_KnowsStatusHeadersAndLength()
    {
        var head = Parse("HTTP/1.1 206 Partial Content\r\nContent-Length: 42\r\nETag:\"v1\"\r\nX-Blank: \t two words \t\r\nEmpty:\r\netag: W/2\r\n\r\n");
        Assert.Equal((206, 42, false, true, false), (head.Status, head.Length!.Value, head.IsChunked, head.KeepsAlive, head.IsInterim));
        Assert.Equal("two words", head.Text("x-blank"));
        Assert.Equal("", head.Text("Empty"));
        Assert.Equal("\"v1\", W/2", head.Text("ETag"));
        Assert.Null(head.Text("ETags"));
    }

    [Theory]
    [InlineData("HTTP/1.1 200\r\n\r\n", 200)]
    [InlineData("HTTP/1.1 599 \r\n\r\n", 599)]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\n", 100)]
    [InlineData("HTTP/1.0 404 Not Found\r\n\r\n", 404)]
    public void Parse_StatusLines_AreTaken(string text, int status) => Assert.Equal(status, Parse(text).Status);

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nconnection: x, CLOSE\r\n\r\n")]
    [InlineData("HTTP/1.0 200 OK\r\n\r\n")]
    public void Parse_LastOfItsConnection_IsNotKept(string text) => Assert.False(Parse(text).KeepsAlive);

    [Fact]
    public void Parse_ChunkedInAnyCase_IsChunked() => Assert.True(Parse("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n").IsChunked);

    [Fact]
    public void Parse_SameLengthTwice_IsThatLength() =>
        Assert.Equal(5, Parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n").Length);

    [Theory]
    // what is no status line
    [InlineData("HTTP/2 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.2 200 OK\r\n\r\n")]
    [InlineData("http/1.1 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1  200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 20 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 2000 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 2x0 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 099 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\n\r\n")]
    [InlineData("220 smtp.example ESMTP\r\n\r\n")]
    // lengths that contradict each other, or are none
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5 5\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551617\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: \u000bchunked\r\n\r\n")]
    // lines and names that others read otherwise
    [InlineData("HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: 1\nContent-Length: 5\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: 1\rContent-Length: 5\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: 1\0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: 1\r\n Content-Length: 5\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\n: 5\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nNo colon\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nÄ: 5\r\n\r\n")]
    public void Parse_WhatOthersMightReadOtherwise_IsRefused(string text) =>
        Assert.Equal(HttpRequestError.InvalidResponse, Assert.Throws<HttpRequestException>(() => Parse(text)).HttpRequestError);

    [Theory]
    [InlineData("\u0015\u0003\u0001")]
    [InlineData("SSH-2.0-x")]
    [InlineData("HTTP/1.1 200 OK\n")]
    [InlineData("\n")]
    public void CheckBeginning_CannotBecomeAHead_IsRefused(string text) =>
        Assert.Throws<HttpRequestException>(() => HttpHead.CheckBeginning(Encoding.Latin1.GetBytes(text)));

    [Theory]
    [InlineData("")]
    [InlineData("HT")]
    [InlineData("HTTP/1.1 200 OK\r")]
    [InlineData("HTTP/1.1 200 OK\r\nA")]
    public void CheckBeginning_MayBecomeAHead_IsLeftAlone(string text) => HttpHead.CheckBeginning(Encoding.Latin1.GetBytes(text));

    [Fact]
    public void Parse_RandomBytes_GiveAHeadOrARefusal()
    {
        var dice = new Random(7);
        byte[] whole = "HTTP/1.1 206 Partial Content\r\nContent-Length: 42\r\nETag: \"v1\"\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"u8.ToArray();
        int refused = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = [.. whole];
            for (int change = dice.Next(1, 4); change > 0; change--)
                bytes[dice.Next(bytes.Length - 4)] = (byte)dice.Next(256);
            try
            {
                HttpHead.Parse(bytes);
            }
            catch (HttpRequestException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 10_000, 20_000);
    }

    [Theory]
    [InlineData("Fri, 01 Mar 2024 10:00:59 GMT", "2024-03-01T10:00:59Z")]
    [InlineData("Thu, 29 Feb 2024 23:59:00 GMT", "2024-02-29T23:59:00Z")]
    [InlineData("2024-03-01T10:00:59.000Z", "2024-03-01T10:00:59Z")]
    [InlineData("Fri, 31 Feb 2024 10:00:59 GMT", null)]
    [InlineData("Fri, 01 anF 2024 10:00:59 GMT", null)]
    [InlineData("Fri, 00 Mar 2024 10:00:59 GMT", null)]
    [InlineData("Fri, 01 Mar 2024 24:00:59 GMT", null)]
    [InlineData("nonsense", null)]
    public void Date_AnyText_IsATimeOrNone(string text, string? time) =>
        Assert.Equal(time is null ? null : DateTimeOffset.Parse(time, System.Globalization.CultureInfo.InvariantCulture),
            HttpText.Date(Encoding.Latin1.GetBytes(text)));
}
