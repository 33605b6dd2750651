using S3dlio.Storage.Local;
using S3dlio.Storage.Memory;

namespace S3dlio.Storage;

/// <summary>The one place that knows all backends: a new one is a folder beside this file, a scheme in <see cref="StoreUri"/> and a line here.</summary>
public static class StoreFactory
{
    /// <summary>Opens the store whose keys lie below <paramref name="uri"/>.</summary>
    public static ObjectStore Open(StoreUri uri, StoreOptions options)
    {
        if (uri.IsLocal)
            return new LocalStore(uri, options);
        ObjectStore container = uri.Scheme switch
        {
            "memory" => new MemoryStore(uri),
            _ => throw new StoreException(ErrorKind.InvalidArgument, uri.ToString(), $"no backend for scheme '{uri.Scheme}'"),
        };
        return uri.Key.Trim('/').Length == 0 ? container : new PrefixStore(container, uri.Key);
    }
}
