using System.Runtime.InteropServices;
using S3dlio.Cache;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>What a store with a cache can be asked beside what all can.</summary>
static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_cache_stats_begin")]
    public static int CacheStatsBegin(ulong store, ulong* outOperation) => Begin(outOperation, () => CacheJobs.Statistics(Hybrid(store)));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_cache_evict_begin")]
    public static int CacheEvictBegin(ulong store, byte* prefix, nuint prefixLength, ulong* outOperation) =>
        Begin(outOperation, () => CacheJobs.Evict(Hybrid(store), Arguments.Key(prefix, prefixLength, "prefix")));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_cache_warm_begin")]
    public static int CacheWarmBegin(ulong store, byte* options, ulong* outOperation) => Begin(outOperation, () =>
    {
        var hybrid = Hybrid(store);
        var wanted = new List<string>();
        foreach (var option in OptionReader.Read(Json(options), hybrid.Root.ToString()))
        {
            if (option.Name != "keys")
                throw option.Unknown(["keys"]);
            if (option.Value.ValueKind != System.Text.Json.JsonValueKind.Array)
                throw option.Wrong("a list of keys and prefixes");
            foreach (var key in option.Value.EnumerateArray())
                wanted.Add(new NamedOption("keys", key, option.Uri).AsKey());
        }
        return CacheJobs.Warm(hybrid, wanted);
    });

    static HybridStore Hybrid(ulong store) => Store(store) is var found && found is HybridStore hybrid ? hybrid
        : throw new StoreException(ErrorKind.InvalidArgument, found.Root.ToString(),
            "the store has no cache; open it with the option 'cache', the directory that it lies in");
}
