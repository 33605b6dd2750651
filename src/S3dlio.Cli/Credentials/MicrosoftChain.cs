using System.Text.Json;
using Azure.Core;
using Azure.Identity;

namespace S3dlio.Cli.Credentials;

/// <summary>Microsoft's own chain of token sources: environment, workload identity, managed identity, developer tools.</summary>
static class MicrosoftChain
{
    /// <summary>The audience of every storage account, in every cloud.</summary>
    static readonly string[] Scopes = ["https://storage.azure.com/.default"];

    public static async Task AnswerAsync(Utf8JsonWriter writer, string? authority, string? claims)
    {
        var source = new DefaultAzureCredential(new DefaultAzureCredentialOptions
        {
            // opens a browser, which a batch job has nobody for
            ExcludeInteractiveBrowserCredential = true,
            AuthorityHost = authority is null ? AzureAuthorityHosts.AzurePublicCloud : new Uri(authority),
        });
        var found = await source.GetTokenAsync(new TokenRequestContext(Scopes, claims: claims)).ConfigureAwait(false);
        writer.WriteStartObject();
        writer.WriteString("token", found.Token);
        writer.WriteNumber("ends", found.ExpiresOn.ToUnixTimeSeconds());
        if (found.RefreshOn is { } renewal)
            writer.WriteNumber("renew", renewal.ToUnixTimeSeconds());
        writer.WriteEndObject();
    }
}
