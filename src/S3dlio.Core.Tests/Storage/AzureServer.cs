using System.Text.Json.Nodes;
using S3dlio.Storage;

namespace S3dlio.Tests.Storage;

/// <summary>The Blob service that the environment names.</summary>
static class AzureServer
{
    public const string UriVariable = "S3DLIO_TEST_AZURE_URI";

    public static string Uri => Environment.GetEnvironmentVariable(UriVariable) ?? "az://devstoreaccount1/conformance";

    static string Options => Environment.GetEnvironmentVariable("S3DLIO_TEST_AZURE_OPTIONS") is { Length: > 0 } json ? json : """{"emulator": true}""";

    public static StoreOptions OptionsWith(string change)
    {
        var options = JsonNode.Parse(Options)!.AsObject();
        foreach (var (name, value) in JsonNode.Parse(change)!.AsObject())
            options[name] = value?.DeepClone();
        return StoreOptions.Parse(options.ToJsonString(), Uri);
    }

    public static ObjectStore Open(StoreUri root, string prefix, string change) =>
        StoreFactory.Open(root with { Key = root.Key.Trim('/') is { Length: > 0 } key ? $"{key}/{prefix}" : prefix }, OptionsWith(change));

    public static async Task MakeContainerAsync(StoreUri root) =>
        await StoreFactory.OpenContainers(root, OptionsWith("{}")).CreateAsync(root.Container.Split('/')[1], CancellationToken.None);
}
