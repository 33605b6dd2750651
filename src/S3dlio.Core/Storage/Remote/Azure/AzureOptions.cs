using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>What guards a body on its way to the service, besides TLS.</summary>
enum TransferCheck
{
    /// <summary>CRC64, or MD5 for the emulator's account.</summary>
    Auto,
    /// <summary>CRC64, which the service compares before it stores anything.</summary>
    Crc64,
    /// <summary>The same with MD5, for servers that do not know CRC64; slower.</summary>
    Md5,
    /// <summary>Nothing: damage is found when the object is read.</summary>
    None,
}

/// <summary>
/// Everything that tells one client from another; equal ones share theirs. What the options do not say comes from the environment variables
/// of Microsoft's own tools, as long as no option names credentials.
/// </summary>
sealed record AzureOptions
{
    public static readonly string[] Names =
    [
        "connection_string", "account_key", "sas_token", "credential", "emulator", "endpoint_url", "transfer_check", "delete_snapshots",
        .. RemoteOptions.Names,
    ];

    /// <summary>The largest that one Put Block takes.</summary>
    public const int MaxPartSize = 1 << 30;

    public string? ConnectionString { get; init; }

    public string? AccountKey { get; init; }

    public string? SasToken { get; init; }

    /// <summary><c>default</c> (DefaultAzureCredential) or <c>anonymous</c>; null: whatever else there is, then the default.</summary>
    public string? Credential { get; init; }

    /// <summary>The well-known account of the emulator at its usual address.</summary>
    public bool Emulator { get; init; }

    /// <summary>Null: <c>https://account.blob.core.windows.net</c>.</summary>
    public string? EndpointUrl { get; init; }

    public TransferCheck TransferCheck { get; init; }

    /// <summary>Deleting an object takes its snapshots with it; otherwise an object that has some is not deleted.</summary>
    public bool DeleteSnapshots { get; init; }

    public RemoteOptions Http { get; init; } = new();

    /// <summary>Holds secrets, so it shows none of its members.</summary>
    public override string ToString() => nameof(AzureOptions);

    public static AzureOptions Read(StoreOptions options, StoreUri root)
    {
        var result = new AzureOptions();
        foreach (var option in options.Backend)
            result = result.With(option) ?? throw option.Unknown(Names);
        string[] given =
        [
            .. result.ConnectionString is null ? [] : (string[])["connection_string"],
            .. result.AccountKey is null ? [] : (string[])["account_key"],
            .. result.SasToken is null ? [] : (string[])["sas_token"],
            .. result.Credential is null ? [] : (string[])["credential"],
            .. result.Emulator ? (string[])["emulator"] : [],
        ];
        if (given.Length > 1)
            throw StoreException.InvalidArgument(root.ToString(),
                $"options '{given[0]}' and '{given[1]}' exclude each other: each says how to log in");
        return result;
    }

    AzureOptions? With(NamedOption option) => option.Name switch
    {
        "connection_string" => this with { ConnectionString = option.AsText() },
        "account_key" => this with { AccountKey = option.AsText() },
        "sas_token" => this with { SasToken = option.AsText() },
        "credential" => this with { Credential = option.AsChoice("default", "anonymous") },
        "emulator" => this with { Emulator = option.AsBool() },
        "endpoint_url" => this with { EndpointUrl = option.AsText() },
        "transfer_check" => this with
        {
            TransferCheck = Enum.Parse<TransferCheck>(option.AsChoice("auto", "crc64", "md5", "none"), ignoreCase: true)
        },
        "delete_snapshots" => this with { DeleteSnapshots = option.AsBool() },
        _ => Http.With(option) is { } http ? this with { Http = http } : null,
    };
}

/// <summary>The parts of a connection string, as Microsoft's portal hands it out.</summary>
sealed record ConnectionString
{
    public string? Account { get; init; }

    public string? Key { get; init; }

    public string? Sas { get; init; }

    public string? BlobEndpoint { get; init; }

    public bool Emulator { get; init; }

    public override string ToString() => nameof(ConnectionString);

    /// <exception cref="StoreException">InvalidArgument, naming the part and never its value.</exception>
    public static ConnectionString Parse(string text, string origin, string uri)
    {
        var result = new ConnectionString();
        string scheme = "https", suffix = "core.windows.net";
        foreach (string part in text.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            int mark = part.IndexOf('=', StringComparison.Ordinal);
            if (mark <= 0)
                throw Wrong(origin, uri, "a part has no '='");
            string name = part[..mark], value = part[(mark + 1)..];
            switch (name.ToLowerInvariant())
            {
                case "accountname": result = result with { Account = value }; break;
                case "accountkey": result = result with { Key = value }; break;
                case "sharedaccesssignature": result = result with { Sas = value }; break;
                case "blobendpoint": result = result with { BlobEndpoint = value.TrimEnd('/') }; break;
                case "defaultendpointsprotocol": scheme = value; break;
                case "endpointsuffix": suffix = value; break;
                case "usedevelopmentstorage":
                    result =
                    result with { Emulator = value.Equals("true", StringComparison.OrdinalIgnoreCase) }; break;
                default: break; // other services' endpoints
            }
        }
        if (result.Emulator)
            return result with
            {
                Account = Azure.Emulator.Account,
                Key = Azure.Emulator.Key,
                BlobEndpoint = result.BlobEndpoint ?? Azure.Emulator.Endpoint
            };
        if (result.BlobEndpoint is null)
        {
            if (result.Account is null)
                throw Wrong(origin, uri, "it has neither AccountName nor BlobEndpoint");
            result = result with { BlobEndpoint = $"{scheme}://{result.Account}.blob.{suffix}" };
        }
        return result;
    }

    static StoreException Wrong(string origin, string uri, string what) =>
        new(ErrorKind.InvalidArgument, uri,
            $"{origin} is no connection string: {what}; it looks like "
            + "DefaultEndpointsProtocol=https;AccountName=…;AccountKey=…;EndpointSuffix=core.windows.net");
}

/// <summary>What everybody knows of the emulator; its key is public and protects nothing.</summary>
static class Emulator
{
    public const string Account = "devstoreaccount1";
    public const string Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    public const string Endpoint = "http://127.0.0.1:10000/devstoreaccount1";
}
