using System.Globalization;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

sealed partial class AzureStore
{
    /// <summary>The version whose fields <see cref="SasText"/> lists.</summary>
    const string SasVersion = "2021-12-02";

    /// <remarks>A service SAS. Who puts with it has to send <c>x-ms-blob-type: BlockBlob</c>.</remarks>
    public override ValueTask<string> PresignAsync(string key, PresignOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        AzureKey.Check(Root, key);
        string uri = Root.Child(key);
        var signer = _client.Account.Credential.Signer
            ?? throw StoreException.InvalidArgument(uri,
                $"a URL is signed with the account's key, and this store logs in with {_client.Account.Credential.Origin}; give "
                + "account_key or connection_string");
        string permissions = options.Method switch
        {
            "GET" or "HEAD" => "r",
            "PUT" => "cw",
            "DELETE" => "d",
            _ => throw StoreException.InvalidArgument(uri, $"a URL can be signed for GET, HEAD, PUT or DELETE, not for {options.Method}"),
        };
        string expiry = (_client.Retry.Clock.GetUtcNow() + options.Expires).UtcDateTime.ToString(
            "yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
        string protocol = _client.Account.IsTls ? "https" : "https,http";
        string signature = signer.Sign(SasText(_client.Account.Name, Container, key, permissions, expiry, protocol));
        string query = $"sv={SasVersion}&sr=b&sp={permissions}&se={PercentEncoding.Value(expiry)}"
            + $"&spr={PercentEncoding.Value(protocol)}&sig={PercentEncoding.Value(signature)}";
        return ValueTask.FromResult(_client.Url(Container, key, query));
    }

    /// <summary>
    /// What is signed: sixteen fields, of which those for policies, addresses, snapshots, encryption scopes and headers are empty.
    /// </summary>
    internal static string SasText(string account, string container, string key, string permissions, string expiry, string protocol) =>
        $"{permissions}\n\n{expiry}\n/blob/{account}/{container}/{key}\n\n\n{protocol}\n{SasVersion}\nb\n\n\n\n\n\n\n";
}
