using S3dlio.Storage;
using S3dlio.Storage.Remote.Azure;
using Xunit;

namespace S3dlio.Tests.Storage.Remote.Azure;

public class AzureAccountTests
{
    const string Key = "c2VjcmV0LWtleQ==";

    static AzureAccount Resolve(string json, string name = "acct", params (string Name, string Value)[] environment)
    {
        var root = StoreUri.Parse($"az://{name}/box");
        var options = AzureOptions.Read(StoreOptions.Parse(json, root.ToString()), root);
        return AzureAccount.Resolve(
            options, name, root.ToString(), variable => environment.FirstOrDefault(pair => pair.Name == variable).Value);
    }

    [Theory]
    [InlineData("""{"account_key": "c2VjcmV0LWtleQ=="}""", "https://acct.blob.core.windows.net", "option account_key")]
    [InlineData("""{"sas_token": "?sv=1&sig=abc"}""", "https://acct.blob.core.windows.net", "option sas_token")]
    [InlineData("""{"credential": "anonymous", "endpoint_url": "http://localhost:1/acct/"}""", "http://localhost:1/acct", "no credentials")]
    [InlineData("""{"connection_string": "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=c2VjcmV0LWtleQ==;EndpointSuffix=core.chinacloudapi.cn"}""", "https://acct.blob.core.chinacloudapi.cn", "option connection_string")]
    [InlineData("""{"connection_string": "BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=x%2By"}""",
            "https://acct.blob.core.windows.net", "option connection_string")]
    [InlineData("{}", "https://acct.blob.core.windows.net", "DefaultAzureCredential")]
    public void Resolve_Options_DecideEndpointAndLogin(string json, string endpoint, string origin)
    {
        var account = Resolve(json);
        Assert.Equal(("acct", endpoint, origin), (account.Name, account.Endpoint, account.Credential.Origin));
    }

    [Fact]
    public void Resolve_Emulator_IsTheWellKnownOne()
    {
        var account = Resolve("""{"emulator": true}""", Emulator.Account);
        Assert.Equal(Emulator.Endpoint, account.Endpoint);
        Assert.IsType<SharedKeyCredential>(account.Credential);
        Assert.Equal(Emulator.Endpoint, Resolve("""{"connection_string": "UseDevelopmentStorage=true"}""", Emulator.Account).Endpoint);
        Assert.Throws<StoreException>(() => Resolve("""{"emulator": true}"""));
    }

    [Fact]
    public void Resolve_OtherCloudsHost_IsItsEndpoint()
    {
        var account = Resolve($$"""{"account_key": "{{Key}}"}""", "acct.blob.core.usgovcloudapi.net");
        Assert.Equal(("acct", "https://acct.blob.core.usgovcloudapi.net"), (account.Name, account.Endpoint));
    }

    [Fact]
    public void Resolve_Environment_CountsForItsAccountOnly()
    {
        Assert.Equal("AZURE_STORAGE_KEY", Resolve("{}", "acct", ("AZURE_STORAGE_KEY", Key)).Credential.Origin);
        Assert.Equal("AZURE_STORAGE_KEY",
            Resolve("{}", "acct", ("AZURE_STORAGE_KEY", Key), ("AZURE_STORAGE_ACCOUNT", "acct")).Credential.Origin);
        Assert.Equal("DefaultAzureCredential",
            Resolve("{}", "acct", ("AZURE_STORAGE_KEY", Key), ("AZURE_STORAGE_ACCOUNT", "other")).Credential.Origin);
        Assert.Equal("AZURE_STORAGE_SAS_TOKEN", Resolve("{}", "acct", ("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=2")).Credential.Origin);
        Assert.Equal("AZURE_STORAGE_CONNECTION_STRING",
            Resolve("{}", "acct", ("AZURE_STORAGE_CONNECTION_STRING", $"AccountName=acct;AccountKey={Key}")).Credential.Origin);
        Assert.Equal("DefaultAzureCredential",
            Resolve("{}", "acct", ("AZURE_STORAGE_CONNECTION_STRING", $"AccountName=other;AccountKey={Key}")).Credential.Origin);
        Assert.Equal("no credentials", Resolve("""{"credential": "anonymous"}""", "acct", ("AZURE_STORAGE_KEY", Key)).Credential.Origin);
    }

    [Theory]
    [InlineData("""{"account_key": "not base64!"}""", "not base64")]
    [InlineData("""{"account_key": "c2VjcmV0LWtleQ==", "sas_token": "sv=1&sig=2"}""", "exclude each other")]
    [InlineData("""{"sas_token": "hello"}""", "sig=")]
    [InlineData("""{"connection_string": "c2VjcmV0LWtleQ=="}""", "connection string")]
    [InlineData("""{"connection_string": "AccountName=other;AccountKey=c2VjcmV0LWtleQ=="}""", "'other'")]
    [InlineData("""{"endpoint_url": "https://acct.blob.core.windows.net/?sv=1&sig=c2VjcmV0LWtleQ"}""", "sas_token")]
    [InlineData("""{"acount_key": "c2VjcmV0LWtleQ=="}""", "did you mean 'account_key'?")]
    [InlineData("""{"credential": "c2VjcmV0LWtleQ=="}""", "default, anonymous")]
    public void Resolve_WrongOptions_SayWhatAndKeepTheSecret(string json, string says)
    {
        var error = Assert.Throws<StoreException>(() => Resolve(json));
        Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("c2VjcmV0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ToString_OfWhatHoldsSecrets_ShowsNone()
    {
        var account = Resolve($$"""{"account_key": "{{Key}}"}""");
        Assert.DoesNotContain("c2VjcmV0", account.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("sig=", Resolve("""{"sas_token": "sv=1&sig=2"}""").ToString(), StringComparison.Ordinal);
    }
}
