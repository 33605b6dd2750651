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

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_cache_flush_begin")]
    public static int CacheFlushBegin(ulong store, byte* prefix, nuint prefixLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
        {
            var hybrid = Hybrid(store);
            TimeSpan? timeout = null;
            foreach (var option in OptionReader.Read(Json(options), hybrid.Root.ToString()))
                timeout = option.Name == "timeout" ? option.AsSeconds() : throw option.Unknown(["timeout"]);
            return CacheJobs.Flush(hybrid, Arguments.Key(prefix, prefixLength, "prefix"), timeout);
        });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_cache_pending_begin")]
    public static int CachePendingBegin(ulong store, byte* prefix, nuint prefixLength, ulong* outOperation) =>
        Begin(outOperation, () => CacheJobs.Pending(Hybrid(store), Arguments.Key(prefix, prefixLength, "prefix")));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_cache_unpark_begin")]
    public static int CacheUnparkBegin(ulong store, byte* prefix, nuint prefixLength, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
        {
            var hybrid = Hybrid(store);
            bool isGivenUp = false;
            foreach (var option in OptionReader.Read(Json(options), hybrid.Root.ToString()))
                isGivenUp = option.Name == "discard" ? option.AsBool() : throw option.Unknown(["discard"]);
            return CacheJobs.Unpark(hybrid, Arguments.Key(prefix, prefixLength, "prefix"), isGivenUp);
        });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_cache_settle")]
    public static int CacheSettle(int timeout) => Guard.Run(() =>
    {
        CacheSurvey.Settle(TimeSpan.FromMilliseconds(timeout));
        return Guard.Ok;
    });

    /// <remarks>Itself: what records its operations stands before it.</remarks>
    static HybridStore Hybrid(ulong store) => Handles.Get<ObjectStore>(store, "store") is var found && found is HybridStore hybrid ? hybrid
        : throw new StoreException(ErrorKind.InvalidArgument, found.Root.ToString(),
            "the store has no cache; open it with the option 'cache', the directory that it lies in");
}
