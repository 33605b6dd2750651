namespace S3dlio.Storage;

/// <summary>
/// A store's settings, from JSON. Unknown names are refused with the nearest known one: a typing mistake must not pass as a default.
/// </summary>
public sealed record StoreOptions
{
    const string DefaultsName = "defaults";

    public static StoreOptions Default { get; } = new();

    /// <summary>What a put does when the call does not say: see <see cref="PutOptions.Durable"/>.</summary>
    public bool Durable { get; init; }

    /// <summary><c>direct://</c> only: where the file system refuses O_DIRECT, go through the page cache instead of failing.</summary>
    public bool DirectFallback { get; init; }

    /// <summary>What is left for the backend to read; every name is one that it declared.</summary>
    public IReadOnlyList<NamedOption> Backend { get; init; } = [];

    /// <summary>What makes it a store of several endpoints.</summary>
    public IReadOnlyList<NamedOption> Several { get; init; } = [];

    /// <summary>What puts a cache in front of it.</summary>
    public IReadOnlyList<NamedOption> Cache { get; init; } = [];

    /// <summary>The cache is the process's: meant for what is far away, whatever stores there are.</summary>
    public bool CacheIsDefault { get; init; }

    /// <param name="json">
    /// An object such as <c>{"durable":true}</c>; empty means defaults. A member <c>defaults</c> may hold options for all schemes, as a
    /// process sets them once: those that another scheme knows are passed over, and the object's own members win.
    /// </param>
    /// <param name="uri">The store's address; its scheme tells which options there are.</param>
    public static StoreOptions Parse(string json, string uri)
    {
        if (json.Length == 0)
            return Default;
        string scheme = StoreUri.Parse(uri).Scheme;
        var chosen = new Dictionary<string, NamedOption>(StringComparer.Ordinal);
        foreach (var option in OptionReader.Read(json, uri))
        {
            if (option.Name == DefaultsName)
                AddDefaults(chosen, option, scheme);
        }
        bool isDefault = chosen.ContainsKey("cache");
        NamedOption? asked = null;
        foreach (var option in OptionReader.Read(json, uri))
        {
            if (option.Name == DefaultsName)
                continue;
            isDefault &= option.Name != "cache";
            asked = BackendOptions.CacheNames.Contains(option.Name) ? option : asked;
            if (!BackendOptions.IsKnown(scheme, option.Name))
                throw BackendOptions.Unknown(scheme, option);
            chosen[option.Name] = option;
        }
        // what the process has set may be there without: its cache may have been unset
        if (asked is { } lonely && !chosen.ContainsKey("cache"))
            throw StoreException.InvalidArgument(uri,
                $"option '{lonely.Name}' is of a cache, and option 'cache' is missing: give the directory that it lies in");
        var result = Default;
        var backend = new List<NamedOption>();
        var several = new List<NamedOption>();
        var cache = new List<NamedOption>();
        foreach (var option in chosen.Values)
        {
            switch (option.Name)
            {
                case "durable":
                    result = result with { Durable = option.AsBool() };
                    break;
                case "direct_fallback":
                    result = result with { DirectFallback = option.AsBool() };
                    break;
                case var name when BackendOptions.CacheNames.Contains(name):
                    cache.Add(option);
                    break;
                case var name when BackendOptions.IsOfOneStore(name):
                    several.Add(option);
                    break;
                default:
                    backend.Add(option);
                    break;
            }
        }
        return result with { Backend = backend, Several = several, Cache = cache, CacheIsDefault = isDefault };
    }

    static void AddDefaults(Dictionary<string, NamedOption> chosen, NamedOption defaults, string scheme)
    {
        foreach (var option in OptionReader.Read(defaults.Value, defaults.Uri))
        {
            if (!BackendOptions.IsKnownAnywhere(option.Name))
                throw option.Unknown(BackendOptions.All);
            if (BackendOptions.IsOfOneStore(option.Name))
                throw StoreException.InvalidArgument(defaults.Uri,
                    $"option '{option.Name}' is for one store, not for all: give it as storage_options");
            if (BackendOptions.IsKnown(scheme, option.Name))
                chosen[option.Name] = option;
        }
    }
}
