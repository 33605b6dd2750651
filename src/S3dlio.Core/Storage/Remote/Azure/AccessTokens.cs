using System.Globalization;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>Tokens from Microsoft's own chain: environment, workload identity, managed identity, developer tools.</summary>
sealed class AccessTokens(string? authority) : RenewedCredential<string>
{
    protected override bool IsSame(string a, string b) => a == b;

    protected override async Task<(string Value, DateTimeOffset? RenewOn, DateTimeOffset End)> AskAsync(string? refused)
    {
        var found = await AskForAsync(null).ConfigureAwait(false);
        // out of a cache of the service's or the tool's, which they ignore for claims only
        return found.Value == refused ? await AskForAsync(IssuedSince(DateTimeOffset.UtcNow)).ConfigureAwait(false) : found;
    }

    protected override StoreException Missing(string subject, string reason, bool isRenewal, Exception cause) => isRenewal
        ? new(ErrorKind.Authentication, subject,
            $"the access token has expired or was taken back, and its source gives no new one: {reason}; log in anew ('az login'), or see "
            + "to the identity service of this machine",
            cause: cause)
        { Reason = ErrorReason.ExpiredCredentials }
        : new(ErrorKind.Authentication, subject,
            $"no credentials were found: {reason}; give one of the options connection_string, account_key or sas_token (or "
            + "AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN), log in with 'az login', or set "
            + "credential='anonymous' for public data",
            cause: cause)
        { Reason = ErrorReason.NoCredentials };

    async Task<(string Value, DateTimeOffset? RenewOn, DateTimeOffset End)> AskForAsync(string? claims)
    {
        var found = await CredentialProgram.AskAsync("microsoft", ("authority", authority), ("claims", claims)).ConfigureAwait(false);
        return (found.GetProperty("token").GetString()!, Time("renew"), Time("ends")!.Value);

        DateTimeOffset? Time(string name) =>
            found.TryGetProperty(name, out var seconds) ? DateTimeOffset.FromUnixTimeSeconds(seconds.GetInt64()) : null;
    }

    /// <summary>What services themselves send with a refusal, to have a token that is newer (OpenID Connect Core, 5.5).</summary>
    static string IssuedSince(DateTimeOffset now) =>
        "{\"access_token\":{\"nbf\":{\"essential\":true,\"value\":\"" + now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture)
            + "\"}}}";
}
