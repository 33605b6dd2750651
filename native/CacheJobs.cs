using S3dlio.Cache;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>The operations on the cache in front of a store.</summary>
static class CacheJobs
{
    /// <summary>Writes that are told one by one.</summary>
    const int MostTold = 1000;

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

    /// <summary>Waits for what was acknowledged; gives what is left.</summary>
    public static Job Flush(HybridStore store, string prefix, TimeSpan? timeout) => async (operation, cancel) =>
    {
        long most = 0, done = 0;
        var progress = (Transfer.ITransferProgress)operation;
        void Left(long left)
        {
            if (left > most)
                progress.Begin(most = left);
            progress.Report(most - left - done);
            done = most - left;
        }
        operation.SetJson(Write(await store.FlushAsync(prefix, timeout, Left, cancel).ConfigureAwait(false)));
    };

    /// <summary>Gives what waits.</summary>
    public static Job Pending(HybridStore store, string prefix) => (operation, _) =>
    {
        operation.SetJson(Write(store.Waiting(prefix)));
        return Task.CompletedTask;
    };

    /// <summary>Tries parked writes again, or gives them up; gives how many.</summary>
    public static Job Unpark(HybridStore store, string prefix, bool isGivenUp) => async (operation, _) =>
        operation.SetJson(Write("writes", new CacheAmount(await store.UnparkAsync(prefix, isGivenUp).ConfigureAwait(false), 0)));

    static byte[] Write(WaitingWrites waiting) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("writes", waiting.Count);
        json.WriteNumber("bytes", waiting.Bytes);
        json.WriteNumber("parked", waiting.Parked);
        json.WriteNumber("seconds", waiting.Age.TotalSeconds);
        json.WriteStartArray("first");
        // those that somebody has to look at, then the oldest
        foreach (var write in waiting.Writes.OrderBy(static one => !one.IsParked).Take(MostTold))
        {
            json.WriteStartObject();
            json.WriteString("uri", write.Uri);
            json.WriteString("kind", write.IsDelete ? "delete" : "put");
            json.WriteNumber("size", write.Size);
            json.WriteNumber("time_ns", (write.Time.UtcTicks - DateTime.UnixEpoch.Ticks) * 100);
            json.WriteBoolean("parked", write.IsParked);
            json.WriteNumber("attempts", write.Attempts);
            if (write.Error is { } error)
            {
                json.WriteNumber("status", (int)error.Kind);
                json.WriteString("error", error.Detail);
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    });

    static byte[] Write(string noun, CacheAmount amount) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber(noun, amount.Entries);
        json.WriteNumber("bytes", amount.Bytes);
        json.WriteEndObject();
    });
}
