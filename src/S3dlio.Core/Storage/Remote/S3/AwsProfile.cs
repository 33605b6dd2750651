namespace S3dlio.Storage.Remote.S3;

/// <summary>
/// What a profile of Amazon's shared configuration files says: region and endpoint, and its keys when they are written there. Everything
/// that needs more than reading (SSO, roles, credential processes) is <see cref="ChainCredentials"/>'s.
/// </summary>
sealed record AwsProfile
{
    public bool Exists { get; init; }

    public string? Region { get; init; }

    public string? EndpointUrl { get; init; }

    public string? AccessKeyId { get; init; }

    public string? SecretAccessKey { get; init; }

    public string? SessionToken { get; init; }

    /// <summary>Keys, and nothing that would have to be resolved first.</summary>
    public bool HasPlainKeys { get; init; }

    public override string ToString() => nameof(AwsProfile);

    /// <param name="name">Null: AWS_PROFILE, else <c>default</c>.</param>
    public static AwsProfile Load(string? name)
    {
        name = name ?? (Environment.GetEnvironmentVariable("AWS_PROFILE") is { Length: > 0 } chosen ? chosen : "default");
        var config = Read(Location("AWS_CONFIG_FILE", "config"));
        var credentials = Read(Location("AWS_SHARED_CREDENTIALS_FILE", "credentials"));
        var merged = new Dictionary<string, string>(StringComparer.Ordinal);
        bool exists = false;
        foreach (var section in new[] {
                config.GetValueOrDefault("profile " + name), name == "default" ? config.GetValueOrDefault("default") : null,
                credentials.GetValueOrDefault(name) })
        {
            if (section is null)
                continue;
            exists = true;
            foreach (var (key, value) in section)
                merged[key] = value;
        }
        string? services = merged.GetValueOrDefault("services") is { } group
            ? config.GetValueOrDefault("services " + group)?.GetValueOrDefault("s3.endpoint_url")
            : null;
        bool resolves = merged.Keys.Any(
            key => key is "role_arn" or "credential_process" or "sso_session" or "sso_start_url" or "web_identity_token_file"
                or "credential_source");
        var (id, secret) = (merged.GetValueOrDefault("aws_access_key_id"), merged.GetValueOrDefault("aws_secret_access_key"));
        return new AwsProfile
        {
            Exists = exists,
            Region = merged.GetValueOrDefault("region"),
            EndpointUrl = services ?? merged.GetValueOrDefault("endpoint_url"),
            AccessKeyId = id,
            SecretAccessKey = secret,
            SessionToken = merged.GetValueOrDefault("aws_session_token"),
            HasPlainKeys = !resolves && id is { Length: > 0 } && secret is { Length: > 0 },
        };
    }

    static string Location(string variable, string file) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } path
            ? path
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".aws", file);

    static Dictionary<string, Dictionary<string, string>> Read(string path)
    {
        try
        {
            return Parse(File.ReadAllLines(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Sections by name; a nested value (indented below <c>s3 =</c>) is named <c>s3.value</c>.</summary>
    internal static Dictionary<string, Dictionary<string, string>> Parse(IEnumerable<string> lines)
    {
        var sections = new Dictionary<string, Dictionary<string, string>>(StringComparer.Ordinal);
        Dictionary<string, string>? section = null;
        string parent = "";
        foreach (string line in lines)
        {
            string text = line.Trim();
            if (text.Length == 0 || text[0] is '#' or ';')
                continue;
            if (text[0] == '[' && text.IndexOf(']', StringComparison.Ordinal) is > 0 and var end)
            {
                string name = string.Join(' ', text[1..end].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).Trim('"');
                if (!sections.TryGetValue(name, out section))
                    sections[name] = section = new(StringComparer.Ordinal);
                parent = "";
                continue;
            }
            int equals = text.IndexOf('=', StringComparison.Ordinal);
            if (section is null || equals <= 0)
                continue;
            string key = text[..equals].Trim(), value = text[(equals + 1)..].Trim();
            if (char.IsWhiteSpace(line[0]) && parent.Length > 0)
                key = $"{parent}.{key}";
            else
                parent = value.Length == 0 ? key : "";
            section[key] = value;
        }
        return sections;
    }
}
