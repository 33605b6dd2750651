using S3dlio.OpLog;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.OpLog;

/// <summary>Logs done again.</summary>
public sealed class ReplayTests : IDisposable
{
    readonly string _path = Path.Combine(Path.GetTempPath(), $"s3dlio-{Guid.NewGuid():n}.tsv.zst");
    readonly string _name = $"{Guid.NewGuid():n}";

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Histogram_Percentiles_AreExactToASixtyFourth()
    {
        var histogram = new LatencyHistogram();
        var random = new Random(1);
        var values = Enumerable.Range(0, 20_000).Select(_ => (long)Math.Exp(random.NextDouble() * 40)).Order().ToArray();
        foreach (long value in values)
            histogram.Add(value);
        foreach (double percent in (double[])[0.1, 1, 50, 90, 99, 99.9, 100])
        {
            long exact = values[(int)Math.Ceiling(percent / 100 * values.Length) - 1];
            Assert.InRange(histogram.Percentile(percent), exact, exact + (exact / 63) + 1);
        }
        Assert.Equal((values.Length, values[^1], values[0]), (histogram.Count, histogram.Max, histogram.Min));
    }

    [Theory]
    [InlineData("s3://a/x", new string[0], "memory://m/x")]
    [InlineData("s3://a/x", new[] { "s3://a/=memory://n/" }, "memory://n/x")]
    [InlineData("s3://b/x", new[] { "s3://a/=memory://n/" }, "memory://m/x")]
    [InlineData("s3://a/x/1", new[] { "re:^s3://a/(.*)/(.*)$=memory://n/$2-$1" }, "memory://n/1-x")]
    [InlineData("file:///d/x", new string[0], "memory://m/d/x")]
    public void Rules_First_ThatFits(string address, string[] rules, string expected)
    {
        var uri = StoreUri.Parse(address);
        var record = new OpRecord
        {
            Endpoint = $"{uri.Scheme}://{uri.Container}",
            File = uri.IsLocal ? "/" + uri.Key
            : $"{uri.Container}/{uri.Key}"
        };
        Assert.Equal(expected, new RemapRules("memory://m", rules).Map(record));
        Assert.Equal(address, RemapRules.Address(record));
    }

    [Fact]
    public void Rules_Several_ShareByNameOrInTurns()
    {
        OpRecord Of(int i) => new() { Endpoint = "s3://a", File = $"a/{i}" };
        var sticky = new RemapRules(null, ["s3://a/=x:/,y:/"]);
        var first = Enumerable.Range(0, 100).Select(i => sticky.Map(Of(i))).ToArray();
        Assert.Equal(first, Enumerable.Range(0, 100).Select(i => sticky.Map(Of(i))));
        Assert.InRange(first.Count(one => one![0] == 'x'), 20, 80);
        var turns = new RemapRules(null, ["s3://a/=rr:x:/,y:/"]);
        Assert.Equal("xyxy", string.Concat(Enumerable.Range(0, 4).Select(i => turns.Map(Of(i))![0])));
        Assert.Null(turns.Map(new OpRecord { Endpoint = "s3://b", File = "b/1" }));
        Assert.Throws<StoreException>(() => new RemapRules(null, ["nothing"]));
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(2)]
    [InlineData(double.PositiveInfinity)]
    public async Task Run_AtASpeed_KeepsTheTimesAndMakesTheObjects(double speed)
    {
        using (var log = new OpLogWriter(_path, 1, "test"))
        {
            for (int i = 0; i < 20; i++)
                log.Append(new OpRecord
                {
                    Op = OpName.Put,
                    Endpoint = "s3://a",
                    File = $"a/{i}",
                    Bytes = i * 1000,
                    Start = i * 10_000_000L,
                    End = (i * 10_000_000L) + 1
                });
            log.Append(new OpRecord
            {
                Op = OpName.Get,
                Endpoint = "s3://a",
                File = "a/19",
                Bytes = 500,
                Offset = 100,
                Start = 200_000_000,
                End = 200_000_001
            });
            // what is read is there before: on a machine that is busy the PUT may begin after it
            log.Append(new OpRecord { Op = OpName.Copy, Endpoint = "s3://a", File = "a/x", Start = 1, End = 1 });
        }
        var store = StoreFactory.Open(StoreUri.Parse($"memory://{_name}"), StoreOptions.Default);
        await store.PutAsync("19", new Payload(new byte[600]), PutOptions.Default, null, default);
        var replay = new Replay(new RemapRules($"memory://{_name}", []), address => (store, StoreUri.Parse(address).Key),
            new ReplayOptions { Speed = speed });
        var report = await replay.RunAsync(() => new OpLogReader(_path), default);
        Assert.Equal((21L, 0L, 1L), (report.Operations, report.Errors, report.Skipped));
        Assert.Equal(190_500, report.Bytes);
        if (!double.IsPositiveInfinity(speed))
            Assert.InRange(report.Took.TotalSeconds, 0.2 / speed, 60);
        Assert.Equal(21, report.Lag.Count);
        Assert.Equal(19_000, (await store.HeadAsync("19", default)).Size);
    }

    [Fact]
    public async Task Run_WithoutObjects_FailsUnlessTheyAreMadeBefore()
    {
        using (var log = new OpLogWriter(_path, 1, "test"))
            log.Append(new OpRecord { Op = OpName.Get, Endpoint = "s3://a", File = "a/k", Bytes = 500, Start = 1, End = 2 });
        var store = StoreFactory.Open(StoreUri.Parse($"memory://{_name}"), StoreOptions.Default);
        Replay Of(bool prepare) =>
            new(new RemapRules($"memory://{_name}", []), address => (store, StoreUri.Parse(address).Key),
            new ReplayOptions { Prepare = prepare });
        Assert.Equal(1, (await Of(false).RunAsync(() => new OpLogReader(_path), default)).Errors);
        Assert.Equal(0, (await Of(true).RunAsync(() => new OpLogReader(_path), default)).Errors);
        Assert.Equal(0, (await Of(false).RunAsync(() => new OpLogReader(_path), default)).Errors);
    }

    [Theory]
    [InlineData(1, 0.9, 1.1)]
    [InlineData(4, 0.2, 0.35)]
    public void Data_CanBeCompressedAsAskedFor(double factor, double least, double most)
    {
        byte[] one = new byte[1 << 20], other = new byte[1 << 20];
        new SyntheticData(1, factor).Fill(one);
        new SyntheticData(2, factor).Fill(other);
        Assert.NotEqual(one, other);
        using var packed = new MemoryStream();
        using (var stream = new System.IO.Compression.BrotliStream(packed, System.IO.Compression.CompressionLevel.Fastest, leaveOpen: true))
            stream.Write(one);
        Assert.InRange((double)packed.Length / one.Length, least, most);
    }
}
