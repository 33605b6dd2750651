namespace S3dlio.Storage.Remote.S3;

/// <summary>Keys from Amazon's own chain of credential providers.</summary>
sealed class ChainCredentials(string? profile, string region) : RenewedCredential<S3Credentials>
{
    protected override bool IsSame(S3Credentials a, S3Credentials b) => a.IsSame(b);

    protected override async Task<(S3Credentials Value, DateTimeOffset? RenewOn, DateTimeOffset End)> AskAsync(S3Credentials? refused)
    {
        var answer = await CredentialProgram.AskAsync("amazon", ("profile", profile), ("region", region)).ConfigureAwait(false);
        var end = answer.TryGetProperty("ends", out var seconds)
            ? DateTimeOffset.FromUnixTimeSeconds(seconds.GetInt64())
            : DateTimeOffset.MaxValue;
        return (new S3Credentials(Text("access_key_id")!, Text("secret_access_key")!, Text("session_token")), null, end);

        string? Text(string name) => answer.TryGetProperty(name, out var value) ? value.GetString() : null;
    }

    protected override StoreException Missing(string subject, string reason, bool isRenewal, Exception cause) =>
        new(ErrorKind.Authentication, subject,
        $"no credentials were found ({reason}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give the options access_key_id and "
        + "secret_access_key, name a profile, or set anonymous=true for public data",
        cause: cause)
        { Reason = ErrorReason.NoCredentials };
}
