using S3dlio.Cache;
using S3dlio.Storage;
using S3dlio.Tests.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>A store in memory that counts, a cache in front of it, and what tests do with both.</summary>
sealed class CacheScene : IDisposable
{
    public static readonly CancellationToken None = CancellationToken.None;

    readonly TemporaryDirectory _directory = new();

    public CacheScene(CacheOptions? options = null, TimeProvider? clock = null)
    {
        Options = (options ?? Never) with { Directory = _directory["cache"] };
        Backing = new CountingStore(StoreFactory.Open(StoreUri.Parse($"memory://{Guid.NewGuid():n}/below"), StoreOptions.Default));
        Store = new HybridStore(Backing, Options, clock);
    }

    public static CacheOptions Never { get; } = new() { Directory = "", BlockSize = 1 << 16, Validate = CacheValidate.Never, MinFree = 0 };

    public CacheOptions Options { get; }

    public CountingStore Backing { get; }

    public HybridStore Store { get; }

    public string Path => Options.Directory;

    /// <summary>Another store of the same cache, as another process would have it.</summary>
    public HybridStore Another(CacheOptions? options = null) => new(Backing, (options ?? Options) with { Directory = Path });

    public IReadOnlyList<string> Entries =>
        Directory.Exists(Path + "/entries") ? [.. Directory.EnumerateFiles(Path + "/entries", "*", SearchOption.AllDirectories)] : [];

    public long Bytes => Entries.Sum(path => new FileInfo(path).Length);

    public static byte[] Random(int length, int seed)
    {
        var data = new byte[length];
        new Random(seed).NextBytes(data);
        return data;
    }

    public ValueTask<ObjectMeta> Put(string key, byte[] data, ObjectStore? store = null) =>
        (store ?? Store).PutAsync(key, new Payload(data), PutOptions.Default, null, None);

    /// <summary>All of an object, as calls read it.</summary>
    public async Task<byte[]> Get(string key, ObjectStore? store = null)
    {
        Memory<byte> data = default;
        await ObjectRead.WholeAsync(store ?? Store, key, length =>
        {
            data = new byte[length];
            return LargeMemory.From(data);
        }, new Validation(null), new NoProgress(), None);
        Settle();
        return data.ToArray();
    }

    public async Task<byte[]> Get(string key, int offset, int length, ObjectStore? store = null)
    {
        await using var reader = await (store ?? Store).OpenReadAsync(key, new ReadOptions { FirstOffset = offset, FirstLength = length },
            None);
        var data = new byte[length];
        await reader.ReadAsync(offset, data, None);
        Settle();
        return data;
    }

    /// <summary>Waits until what was read is kept: tests look at files.</summary>
    public static void Settle() => Assert.True(CacheSurvey.Settle(TimeSpan.FromSeconds(30)));

    public void Dispose()
    {
        Settle();
        _directory.Delete();
    }

    sealed class NoProgress : ITransferProgress
    {
        public void Begin(long total)
        {
        }

        public void Report(long value)
        {
        }
    }
}
