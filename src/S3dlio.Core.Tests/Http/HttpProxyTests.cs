using S3dlio.Http;
using Xunit;

namespace S3dlio.Tests.Http;

/// <summary>How proxies are named: URLs of the option and the variables of the environment.</summary>
public class HttpProxyTests
{
    [Theory]
    [InlineData("http://proxy.example:3128", "http://proxy.example:3128", null, "")]
    [InlineData("proxy.example:3128", "http://proxy.example:3128", null, "")]
    [InlineData("proxy.example", "http://proxy.example:80", null, "")]
    [InlineData("HTTPS://proxy.example/", "https://proxy.example:443", null, "")]
    [InlineData("socks5://proxy.example", "socks5://proxy.example:1080", null, "")]
    [InlineData("socks5h://proxy.example:80", "socks5h://proxy.example:80", null, "")]
    [InlineData("socks4://[::1]", "socks4://[::1]:1080", null, "")]
    [InlineData("http://us%3Aer:p%40s:s%25@proxy.example", "http://proxy.example:80", "us:er", "p@s:s%")]
    [InlineData("user:p@ss@proxy.example:1", "http://proxy.example:1", "user", "p@ss")]
    [InlineData("http://user@proxy.example:1", "http://proxy.example:1", "user", "")]
    public void TryParse_Url_GivesPlaceAndDecodedLogin(string text, string name, string? user, string password)
    {
        Assert.True(HttpProxy.TryParse(text, "option proxy", out var proxy));
        Assert.Equal((name, user, password), (proxy.Name, proxy.User, proxy.Password));
    }

    [Theory]
    [InlineData("ftp://proxy.example")]
    [InlineData("http://")]
    [InlineData("http://proxy.example:port")]
    [InlineData("http://proxy.example:0")]
    [InlineData("http://a b")]
    public void TryParse_NoProxy_IsRefused(string text) => Assert.False(HttpProxy.TryParse(text, "option proxy", out _));

    [Fact]
    public void TryParse_LoginThatSocksCannotCarry_IsRefused()
    {
        string longest = new('x', 255);
        Assert.True(HttpProxy.TryParse($"socks5://{longest}:{longest}@h", "option proxy", out _));
        Assert.False(HttpProxy.TryParse($"socks5://{longest}x:y@h", "option proxy", out _));
        Assert.False(HttpProxy.TryParse($"socks5://y:{longest}x@h", "option proxy", out _));
        Assert.True(HttpProxy.TryParse($"http://y:{longest}x@h", "option proxy", out _));
    }

    [Theory]
    [InlineData("https://s3.example.com", "HTTPS_PROXY=p:1", "http://p:1")]
    [InlineData("https://s3.example.com", "https_proxy=q:1 HTTPS_PROXY=p:1", "http://q:1")]
    [InlineData("https://s3.example.com", "HTTP_PROXY=p:1", null)]
    [InlineData("http://s3.example.com", "HTTP_PROXY=p:1", "http://p:1")]
    [InlineData("http://s3.example.com", "HTTP_PROXY=p:1 GATEWAY_INTERFACE=CGI/1.1", null)]
    [InlineData("http://s3.example.com", "http_proxy=p:1 GATEWAY_INTERFACE=CGI/1.1", "http://p:1")]
    [InlineData("http://s3.example.com", "ALL_PROXY=socks5://p:1", "socks5://p:1")]
    [InlineData("https://s3.example.com", "all_proxy=socks5://p:1 http_proxy=q:1", "socks5://p:1")]
    [InlineData("http://s3.example.com", "HTTP_PROXY=ftp://p:1", null)]
    [InlineData("http://s3.example.com", "HTTP_PROXY=p:1 NO_PROXY=example.com,s3.example.com", null)]
    [InlineData("http://s3.example.com", "HTTP_PROXY=p:1 NO_PROXY=example.com", "http://p:1")]
    [InlineData("http://s3.example.com", "HTTP_PROXY=p:1 NO_PROXY=.EXAMPLE.com", null)]
    [InlineData("http://example.com", "HTTP_PROXY=p:1 no_proxy=.example.com", null)]
    [InlineData("http://anexample.com", "HTTP_PROXY=p:1 no_proxy=.example.com", "http://p:1")]
    [InlineData("http://s3.example.com", "HTTP_PROXY=p:1 no_proxy=x NO_PROXY=s3.example.com", "http://p:1")]
    [InlineData("http://[::1]:9000", "HTTP_PROXY=p:1 NO_PROXY=[::1]", null)]
    [InlineData("http://127.0.0.1:9000", "HTTP_PROXY=p:1", "http://p:1")]
    public void Find_Variables_FollowTheRules(string server, string variables, string? expected)
    {
        var set = variables.Split(' ').Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
        var proxies = new EnvironmentProxies(name => set.GetValueOrDefault(name));
        Assert.Equal(expected, proxies.Find(HttpOrigin.Of(new Uri(server)))?.Name);
    }
}
