using S3dlio.Storage;

namespace S3dlio.Tests.Cache;

/// <summary>Counts what a store is asked for, and can be made to fail, to wait or to give wrong bytes.</summary>
sealed class CountingStore(ObjectStore inner) : DelegatingStore
{
    int _opens, _heads;
    long _bytes;

    public int Opens => _opens;

    public int Heads => _heads;

    /// <summary>Bytes that its readers gave.</summary>
    public long Bytes => _bytes;

    public int Calls => _opens + _heads;

    public Func<string, Task>? Before { get; set; }

    public Action<Memory<byte>>? Damage { get; set; }

    protected override ObjectStore Inner => inner;

    public void Reset() => (_opens, _heads, _bytes) = (0, 0, 0);

    public override async ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel)
    {
        Interlocked.Increment(ref _heads);
        await (Before?.Invoke("head") ?? Task.CompletedTask);
        return await inner.HeadAsync(key, cancel);
    }

    public override async ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel)
    {
        Interlocked.Increment(ref _opens);
        await (Before?.Invoke("open") ?? Task.CompletedTask);
        return new Reader(this, await inner.OpenReadAsync(key, options, cancel));
    }

    sealed class Reader(CountingStore store, ObjectReader reader) : DelegatingReader(reader)
    {
        public override async ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
        {
            await (store.Before?.Invoke("read") ?? Task.CompletedTask);
            await base.ReadAsync(offset, destination, cancel);
            Interlocked.Add(ref store._bytes, destination.Length);
            store.Damage?.Invoke(destination);
        }

        public override async ValueTask ReadAsync(IReadOnlyList<ReadRange> segments, CancellationToken cancel)
        {
            foreach (var segment in segments)
                await ReadAsync(segment.Offset, segment.Target, cancel);
        }
    }
}
