using S3dlio.Compression;
using S3dlio.Storage;
using S3dlio.Tensors;
using S3dlio.Tests.Compression;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Transfer;

public class CompressedReaderTests
{
    static readonly CancellationToken None = CancellationToken.None;

    static readonly ObjectStore Store = StoreFactory.Open(StoreUri.Parse("memory://compressed-reader"), StoreOptions.Default);

    [Fact]
    public async Task Read_RandomRangesOfAGibibyte_DecodesAtMostTwoFramesEach()
    {
        const long size = 1L << 30;
        const int length = 64 << 10;
        var piece = SmallObject.Text((8 << 20) + 13, 4);
        await using (var output = await ObjectOutput.OpenAsync(Store, "gibibyte", 1, PutOptions.Default, None))
        {
            for (long at = 0; at < size; at += piece.Length)
                await output.WriteAsync(LargeMemory.From(piece.AsMemory(0, (int)Math.Min(piece.Length, size - at))), null, None);
            await output.CompleteAsync(None);
        }
        await using var reader = Assert.IsType<CompressedReader>(await ObjectInput.OpenAsync(Store, "gibibyte", Decompress.Auto, ReadOptions.Default, None));
        Assert.Equal(size, reader.Meta.Size);
        var random = new Random(9);
        var target = new byte[length];
        var expected = new byte[length];
        for (int i = 0; i < 200; i++)
        {
            // one in four lies across two frames
            long offset = i % 4 > 0 ? random.NextInt64(size - length) : (random.NextInt64(1, size / SeekableFormat.FrameLength) * SeekableFormat.FrameLength) - random.Next(1, length);
            int before = reader.FramesDecoded;
            await reader.ReadAsync(offset, target, None);
            Assert.InRange(reader.FramesDecoded - before, 0, 2);
            for (int k = 0; k < length; k++)
                expected[k] = piece[(offset + k) % piece.Length];
            Assert.True(expected.AsSpan().SequenceEqual(target), $"bytes {offset}..{offset + length} differ");
        }
        Assert.InRange(reader.FramesDecoded, 150, 260);
        foreach (var failure in await Store.DeleteAsync(["gibibyte.zst"], None))
            throw failure.Error;
    }

    [Fact]
    public async Task Read_ManyPartsOfAFewFramesAtOnce_DecodesEachOnce()
    {
        var raw = SmallObject.Text((3 * SeekableFormat.FrameLength) + 77, 5);
        await SaveAsync("few", raw);
        await using var reader = Assert.IsType<CompressedReader>(await ObjectInput.OpenAsync(Store, "few", Decompress.Auto, ReadOptions.Default, None));
        await Parallel.ForEachAsync(Enumerable.Range(0, 400), new ParallelOptions { MaxDegreeOfParallelism = 2 }, async (i, cancel) =>
        {
            var part = new byte[1000];
            int offset = i * 1000;
            await reader.ReadAsync(offset, part, cancel);
            Assert.True(raw.AsSpan(offset, part.Length).SequenceEqual(part));
        });
        Assert.Equal(1, reader.FramesDecoded);
    }

    [Fact]
    public async Task Read_RandomRangesAtOnce_AreThoseOfTheRawBytes()
    {
        var raw = SmallObject.Text((6 * SeekableFormat.FrameLength) + 5, 6);
        await SaveAsync("mixed", raw);
        await using var reader = await ObjectInput.OpenAsync(Store, "mixed", Decompress.Auto, ReadOptions.Default, None);
        await Parallel.ForEachAsync(Enumerable.Range(0, 200), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, cancel) =>
        {
            var random = new Random(i);
            int offset = random.Next(3) == 0 ? random.Next(6) * SeekableFormat.FrameLength : random.Next(raw.Length);
            var part = new byte[random.Next(4) == 0 ? random.Next(raw.Length - offset) : random.Next(Math.Min(100_000, raw.Length - offset))];
            await reader.ReadAsync(offset, part, cancel);
            Assert.True(raw.AsSpan(offset, part.Length).SequenceEqual(part), $"{offset}..{offset + part.Length}");
        });
    }

    [Fact]
    public async Task Read_CancelledWhileOthersWait_LeavesThemTheirBytes()
    {
        var raw = SmallObject.Text(SeekableFormat.FrameLength, 7);
        var cache = new FrameCache(2);
        using var stop = new CancellationTokenSource();
        var begun = new TaskCompletionSource();
        var first = cache.CopyAsync(0, 10, 0, new byte[10], async (_, cancel) =>
        {
            begun.SetResult();
            await Task.Delay(Timeout.Infinite, cancel);
        }, stop.Token).AsTask();
        await begun.Task;
        var part = new byte[5];
        var second = cache.CopyAsync(0, 10, 5, part, (memory, _) =>
        {
            raw.AsSpan(0, 10).CopyTo(memory.Span);
            return ValueTask.CompletedTask;
        }, None).AsTask();
        Assert.False(second.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        await second;
        Assert.Equal(raw[5..10], part);
        Assert.True(cache.TryCopy(0, part));
    }

    [Fact]
    public async Task Slice_OfACompressedTensor_DecodesTheFramesItTouchesAndNoOthers()
    {
        // 16 rows of 4 MiB: a row lies in two frames, since the header comes before the first
        var data = SmallObject.Text(16 * SeekableFormat.FrameLength, 8);
        TensorSpec[] tensors = [new("w", DType.U8, [16, SeekableFormat.FrameLength])];
        await SafetensorsObject.SaveAsync(Store, "slices", tensors, [LargeMemory.From(data.AsMemory())], null, true, 1, PutOptions.Default, new NoProgress(), None);
        foreach (var (slice, most) in new (DimSlice[], int)[]
        {
            ([new(5, 6, 1), new(0, 100, 1)], 1),
            ([new(5, 6, 1), new(0, SeekableFormat.FrameLength, 1)], 2),
            ([new(3, 5, 1), new(0, SeekableFormat.FrameLength, 7)], 3),
            ([new(0, 16, 5), new(10, 20, 1)], 4),
        })
        {
            await using var file = await SafetensorsObject.OpenAsync(Store, "slices", None);
            var reader = Assert.IsType<CompressedReader>(file.Reader);
            int rows = (int)slice[0].Count, columns = (int)slice[1].Count, before = reader.FramesDecoded;
            var target = new byte[rows * columns];
            await file.ReadSliceAsync(0, slice, LargeMemory.From(target.AsMemory()), new NoProgress(), None);
            Assert.InRange(reader.FramesDecoded - before, 0, most);
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < columns; column++)
                    Assert.Equal(data[((slice[0].Start + (row * slice[0].Step)) * SeekableFormat.FrameLength) + slice[1].Start + (column * slice[1].Step)], target[(row * columns) + column]);
            }
        }
    }

    sealed class NoProgress : ITransferProgress
    {
        public void Begin(long total)
        {
            // nobody asks
        }

        public void Report(long value)
        {
            // nobody asks
        }
    }

    static async Task SaveAsync(string key, byte[] raw)
    {
        await using var output = await ObjectOutput.OpenAsync(Store, key, 1, PutOptions.Default, None);
        await output.WriteAsync(LargeMemory.From(raw.AsMemory()), null, None);
        await output.CompleteAsync(None);
    }
}
