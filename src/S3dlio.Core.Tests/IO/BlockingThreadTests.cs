using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Http;
using S3dlio.Tests.Http;
using S3dlio.Tests.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.IO;

/// <summary>Threads that wait for the network, and calls over many objects on them.</summary>
public class BlockingThreadTests
{
    static readonly CancellationToken None = CancellationToken.None;

    static ObjectStore Open(ScriptedServer server, string options = "") => StoreFactory.Open(
        StoreUri.Parse("s3://bucket/"),
        StoreOptions.Parse(
            $$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1","proxy":""{{options}}}""", "s3://bucket/"));

    static async Task<(byte[]?[] Found, StoreException?[] Failures)> GetMany(
        ObjectStore store, int count, int inFlight, CancellationToken cancel = default)
    {
        var objects = Enumerable.Range(0, count).Select(i => new ObjectRef(store, $"k{i}")).ToArray();
        var found = new byte[]?[count];
        var failures = await Bulk.GetAsync(
            objects, inFlight, Decompress.Never, (i, length) => LargeMemory.From((found[i] = new byte[length]).AsMemory()), true,
            NoProgress.Instance, cancel);
        return (found, failures);
    }

    [Fact]
    public async Task Run_WorkThatNeverWaitsElsewhere_StaysOnSuchAThread()
    {
        for (int i = 0; i < 50; i++)
        {
            bool there = false;
            await BlockingThread.Run(() =>
            {
                there = BlockingThread.IsCurrent;
                return Task.CompletedTask;
            });
            Assert.True(there);
            Assert.False(BlockingThread.IsCurrent);
        }
    }

    [Fact]
    public async Task Run_WorkThatThrows_GivesTheException()
    {
        await Assert.ThrowsAsync<InvalidOperationException>(() => BlockingThread.Run(() => throw new InvalidOperationException("at once")));
        await Assert.ThrowsAsync<InvalidOperationException>(() => BlockingThread.Run(async () =>
        {
            await Task.Yield();
            throw new InvalidOperationException("later");
        }));
    }

    [Fact]
    public async Task Run_ManyAtOnceAndAgain_AllEnd()
    {
        int ended = 0;
        for (int round = 0; round < 20; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 40).Select(i => BlockingThread.Run(async () =>
            {
                if (i % 3 == 0)
                    await Task.Delay(1);
                Interlocked.Increment(ref ended);
            })));
        }
        Assert.Equal(800, ended);
    }

    [Fact]
    public async Task GetMany_BetweenCallsOfOthers_KeepsItsConnections()
    {
        var data = new byte[1000];
        await using var server = new ScriptedServer(exchange => exchange.Serve(data, "\"v1\""));
        var store = Open(server);
        for (int round = 0; round < 20; round++)
        {
            var (_, failures) = await GetMany(store, 12, 4);
            Assert.All(failures, Assert.Null);
            await Task.WhenAll(
                Enumerable.Range(0, 2).Select(
                    _ => ObjectRead.WholeAsync(
                        store, "key", size => LargeMemory.From(new byte[size]), new Validation(null), NoProgress.Instance, None).AsTask()));
        }
        // 4 and 2, and those which the others took before they had their own
        Assert.InRange(server.Connections, 4, 10);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(300_000)]
    [InlineData(9_000_000)]
    public async Task GetMany_AnySize_GivesTheBytesOverAFewConnections(int length)
    {
        var data = new byte[length];
        new Random(length).NextBytes(data);
        await using var server = new ScriptedServer(exchange => exchange.Serve(data, "\"v1\""));
        var store = Open(server);
        for (int round = 0; round < 3; round++)
        {
            var (found, failures) = await GetMany(store, 12, 4);
            Assert.All(failures, Assert.Null);
            Assert.All(found, bytes => Assert.True(data.AsSpan().SequenceEqual(bytes)));
        }
        if (length < 1 << 20)
            Assert.InRange(server.Connections, 1, 8);
    }

    [Fact]
    public async Task GetMany_ServerHangsUpNowAndThen_GetsAll()
    {
        var data = new byte[5000];
        await using var server = new ScriptedServer(exchange =>
        {
            if (exchange.Number % 5 == 0)
                exchange.Break();
            if (exchange.Number % 7 == 0)
                exchange.HangUp();
            return exchange.Number % 5 == 0 ? Task.CompletedTask : exchange.Serve(data, "\"v1\"");
        });
        var (found, failures) = await GetMany(Open(server), 60, 8);
        Assert.All(failures, Assert.Null);
        Assert.All(found, bytes => Assert.Equal(data, bytes));
    }

    [Fact]
    public async Task GetMany_ServerFallsSilent_TimesOut()
    {
        await using var server = new ScriptedServer(
            exchange => exchange.Target.EndsWith("k3", StringComparison.Ordinal)
                ? Task.Delay(30_000)
                : exchange.Serve(new byte[10], "\"v1\""));
        var (found, failures) = await GetMany(Open(server, ""","read_timeout":1,"max_attempts":1"""), 6, 6);
        Assert.Equal(ErrorKind.Timeout, failures[3]?.Kind);
        Assert.Contains("silent for 1 s", failures[3]!.Detail, StringComparison.Ordinal);
        Assert.Equal(5, found.Count(bytes => bytes is not null));
    }

    [Fact]
    public async Task GetMany_Cancelled_EndsAtOnce()
    {
        await using var server = new ScriptedServer(_ => Task.Delay(120_000));
        using var cancel = new CancellationTokenSource(200);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => GetMany(Open(server), 20, 8, cancel.Token)).WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task GetMany_NobodyThere_NamesIt()
    {
        var store = StoreFactory.Open(
            StoreUri.Parse("s3://bucket/"),
            StoreOptions.Parse(
                """{"endpoint_url":"http://127.0.0.1:1","access_key_id":"id","secret_access_key":"a-secret","region":"r1","proxy":"","max_attempts":1}""", "s3://bucket/"));
        var (_, failures) = await GetMany(store, 4, 4);
        Assert.All(failures, failure => Assert.Equal(ErrorReason.ConnectionRefused, failure?.Reason));
    }
}
