using System.Collections.Concurrent;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tests.Http;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Datasets;

public sealed class SampleReadsTests
{
    static readonly CancellationToken None = CancellationToken.None;
    readonly ObjectStore _store = StoreFactory.Open(StoreUri.Parse($"memory://{Guid.NewGuid()}/"), StoreOptions.Parse("", "memory://"));

    [Fact]
    public async Task ReadAsync_SamplesOfManyObjects_FillEachTarget()
    {
        var random = new Random(5);
        byte[][] objects = await PutAsync(random, 6);
        var samples = new List<(SampleRead Read, ReadOnlyMemory<byte> Expected, byte[] Target)>();
        for (int i = 0; i < 200; i++)
        {
            int of = random.Next(6), begin = random.Next(objects[of].Length), length = random.Next(objects[of].Length - begin + 1);
            byte[] target = new byte[length];
            var expected = objects[of].AsMemory(begin, length);
            Checksum? checksum = i % 2 == 0 ? Checksum.Of(expected.Span) : null;
            samples.Add((new SampleRead(of, begin, LargeMemory.From(target.AsMemory()), checksum), expected, target));
        }
        var failures = await ReadAsync(6, samples.ConvertAll(sample => sample.Read), whole: false);
        Assert.All(failures, Assert.Null);
        Assert.All(samples, sample => Assert.Equal(sample.Expected.ToArray(), sample.Target));
    }

    [Fact]
    public async Task ReadAsync_SamplesThatFail_LeaveTheOthersWhole()
    {
        byte[][] objects = await PutAsync(new Random(6), 2);
        byte[] good = new byte[10];
        var failures = await ReadAsync(3,
        [
            new SampleRead(0, 0, LargeMemory.From(new byte[5].AsMemory()), new Checksum(7)),
            new SampleRead(0, 20, LargeMemory.From(good.AsMemory()), null),
            new SampleRead(1, objects[1].Length - 3, LargeMemory.From(new byte[4].AsMemory()), null),
            new SampleRead(2, 0, LargeMemory.From(new byte[1].AsMemory()), null),
            new SampleRead(2, 0, LargeMemory.From(Memory<byte>.Empty), null),
        ], whole: false);
        Assert.Equal(
            [ErrorKind.ChecksumMismatch, null, ErrorKind.InvalidData, ErrorKind.NotFound, null],
            failures.Select(failure => failure?.Kind));
        Assert.Equal(0L, failures[0]!.Offset);
        Assert.Equal(objects[0].AsMemory(20, 10).ToArray(), good);
    }

    [Fact]
    public async Task ReadAsync_WholeObjectOfAnotherLength_SaysBoth()
    {
        byte[][] objects = await PutAsync(new Random(7), 2);
        byte[] target = new byte[objects[0].Length];
        var failures = await ReadAsync(2,
        [
            new SampleRead(0, 0, LargeMemory.From(target.AsMemory()), Checksum.Of(objects[0])),
            new SampleRead(1, 0, LargeMemory.From(new byte[objects[1].Length + 1].AsMemory()), null),
        ], whole: true);
        Assert.Null(failures[0]);
        Assert.Equal(objects[0], target);
        Assert.Equal(ErrorKind.InvalidData, failures[1]!.Kind);
        Assert.Contains($"has {objects[1].Length} bytes", failures[1]!.Message, StringComparison.Ordinal);
        Assert.Contains($"it had {objects[1].Length + 1}", failures[1]!.Message, StringComparison.Ordinal);
    }

    async Task<byte[][]> PutAsync(Random random, int count)
    {
        byte[][] objects = new byte[count][];
        for (int i = 0; i < count; i++)
        {
            random.NextBytes(objects[i] = new byte[random.Next(100, 300_000)]);
            await _store.PutAsync($"o{i}", new Payload(objects[i]), PutOptions.Default, null, None);
        }
        return objects;
    }

    async Task<StoreException?[]> ReadAsync(int objects, IReadOnlyList<SampleRead> samples, bool whole) =>
        (await ReadAsync(_store, objects, samples, whole, null)).Failures;

    static Task<SampleReport> ReadAsync(
        ObjectStore store, int objects, IReadOnlyList<SampleRead> samples, bool whole, TimeSpan? hedgeAfter) => SampleReads.ReadAsync(
        [.. Enumerable.Range(0, objects).Select(i => new ObjectRef(store, $"o{i}"))], samples, whole, validate: true, 4, hedgeAfter,
        new Counter(), None);

    /// <summary>The first opening of each object waits until it is cancelled, or for ever.</summary>
    sealed class StuckStore(ObjectStore inner, Func<string, bool> isStuck) : DelegatingStore
    {
        readonly ConcurrentDictionary<string, int> _opened = new();

        protected override ObjectStore Inner => inner;

        public int Cancelled;

        public override async ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel)
        {
            if (_opened.AddOrUpdate(key, 1, static (_, times) => times + 1) == 1 && isStuck(key))
            {
                try
                {
                    await Task.Delay(Timeout.Infinite, cancel);
                }
                finally
                {
                    Interlocked.Increment(ref Cancelled);
                }
            }
            return await inner.OpenReadAsync(key, options, cancel);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ReadAsync_ObjectThatTakesLong_IsAskedForASecondTime(bool whole)
    {
        byte[][] objects = await PutAsync(new Random(8), 4);
        var store = new StuckStore(_store, static key => key == "o2");
        byte[][] targets = [.. objects.Select(static one => new byte[one.Length])];
        var samples = targets.Select((target, i) => new SampleRead(i, 0, LargeMemory.From(target.AsMemory()), null)).ToList();
        var report = await ReadAsync(store, 4, samples, whole, TimeSpan.FromMilliseconds(20));
        Assert.All(report.Failures, Assert.Null);
        Assert.Equal(objects, targets);
        Assert.True(report.Hedged >= 1);
        Assert.Equal(1, store.Cancelled);
    }

    [Fact]
    public async Task ReadAsync_StoreThatIsSlowAsAWhole_IsAskedForATenthTwice()
    {
        byte[][] objects = await PutAsync(new Random(9), 20);
        var store = new StuckStore(_store, static _ => true);
        using var stop = new CancellationTokenSource();
        var samples = objects.Select((one, i) => new SampleRead(i, 0, LargeMemory.From(new byte[one.Length].AsMemory()), null)).ToList();
        var counted = new Counter();
        var reading = SampleReads.ReadAsync(
            [.. Enumerable.Range(0, 20).Select(i => new ObjectRef(store, $"o{i}"))], samples, true, true, 20, TimeSpan.FromMilliseconds(1),
            counted, stop.Token);
        while (counted.Done < 2)
            await Task.Delay(5);
        Assert.False(reading.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        Assert.Equal(2, counted.Done);
    }

    sealed class Counter : ITransferProgress
    {
        long _done;

        public long Done => Interlocked.Read(ref _done);

        public void Begin(long total) => Interlocked.Exchange(ref _done, 0);

        public void Report(long value) => Interlocked.Add(ref _done, value);
    }
}
