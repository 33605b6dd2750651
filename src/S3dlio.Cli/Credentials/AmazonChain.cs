using System.Text.Json;
using Amazon;
using Amazon.Runtime;
using Amazon.Runtime.CredentialManagement;
using Amazon.Runtime.Credentials;
using Amazon.RuntimeDependencies;
using Amazon.SecurityToken;
using Amazon.SSO;
using Amazon.SSOOIDC;

namespace S3dlio.Cli.Credentials;

/// <summary>Amazon's own chain of credential providers: web identity, profiles, SSO, roles, processes, containers, instances.</summary>
static class AmazonChain
{
    public static async Task AnswerAsync(Utf8JsonWriter writer, string? profile, string? region)
    {
        // without reflection the SDK finds the clients that its providers need only when they are handed to it
        var registry = GlobalRuntimeDependencyRegistry.Instance;
        registry.RegisterSecurityTokenServiceClient(context => context.SecurityTokenServiceClientContextData is { } data
            ? new AmazonSecurityTokenServiceClient(
                new AnonymousAWSCredentials(), new AmazonSecurityTokenServiceConfig { RegionEndpoint = data.Region })
            : new AmazonSecurityTokenServiceClient(new AnonymousAWSCredentials()));
        registry.RegisterSSOClient(
            context => new AmazonSSOClient(
                new AnonymousAWSCredentials(), new AmazonSSOConfig { RegionEndpoint = context.SSOClientContextData.Region }));
        registry.RegisterSSOOIDCClient(
            context => new AmazonSSOOIDCClient(
                new AnonymousAWSCredentials(), new AmazonSSOOIDCConfig { RegionEndpoint = context.SSOOIDCClientContextData.Region }));
        AWSConfigs.AWSRegion ??= region;

        var source = Find(profile);
        var keys = await source.GetCredentialsAsync().ConfigureAwait(false);
        writer.WriteStartObject();
        writer.WriteString("access_key_id", keys.AccessKey);
        writer.WriteString("secret_access_key", keys.SecretKey);
        if (!string.IsNullOrEmpty(keys.Token))
            writer.WriteString("session_token", keys.Token);
        if (Expiration(source) is { } end)
            writer.WriteNumber("ends", new DateTimeOffset(end.ToUniversalTime()).ToUnixTimeSeconds());
        writer.WriteEndObject();
    }

    static AWSCredentials Find(string? profile)
    {
        if (profile is null)
            return DefaultAWSCredentialsIdentityResolver.GetCredentials();
        // left to itself the SDK looks for a named profile in the default place alone
        return new CredentialProfileStoreChain(
            Environment.GetEnvironmentVariable("AWS_SHARED_CREDENTIALS_FILE")).TryGetAWSCredentials(profile, out var found)
            ? found
            : throw new AmazonClientException(
                $"there is no profile '{profile}' with credentials in Amazon's configuration files (~/.aws/config, ~/.aws/credentials)");
    }

    static DateTime? Expiration(AWSCredentials source) => source.Expiration is { } end && end < DateTime.MaxValue.AddYears(-1) ? end : null;
}
