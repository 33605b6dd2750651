using System.Collections.Concurrent;
using S3dlio.Storage;
using S3dlio.Tests.Http;
using Xunit;

namespace S3dlio.Tests.Storage;

public class EventsTests
{
    static readonly CancellationToken None = CancellationToken.None;

    static IEnumerable<StoreEvent> Since(long number)
    {
        while (Events.Find(number) is { } found)
        {
            yield return found;
            number = found.Number + 1;
        }
    }

    static ObjectStore Open(ScriptedServer server, string bucket) => StoreFactory.Open(
        StoreUri.Parse($"s3://{bucket}/"),
        StoreOptions.Parse($$"""{"endpoint_url":"{{server.Url}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1"}""", $"s3://{bucket}/"));

    [Fact]
    public void Tell_MoreThanAreKept_LosesTheOldest()
    {
        long begin = Events.Count;
        for (int i = 0; i < Events.Kept + 10; i++)
            Events.Tell(EventLevel.Debug, $"filling {i}");
        Assert.True(Events.Find(begin)!.Value.Number >= begin + 10);
        Assert.Null(Events.Find(Events.Count + 1000));
        // others may tell beside this test
        Assert.Contains(Since(begin), told => told.Text == $"filling {Events.Kept + 9}");
    }

    [Fact]
    public void Tell_TextOfAServer_BeginsNoLine()
    {
        long begin = Events.Count;
        Events.Tell(EventLevel.Info, $"server {Guid.Empty}\nsays\u001b[2J");
        Assert.Contains(Since(begin), told => told.Text == $"server {Guid.Empty}\\nsays\\u001b[2J");
    }

    [Fact]
    public void TellOnce_SameTopic_IsToldOnce()
    {
        long begin = Events.Count;
        for (int i = 0; i < 3; i++)
            Events.TellOnce("topic of this test", EventLevel.Info, $"the topic of this test");
        Assert.Single(Since(begin), told => told.Text == "the topic of this test");
    }

    [Fact]
    public async Task Get_ServerFailsThreeTimes_TellsAndCountsEachRetry()
    {
        long begin = Events.Count;
        await using var server = new ScriptedServer(exchange => exchange.Number <= 3
            ? exchange.Respond(503, "Retry-After: 0\r\n", "<Error><Code>SlowDown</Code></Error>")
            : exchange.Serve(new byte[100], "\"v1\""));
        var store = Open(server, "events-retries");
        await using (var reader = await store.OpenReadAsync("key", ReadOptions.Default, None))
            await reader.ReadAsync(0, new byte[100], None);
        var told = Since(begin).Where(one => one.Text.StartsWith("s3://events-retries/key: attempt ", StringComparison.Ordinal)).ToArray();
        Assert.Equal([EventLevel.Info, EventLevel.Warning, EventLevel.Warning], told.Select(one => one.Level));
        Assert.All(told, one => Assert.DoesNotContain("a-secret", one.Text, StringComparison.Ordinal));
        var counted = Statistics.All.Single(one => one.Uri == "s3://events-retries/");
        Assert.Equal((4, 3), (counted.Requests, counted.Retries));
        Assert.InRange(counted.BytesRead, 100, 3000);
    }

    [Fact]
    public async Task Put_Object_CountsItsBytes()
    {
        await using var server = new ScriptedServer(exchange => exchange.Respond(200, "ETag: \"v1\"\r\n", ""));
        await Open(server, "events-puts").PutAsync("key", new Payload(new byte[5000]), PutOptions.Default, null, None);
        var counted = Statistics.All.Single(one => one.Uri == "s3://events-puts/");
        Assert.Equal((1, 0, 5000), (counted.Requests, counted.Retries, counted.BytesWritten));
    }

    [Fact]
    public async Task NearStores_EachCall_IsCounted()
    {
        string name = $"memory://{Guid.NewGuid()}/";
        var store = StoreFactory.Open(StoreUri.Parse(name + "below"), StoreOptions.Parse("", name));
        Assert.DoesNotContain(Statistics.All, one => one.Uri == name);
        await store.PutAsync("a", new Payload(new byte[10]), PutOptions.Default, null, None);
        await using (var writer = await store.OpenWriteAsync("b", PutOptions.Default, None))
        {
            await writer.WriteAsync(new byte[7], None);
            await writer.CompleteAsync(None);
        }
        await store.HeadAsync("a", None);
        await using (var reader = await store.OpenReadAsync("a", ReadOptions.Default, None))
            await reader.ReadAsync(2, new byte[5], None);
        await store.RenameAsync("a", "c", PutOptions.Default, None);
        await store.DeleteAsync(["c"], None);
        Assert.Equal(new StoreStatistics(name, 6, 0, 5, 17, 0), Statistics.All.Single(one => one.Uri == name));
    }

    [Fact]
    public void TallyOf_ManyNames_AreCountedTogether()
    {
        var known = new ConcurrentDictionary<string, Tally>();
        for (int i = 0; i < Tally.Most + 1000; i++)
            Tally.Of(StoreUri.Parse($"memory://name-{i}/x"), known).Request();
        Assert.Equal(Tally.Most + 1, known.Count);
        Assert.Equal(1000, known["memory://*/"].Statistics.Requests);
        Assert.Equal(2, Tally.Of(StoreUri.Parse("memory://name-0/y"), known).Statistics.Requests + 1);
    }
}
