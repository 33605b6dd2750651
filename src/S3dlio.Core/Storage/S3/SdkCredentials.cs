using Amazon;
using Amazon.Runtime;
using Amazon.Runtime.CredentialManagement;
using Amazon.Runtime.Credentials;
using Amazon.RuntimeDependencies;
using Amazon.SecurityToken;
using Amazon.SSO;
using Amazon.SSOOIDC;

namespace S3dlio.Storage.S3;

/// <summary>Amazon's own chain of credential providers, and the only file that knows its SDK.</summary>
sealed class SdkCredentials(string? profile, string region) : CredentialSource
{
    // the SDK renews keys that are about to expire whenever it is asked, so it is asked now and then
    static readonly TimeSpan Fresh = TimeSpan.FromSeconds(60);

    readonly Lock _gate = new();
    AWSCredentials? _provider;
    Task<S3Credentials>? _asking;
    S3Credentials? _known;
    long _asked;

    public override async ValueTask<S3Credentials?> GetAsync(string subject, CancellationToken cancel)
    {
        var known = Volatile.Read(ref _known);
        if (known is not null && TimeProvider.System.GetElapsedTime(Volatile.Read(ref _asked)) < Fresh)
            return known;
        Task<S3Credentials> asking;
        lock (_gate)
        {
            // everybody waits for the one question; it goes on when some of them are cancelled
            if (_asking is null || _asking.IsCompleted)
                _asking = Task.Run(() => AskAsync(subject), CancellationToken.None);
            asking = _asking;
        }
        return await asking.WaitAsync(cancel).ConfigureAwait(false);
    }

    public override bool Forget(S3Credentials? expired)
    {
        lock (_gate)
        {
            // of many calls that met the same expired keys the first has had them renewed
            if (!ReferenceEquals(Volatile.Read(ref _known), expired))
                return true;
            (Volatile.Read(ref _provider) as RefreshingAWSCredentials)?.ClearCredentials();
            Volatile.Write(ref _known, null);
            return true;
        }
    }

    async Task<S3Credentials> AskAsync(string subject)
    {
        try
        {
            _provider ??= Find(subject);
            var keys = await _provider.GetCredentialsAsync().ConfigureAwait(false);
            var found = new S3Credentials(keys.AccessKey, keys.SecretKey, keys.Token);
            // the signer keeps its day key as long as the keys are the same object
            if (_known is { } known && known.AccessKeyId == found.AccessKeyId && known.SecretAccessKey == found.SecretAccessKey && known.SessionToken == found.SessionToken)
                found = known;
            Volatile.Write(ref _asked, TimeProvider.System.GetTimestamp());
            Volatile.Write(ref _known, found);
            return found;
        }
        catch (Exception error) when (error is not StoreException)
        {
            throw new StoreException(ErrorKind.Authentication, subject,
                $"no credentials were found ({Reasons.OneLine(error.Message)}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, give the options access_key_id and secret_access_key, name a profile, or set anonymous=true for public data", cause: error) { Reason = ErrorReason.NoCredentials };
        }
    }

    static SdkCredentials()
    {
        // without reflection the SDK finds the clients that its providers need only when they are handed to it
        var registry = GlobalRuntimeDependencyRegistry.Instance;
        registry.RegisterSecurityTokenServiceClient(context => context.SecurityTokenServiceClientContextData is { } data
            ? new AmazonSecurityTokenServiceClient(new AnonymousAWSCredentials(), new AmazonSecurityTokenServiceConfig { RegionEndpoint = data.Region })
            : new AmazonSecurityTokenServiceClient(new AnonymousAWSCredentials()));
        registry.RegisterSSOClient(context => new AmazonSSOClient(new AnonymousAWSCredentials(), new AmazonSSOConfig { RegionEndpoint = context.SSOClientContextData.Region }));
        registry.RegisterSSOOIDCClient(context => new AmazonSSOOIDCClient(new AnonymousAWSCredentials(), new AmazonSSOOIDCConfig { RegionEndpoint = context.SSOOIDCClientContextData.Region }));
    }

    AWSCredentials Find(string subject)
    {
        AWSConfigs.AWSRegion ??= region;
        if (profile is null)
            return DefaultAWSCredentialsIdentityResolver.GetCredentials();
        // left to itself the SDK looks for a named profile in the default place alone
        return new CredentialProfileStoreChain(Environment.GetEnvironmentVariable("AWS_SHARED_CREDENTIALS_FILE")).TryGetAWSCredentials(profile, out var found)
            ? found
            : throw new StoreException(ErrorKind.Authentication, subject, $"there is no profile '{profile}' with credentials in Amazon's configuration files (~/.aws/config, ~/.aws/credentials)") { Reason = ErrorReason.NoCredentials };
    }
}
