using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>An account: what it is called, where it answers and how to log in.</summary>
/// <param name="Name">As in signatures.</param>
/// <param name="Endpoint">Scheme, host and path before the containers; no trailing slash.</param>
/// <param name="Credential">Shared by all calls.</param>
/// <param name="IsDerived">The host was made from the account's name, so a host that does not exist is an account that does not.</param>
sealed record AzureAccount(string Name, string Endpoint, AzureCredential Credential, bool IsDerived)
{
    public const string PublicSuffix = ".blob.core.windows.net";

    public bool IsTls => Endpoint.StartsWith("https:", StringComparison.Ordinal);

    /// <param name="options">What the user said.</param>
    /// <param name="name">The first part of the address: an account's name, or its host in clouds other than the public one.</param>
    /// <param name="uri">For messages.</param>
    /// <param name="variable">Environment variables by name.</param>
    public static AzureAccount Resolve(AzureOptions options, string name, string uri, Func<string, string?> variable)
    {
        string account = name;
        string? endpoint = null;
        if (name.Contains('.', StringComparison.Ordinal))
        {
            account = name[..name.IndexOf('.', StringComparison.Ordinal)];
            endpoint = "https://" + name;
        }
        CheckName(account, uri);
        bool isDerived = options.EndpointUrl is null;
        if (options.EndpointUrl is { } custom)
            endpoint = CheckEndpoint(custom, uri);
        endpoint ??= options.Emulator ? Emulator.Endpoint : null;
        string? connected = null;
        var credential = Find(options, account, uri, variable, ref connected);
        isDerived &= !options.Emulator && connected is null;
        return new AzureAccount(account, endpoint ?? connected ?? "https://" + account + PublicSuffix, credential, isDerived);
    }

    static AzureCredential Find(AzureOptions options, string account, string uri, Func<string, string?> variable, ref string? endpoint)
    {
        if (options.ConnectionString is { } connection)
            return Connected(connection, "option connection_string", account, uri, isDemanded: true, ref endpoint)!;
        if (options.AccountKey is { } key)
            return WithKey(account, key, "option account_key", uri);
        if (options.SasToken is { } sas)
            return WithSas(sas, "option sas_token", uri);
        if (options.Emulator)
        {
            return account == Emulator.Account
                ? WithKey(account, Emulator.Key, "option emulator", uri)
                : throw StoreException.InvalidArgument(uri,
                    $"the emulator's account is '{Emulator.Account}', not '{account}'; write az://{Emulator.Account}/container/key, or "
                    + "give the options endpoint_url and account_key");
        }
        if (options.Credential == "anonymous")
            return new AnonymousCredential();
        if (options.Credential is null)
        {
            if (NotEmpty(variable("AZURE_STORAGE_CONNECTION_STRING")) is { } environment
                && Connected(environment, "AZURE_STORAGE_CONNECTION_STRING", account, uri, isDemanded: false, ref endpoint) is { } found)
                return found;
            // the variables speak of one account; another one's address does not want them
            if (NotEmpty(variable("AZURE_STORAGE_ACCOUNT")) is not { } meant || meant == account)
            {
                if (NotEmpty(variable("AZURE_STORAGE_KEY")) is { } environmentKey)
                    return WithKey(account, environmentKey, "AZURE_STORAGE_KEY", uri);
                if (NotEmpty(variable("AZURE_STORAGE_SAS_TOKEN")) is { } environmentSas)
                    return WithSas(environmentSas, "AZURE_STORAGE_SAS_TOKEN", uri);
            }
        }
        return new BearerCredential(new AccessTokens(NotEmpty(variable("AZURE_AUTHORITY_HOST"))));
    }

    static AzureCredential? Connected(string text, string origin, string account, string uri, bool isDemanded, ref string? endpoint)
    {
        var parts = ConnectionString.Parse(text, origin, uri);
        string owner = parts.Account ?? Owner(parts.BlobEndpoint!);
        if (owner != account)
        {
            return isDemanded
                ? throw StoreException.InvalidArgument(uri, $"{origin} is for the account '{owner}', the address names '{account}'")
                : null;
        }
        endpoint = CheckEndpoint(parts.BlobEndpoint!, uri);
        if (parts.Key is { } key)
            return WithKey(account, key, origin, uri);
        return parts.Sas is { } sas ? WithSas(sas, origin, uri) : new AnonymousCredential();
    }

    static SharedKeyCredential WithKey(string account, string text, string origin, string uri)
    {
        var key = new byte[text.Length];
        return Convert.TryFromBase64String(text.Trim(), key, out int length) && length > 0
            ? new SharedKeyCredential(account, key[..length], origin)
            : throw StoreException.InvalidArgument(uri,
                $"the account key in {origin} is not base64; copy it whole from 'Access keys' of the account");
    }

    static SasCredential WithSas(string text, string origin, string uri)
    {
        string token = text.Trim().TrimStart('?', '&');
        return token.Contains("sig=", StringComparison.Ordinal) && !token.AsSpan().ContainsAny(" \r\n#")
            ? new SasCredential(token, origin)
            : throw StoreException.InvalidArgument(uri,
                $"{origin} is no shared access signature: it is the part of a SAS URL after '?', with sv=… and sig=…");
    }

    // of https://name.blob… or http://host:port/name
    static string Owner(string endpoint)
    {
        if (!HttpTransport.TryAddress(endpoint, out var url))
            return "";
        string path = url.AbsolutePath.Trim('/');
        return path.Length > 0 ? path : url.Host.Split('.')[0];
    }

    static string CheckEndpoint(string text, string uri) => RemoteOptions.CheckEndpoint(
        text, uri, "option 'endpoint_url'", "https://account.blob.core.windows.net or http://127.0.0.1:10000/devstoreaccount1",
        "a SAS goes into option sas_token").GetLeftPart(UriPartial.Path).TrimEnd('/');

    static void CheckName(string account, string uri)
    {
        if (account.Length is < 3 or > 63 || !account.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-'))
            throw StoreException.InvalidArgument(
                uri, $"'{account}' is no account's name: those are 3 to 24 lower-case letters and digits");
    }

    static string? NotEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
