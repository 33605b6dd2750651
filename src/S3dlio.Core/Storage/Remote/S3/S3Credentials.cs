namespace S3dlio.Storage.Remote.S3;

/// <summary>Keys to sign with. A class with no text of its own, so that no message can show them.</summary>
sealed class S3Credentials(string accessKeyId, string secretAccessKey, string? sessionToken)
{
    public string AccessKeyId => accessKeyId;

    public string SecretAccessKey => secretAccessKey;

    public string? SessionToken => sessionToken is "" ? null : sessionToken;

    public bool IsSame(S3Credentials other) =>
        AccessKeyId == other.AccessKeyId && SecretAccessKey == other.SecretAccessKey && SessionToken == other.SessionToken;
}

/// <summary>The source of the keys: the options, or else Amazon's chain. Without either, requests are not signed.</summary>
sealed class CredentialSource(S3Credentials? given, ChainCredentials? chain = null)
{
    public async ValueTask<S3Credentials?> GetAsync(string subject, CancellationToken cancel) =>
        chain is null ? given : await chain.GetAsync(subject, DateTimeOffset.UtcNow, cancel).ConfigureAwait(false);

    /// <summary>Forgets keys that the server called expired, unless there are newer ones already.</summary>
    /// <returns>False when there can be no others.</returns>
    public bool Forget(S3Credentials? expired) => chain is not null && chain.Forget(expired);

    /// <summary>
    /// Amazon's order: what is given explicitly, the environment, the profile, and then all that its SDK can find (SSO, web identity,
    /// roles, containers, instance metadata), which is a program of its own.
    /// </summary>
    public static CredentialSource For(S3Options options)
    {
        if (options.Anonymous)
            return new CredentialSource(null);
        if (options.AccessKeyId is not null)
            return new CredentialSource(new S3Credentials(options.AccessKeyId, options.SecretAccessKey!, options.SessionToken));
        if (options.Profile is null && Variable("AWS_ACCESS_KEY_ID") is { } id && Variable("AWS_SECRET_ACCESS_KEY") is { } secret)
            return new CredentialSource(new S3Credentials(id, secret, Variable("AWS_SESSION_TOKEN")));
        // web identity comes before profiles unless one was named
        bool named = options.Profile is not null || Variable("AWS_PROFILE") is not null;
        if (named || Variable("AWS_WEB_IDENTITY_TOKEN_FILE") is null)
        {
            var profile = AwsProfile.Load(options.Profile);
            if (profile.HasPlainKeys)
                return new CredentialSource(new S3Credentials(profile.AccessKeyId!, profile.SecretAccessKey!, profile.SessionToken));
        }
        return new CredentialSource(null, new ChainCredentials(options.Profile, options.Region));
    }

    static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
