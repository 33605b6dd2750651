using System.Collections.Concurrent;
using S3dlio.Storage;

namespace S3dlio.Tests.Cache;

/// <summary>A store in memory as a far one is met: it keeps a history, can refuse, fail and keep somebody waiting.</summary>
sealed class RemoteStore : DelegatingStore
{
    readonly ObjectStore _inner = StoreFactory.Open(StoreUri.Parse($"memory://{Guid.NewGuid():n}"), StoreOptions.Default);

    protected override ObjectStore Inner => _inner;

    /// <summary>What was written and deleted, in the order in which it arrived; null is a deletion.</summary>
    public ConcurrentQueue<(string Key, byte[]? Data)> History { get; } = new();

    /// <summary>Comes before each write: an error here is the store's.</summary>
    public Func<string, Task>? Before { get; set; }

    /// <summary>Comes after it: an error here is an answer that was lost.</summary>
    public Func<string, Task>? After { get; set; }

    public int PutsOf(string key) => History.Count(one => one.Key == key && one.Data is not null);

    public async Task<byte[]?> Get(string key)
    {
        if (await HeadOrNullAsync(key, default) is null)
            return null;
        await using var reader = await OpenReadAsync(key, ReadOptions.Default, default);
        var data = new byte[reader.Meta.Size];
        await reader.ReadAsync(0, data, default);
        return data;
    }

    public override async ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        await (Before?.Invoke(key) ?? Task.CompletedTask);
        var written = await base.PutAsync(key, payload, options, progress, cancel);
        History.Enqueue((key, await Get(key)));
        await (After?.Invoke(key) ?? Task.CompletedTask);
        return written;
    }

    public override async ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        foreach (string key in keys)
            await (Before?.Invoke(key) ?? Task.CompletedTask);
        var failures = await base.DeleteAsync(keys, cancel);
        foreach (string key in keys)
            History.Enqueue((key, null));
        return failures;
    }
}
