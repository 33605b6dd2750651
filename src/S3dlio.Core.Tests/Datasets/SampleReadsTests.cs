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

    Task<StoreException?[]> ReadAsync(int objects, IReadOnlyList<SampleRead> samples, bool whole) => SampleReads.ReadAsync(
        [.. Enumerable.Range(0, objects).Select(i => new ObjectRef(_store, $"o{i}"))], samples, whole, validate: true, 4, new Counter(), None);

    sealed class Counter : ITransferProgress
    {
        long _done;

        public void Begin(long total) => Interlocked.Exchange(ref _done, 0);

        public void Report(long value) => Interlocked.Add(ref _done, value);
    }
}
