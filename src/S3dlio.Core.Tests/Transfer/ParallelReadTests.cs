using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Transfer;

public class ParallelReadTests
{
    [Theory]
    // parts that a server answers: all that may be in flight are, where there are so many
    [InlineData(true, 256 << 10, 8, 6 << 20, 8)]
    [InlineData(true, 1 << 20, 8, 4 << 20, 4)]
    [InlineData(true, 8 << 20, 4, 20 << 20, 3)]
    // of memory and files, turns of whole huge pages
    [InlineData(false, 256 << 10, 8, 6 << 20, 2)]
    [InlineData(false, 256 << 10, 8, 20 << 20, 5)]
    public async Task Read_PartsOfOneStretch_AreInFlightTogether(bool overNetwork, int partSize, int concurrency, int length, int together)
    {
        var reader = new Waiting(length, new TransferHints(partSize, concurrency), overNetwork, together);
        var target = new byte[length];
        var found = await ParallelRead.ReadAsync(
            reader, 0, LargeMemory.From(target.AsMemory()), hash: true, null, default).AsTask().WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(together, reader.Most);
        Assert.DoesNotContain((byte)0, target);
        Assert.Equal(Checksum.Of(target), found);
    }

    /// <summary>Answers nobody before as many ask as are expected, and a little later, so that more would show.</summary>
    sealed class Waiting(int length, TransferHints hints, bool overNetwork, int expected) : ObjectReader
    {
        readonly TaskCompletionSource _enough = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int _now, _most;

        public int Most => _most;

        public override ObjectMeta Meta => throw new NotSupportedException($"of {length} bytes");

        public override TransferHints Hints => hints;

        public override bool ReadsManyAtOnce => overNetwork;

        public override async ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
        {
            int now = Interlocked.Increment(ref _now);
            for (int most = _most; now > most && Interlocked.CompareExchange(ref _most, now, most) != most; most = _most)
            {
            }
            if (now == expected)
                _enough.TrySetResult();
            await _enough.Task.WaitAsync(cancel);
            await Task.Delay(20, cancel);
            destination.Span.Fill(1);
            Interlocked.Decrement(ref _now);
        }

        public override ValueTask DisposeAsync() => default;
    }
}
