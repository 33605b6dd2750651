using S3dlio.Cache;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>The operations on the cache in front of a store.</summary>
static class CacheJobs
{
    /// <summary>Gives <c>{"directory":"…","bytes":0,"limit":0,"hits":0,…}</c>.</summary>
    public static Job Statistics(HybridStore store) => (operation, _) =>
    {
        var found = store.Statistics();
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("directory", found.Directory);
            json.WriteNumber("bytes", found.Bytes);
            if (found.Limit is { } limit)
                json.WriteNumber("limit", limit);
            foreach (var (name, value) in found.Counts)
                json.WriteNumber(name, value);
            json.WriteEndObject();
        }));
        return Task.CompletedTask;
    };

    /// <summary>Gives what was removed.</summary>
    public static Job Evict(HybridStore store, string prefix) => async (operation, cancel) =>
        operation.SetJson(Write("entries", await store.EvictAsync(prefix, cancel).ConfigureAwait(false)));

    /// <summary>Reads objects, and those below the keys that end with a slash; gives how many and how long they are.</summary>
    public static Job Warm(HybridStore store, IReadOnlyList<string> wanted) => async (operation, cancel) =>
    {
        var keys = new List<string>();
        foreach (string key in wanted)
        {
            if (key.Length > 0 && !key.EndsWith('/'))
            {
                keys.Add(key);
                continue;
            }
            await foreach (var page in store.ListAsync(key, ListOptions.Default, cancel).ConfigureAwait(false))
                keys.AddRange(page.Objects.Select(static found => found.Key).Where(static found => !found.EndsWith('/')));
        }
        operation.SetJson(Write("objects", await store.WarmAsync(keys, operation, cancel).ConfigureAwait(false)));
    };

    static byte[] Write(string noun, CacheAmount amount) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber(noun, amount.Entries);
        json.WriteNumber("bytes", amount.Bytes);
        json.WriteEndObject();
    });
}
