using S3dlio.Storage.Azure;
using S3dlio.Storage.Local;
using S3dlio.Storage.Memory;
using S3dlio.Storage.S3;

namespace S3dlio.Storage;

/// <summary>The one place that knows all backends: a new one is a folder beside this file, a scheme in <see cref="StoreUri"/> and a line here.</summary>
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

    /// <summary>Opens the store whose keys lie below <paramref name="uri"/>.</summary>
    public static ObjectStore Open(StoreUri uri, StoreOptions options)
    {
        if (uri.IsLocal)
            return new LocalStore(uri, options);
        ObjectStore container = uri.Scheme switch
        {
            "memory" => new MemoryStore(uri),
            "s3" => new S3Store(uri, options),
            "az" => new AzureStore(uri, options),
            _ => throw new StoreException(ErrorKind.InvalidArgument, uri.ToString(), $"no backend for scheme '{uri.Scheme}'"),
        };
        return uri.Key.Trim('/').Length == 0 ? container : new PrefixStore(container, uri.Key);
    }

    /// <summary>The buckets or containers of the account that <paramref name="uri"/> and the options name; its container may be any.</summary>
    public static ContainerService OpenContainers(StoreUri uri, StoreOptions options) => uri.Scheme switch
    {
        "s3" => new S3Containers(uri, options),
        "az" => new AzureContainers(uri, options),
        _ => throw new StoreException(ErrorKind.InvalidArgument, uri.ToString(), $"{uri.Scheme}:// has no buckets or containers to manage"),
    };
}
