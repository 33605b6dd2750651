using System.Text.Json;
using S3dlio.Storage.Remote.Azure;
using S3dlio.Storage.Local;
using S3dlio.Storage.Memory;
using S3dlio.Storage.Multi;
using S3dlio.Storage.Remote.S3;

namespace S3dlio.Storage;

/// <summary>
/// The one place that knows all backends: a new one is a folder beside this file, a scheme in <see cref="StoreUri"/> and a line here.
/// </summary>
public static class StoreFactory
{
    /// <summary>The options that the stores of a scheme have, besides those that all have.</summary>
    internal static IReadOnlyDictionary<string, string[]> OptionNames { get; } = new Dictionary<string, string[]>(StringComparer.Ordinal)
    {
        ["file"] = ["direct_fallback"],
        ["direct"] = ["direct_fallback"],
        ["memory"] = [],
        ["s3"] = S3Options.Names,
        ["az"] = AzureOptions.Names,
    };

    /// <summary>The options that make any address one of several endpoints.</summary>
    internal static string[] MultiOptionNames => MultiOptions.Names;

    /// <summary>Opens the store whose keys lie below <paramref name="uri"/>.</summary>
    public static ObjectStore Open(StoreUri uri, StoreOptions options)
    {
        if (options.Several.Count > 0)
            return OpenSeveral(uri, options);
        if (uri.IsLocal)
            return new TalliedStore(new LocalStore(uri, options));
        ObjectStore container = uri.Scheme switch
        {
            "memory" => new TalliedStore(new MemoryStore(uri)),
            "s3" => new S3Store(uri, options),
            "az" => new AzureStore(uri, options),
            _ => throw StoreException.InvalidArgument(uri.ToString(), $"no backend for scheme '{uri.Scheme}'"),
        };
        return uri.Key.Trim('/').Length == 0 ? container : new PrefixStore(container, uri.Key);
    }

    /// <summary>
    /// Each endpoint is a URL of the same store, the address of another store, or an object of options that differ, <c>uri</c> among them.
    /// </summary>
    static MultiStore OpenSeveral(StoreUri uri, StoreOptions options)
    {
        var several = new MultiOptions();
        var endpoints = new List<(ObjectStore, string)>();
        bool given = false;
        foreach (var option in options.Several)
        {
            if (option.Name != "endpoints")
            {
                several = several.With(option) ?? throw option.Unknown(MultiOptions.Names);
                continue;
            }
            given = true;
            if (option.Value.ValueKind != JsonValueKind.Array)
                throw option.Wrong("a list of URLs, addresses or objects of options");
            foreach (var item in option.Value.EnumerateArray())
                endpoints.Add(OpenOne(uri, options with { Several = [] }, new NamedOption("endpoints", item, option.Uri)));
        }
        if (!given)
            throw StoreException.InvalidArgument(uri.ToString(),
                $"option '{options.Several[0].Name}' is for stores of several endpoints, and option 'endpoints' is missing");
        string[] schemes = [.. endpoints.Select(static endpoint => endpoint.Item1.Root.Scheme).Distinct()];
        if (schemes.Length > 1)
            throw new StoreException(ErrorKind.InvalidArgument, uri.ToString(),
                $"all endpoints must have the same scheme, found {string.Join(" and ", schemes.Select(static scheme => scheme + "://"))}; "
                + "open a store for each");
        return new MultiStore(uri, endpoints, several);
    }

    static (ObjectStore Store, string Name) OpenOne(StoreUri uri, StoreOptions options, NamedOption endpoint)
    {
        IReadOnlyList<NamedOption> own;
        if (endpoint.Value.ValueKind == JsonValueKind.Object)
            own = OptionReader.Read(endpoint.Value, endpoint.Uri);
        else if (endpoint.AsText() is var text
                && (text.StartsWith("http://", StringComparison.Ordinal) || text.StartsWith("https://", StringComparison.Ordinal)))
            own = [endpoint with { Name = "endpoint_url" }];
        else
            own = [endpoint with { Name = "uri" }];
        var address = own.FirstOrDefault(option => option.Name == "uri") is { Name: not null } named ? StoreUri.Parse(named.AsText()) : uri;
        var chosen = options.Backend.Where(
            option => BackendOptions.IsKnown(address.Scheme, option.Name)).ToDictionary(option => option.Name, StringComparer.Ordinal);
        foreach (var option in own.Where(option => option.Name != "uri"))
        {
            if (BackendOptions.IsOfOneStore(option.Name) || !BackendOptions.IsKnown(address.Scheme, option.Name)
                    || option.Name == "durable")
                throw BackendOptions.Unknown(address.Scheme, option);
            chosen[option.Name] = option;
        }
        if (BackendOptions.IsKnown(address.Scheme, "max_attempts"))
            chosen.TryAdd("max_attempts",
                new NamedOption(
                    "max_attempts", JsonDocument.Parse(
                        MultiOptions.Attempts.ToString(System.Globalization.CultureInfo.InvariantCulture)).RootElement, endpoint.Uri));
        string name = chosen.TryGetValue("endpoint_url", out var url) ? url.AsText() : address.ToString();
        return (Open(address, options with { Backend = [.. chosen.Values] }), name);
    }

    /// <summary>
    /// The buckets or containers of the account that <paramref name="uri"/> and the options name; its container may be any.
    /// </summary>
    public static ContainerService OpenContainers(StoreUri uri, StoreOptions options) => uri.Scheme switch
    {
        "s3" => new S3Containers(uri, options),
        "az" => AzureContainers.Open(uri, options),
        _ => throw StoreException.InvalidArgument(uri.ToString(), $"{uri.Scheme}:// has no buckets or containers to manage"),
    };
}
