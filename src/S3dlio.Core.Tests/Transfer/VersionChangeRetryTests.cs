using S3dlio.Storage;
using S3dlio.Tests.Http;
using S3dlio.Tests.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Transfer;

/// <summary>Calls that read a whole object or range by themselves, from a server where the object is replaced meanwhile.</summary>
public class VersionChangeRetryTests
{
    static readonly CancellationToken None = CancellationToken.None;

    readonly Recorder _progress = new();
    readonly List<byte[]> _given = [];

    static ObjectStore Open(ScriptedServer server) => StoreFactory.Open(
        StoreUri.Parse("s3://bucket/"),
        StoreOptions.Parse(
            $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1"}""", "s3://bucket/"));

    static byte[] Data(int length)
    {
        var data = new byte[length];
        new Random(length).NextBytes(data);
        return data;
    }

    LargeMemory Allocate(long size)
    {
        _given.Add(new byte[size]);
        return LargeMemory.From(_given[^1]);
    }

    static bool IsConditional(Exchange exchange) => exchange.Headers.ContainsKey("If-Match");

    [Fact]
    public async Task Whole_ReplacedByALongerOne_GivesTheNewOne()
    {
        var (old, data) = (Data(20 << 20), Data(21 << 20));
        int opened = 0;
        await using var server = new ScriptedServer(exchange =>
        {
            if (!IsConditional(exchange))
                Interlocked.Increment(ref opened);
            return opened == 1 && !IsConditional(exchange) ? exchange.Serve(old, "\"v1\"") : exchange.Serve(data, "\"v2\"");
        });
        var meta = await ObjectRead.WholeAsync(Open(server), "key", Allocate, new Validation(null), _progress, None);
        Assert.Equal((data.Length, "v2"), (meta.Size, meta.ETag));
        Assert.Equal(data, _given[^1]);
        Assert.Equal([old.Length, data.Length], _given.Select(given => given.Length));
        Assert.Equal((2, data.Length), (_progress.Begun, _progress.Done));
    }

    [Fact]
    public async Task Range_Replaced_GivesTheNewOne()
    {
        var (old, data) = (Data(20 << 20), Data(21 << 20));
        bool replaced = false;
        await using var server = new ScriptedServer(exchange =>
        {
            replaced |= IsConditional(exchange);
            return replaced ? exchange.Serve(data, "\"v2\"") : exchange.Serve(old, "\"v1\"");
        });
        await ObjectRead.RangeAsync(Open(server), "key", Decompress.Never, 1000, 19 << 20, Allocate, new Validation(null), _progress, None);
        Assert.True(data.AsSpan(1000, 19 << 20).SequenceEqual(_given[^1]));
    }

    [Fact]
    public async Task Whole_ReplacedAtEveryLook_EndsInAnErrorThatSaysSo()
    {
        var data = Data(20 << 20);
        // no answer is whole, and none of the next is of the same version
        await using var server = new ScriptedServer(exchange => exchange.Serve(data, $"\"v{exchange.Number}\"", most: 1 << 20));
        var error = await Assert.ThrowsAsync<StoreException>(
            () => ObjectRead.WholeAsync(Open(server), "key", Allocate, new Validation(null), _progress, None).AsTask());
        Assert.Equal((ErrorKind.Precondition, "s3://bucket/key"), (error.Kind, error.Uri));
        Assert.Contains("written while it was read", error.Detail, StringComparison.Ordinal);
        Assert.Contains($"{VersionChangeRetry.Reads} reads", error.Detail, StringComparison.Ordinal);
        Assert.Equal(VersionChangeRetry.Reads, _given.Count);
        // the last opening is an attempt to have it in one answer
        Assert.DoesNotContain("Range", server.Seen.Last(exchange => exchange.Method == "GET" && !IsConditional(exchange)).Headers.Keys);
    }

    sealed class Recorder : ITransferProgress
    {
        long _done;

        public int Begun { get; private set; }

        public long Done => _done;

        public void Begin(long total)
        {
            Begun++;
            _done = 0;
        }

        public void Report(long value) => Interlocked.Add(ref _done, value);
    }
}
