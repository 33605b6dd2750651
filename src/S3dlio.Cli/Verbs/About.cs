using System.Reflection;
using System.Runtime.InteropServices;
using S3dlio.Cli.CommandLine;

namespace S3dlio.Cli.Verbs;

/// <summary><c>version config completion</c>, and what is not for people.</summary>
static class About
{
    /// <summary>What a login or a store is chosen by; secrets are named, never shown.</summary>
    static readonly (string Name, bool Secret)[] Environment =
    [
        ("AWS_ENDPOINT_URL", false), ("AWS_ENDPOINT_URL_S3", false), ("AWS_REGION", false), ("AWS_DEFAULT_REGION", false),
            ("AWS_PROFILE", false),
        ("AWS_ACCESS_KEY_ID", false), ("AWS_SECRET_ACCESS_KEY", true), ("AWS_SESSION_TOKEN", true), ("AWS_CONFIG_FILE", false),
            ("AWS_SHARED_CREDENTIALS_FILE", false),
        ("AWS_CA_BUNDLE", false), ("AZURE_STORAGE_ACCOUNT", false), ("AZURE_STORAGE_KEY", true), ("AZURE_STORAGE_CONNECTION_STRING", true),
        ("AZURE_STORAGE_SAS_TOKEN", true), ("HTTP_PROXY", false), ("HTTPS_PROXY", false), ("ALL_PROXY", false),
        ("NO_PROXY", false),
    ];

    public static string Number { get; } =
        typeof(About).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    public static readonly Verb Version = new("version", "print the version", static run =>
    {
        if (run.Terminal.Json)
            run.Terminal.Object(json => json.WriteString("version", Number));
        else
            run.Terminal.Line($"s3dlio {Number}");
        return Task.FromResult(ExitCode.Good);
    });

    public static readonly Verb Config = new("config", "show what the environment sets for stores, without secrets", ShowAsync)
    {
        Details = "Only what is set is shown; docs/configuration.md tells what each means. Options of the command line go before the "
            + "environment.",
    };

    static Task<int> ShowAsync(Invocation run)
    {
        void Field(string name, string value)
        {
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    json.WriteString("name", name);
                    json.WriteString("value", value);
                });
            }
            else
            {
                run.Terminal.Line($"{name} = {Output.Quoted.Name(value)}");
            }
        }
        Field("version", Number);
        Field("platform", RuntimeInformation.RuntimeIdentifier);
        foreach (var (name, secret) in Environment)
        {
            if (System.Environment.GetEnvironmentVariable(name) is { Length: > 0 } value)
                Field(name, secret ? "(set, not shown)" : WithoutPassword(value));
        }
        return Task.FromResult(ExitCode.Good);
    }

    /// <summary>URLs of proxies may hold a name and a password.</summary>
    static string WithoutPassword(string value)
    {
        int at = value.LastIndexOf('@'), mark = value.IndexOf("://", StringComparison.Ordinal);
        return at < 0 ? value : (mark < 0 ? "" : value[..(mark + 3)]) + "…" + value[at..];
    }
}
