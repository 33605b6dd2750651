namespace S3dlio.Storage;

/// <summary>Which options a scheme's stores know: what a typing mistake is compared with.</summary>
static class BackendOptions
{
    /// <summary>What puts a cache in front of a store; the cache reads their values.</summary>
    internal static string[] CacheNames =>
        ["cache", "cache_size", "cache_mode", "cache_validate", "cache_ttl", "cache_min_free", "cache_block_size", "cache_eviction",
            "cache_journal_size"];

    /// <summary>What every store takes, whether it means something there or not.</summary>
    static readonly string[] Common = ["durable", .. StoreFactory.MultiOptionNames, .. CacheNames];

    static IReadOnlyDictionary<string, string[]> ByScheme => StoreFactory.OptionNames;

    /// <summary>Of one store and never of a process: several endpoints for one address are none for another.</summary>
    public static bool IsOfOneStore(string name) => StoreFactory.MultiOptionNames.Contains(name);

    public static bool IsKnown(string scheme, string name) =>
        Common.Contains(name) || ByScheme.TryGetValue(scheme, out var own) && own.Contains(name);

    public static StoreException Unknown(string scheme, NamedOption option)
    {
        var others = ByScheme.Where(entry => entry.Value.Contains(option.Name)).Select(entry => entry.Key + "://").ToArray();
        return others.Length > 0
            ? StoreException.InvalidArgument(option.Uri,
                $"option '{option.Name}' is for {string.Join(" and ", others)}, not for {scheme}://")
            : option.Unknown([.. Common, .. ByScheme.GetValueOrDefault(scheme) ?? []]);
    }

    /// <summary>True when some scheme knows it: defaults that a process sets are for all of them.</summary>
    public static bool IsKnownAnywhere(string name) => Common.Contains(name) || ByScheme.Values.Any(own => own.Contains(name));

    public static IReadOnlyCollection<string> All => [.. Common, .. ByScheme.Values.SelectMany(own => own).Distinct()];
}
