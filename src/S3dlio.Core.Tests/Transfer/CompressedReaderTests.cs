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
        await using var reader = Assert.IsType<CompressedReader>(
            await ObjectInput.OpenAsync(Store, "gibibyte", Decompress.Auto, ReadOptions.Default, None));
        Assert.Equal(size, reader.Meta.Size);
        var random = new Random(9);
        var target = new byte[length];
        var expected = new byte[length];
        for (int i = 0; i < 200; i++)
        {
            // one in four lies across two frames
            long offset = i % 4 > 0
                ? random.NextInt64(size - length)
                : (random.NextInt64(1, size / SeekableFormat.FrameLength) * SeekableFormat.FrameLength) - random.Next(1, length);
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
        await using var reader = Assert.IsType<CompressedReader>(
            await ObjectInput.OpenAsync(Store, "few", Decompress.Auto, ReadOptions.Default, None));
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
            var part = new byte[random.Next(4) == 0
                    ? random.Next(raw.Length - offset)
                    : random.Next(Math.Min(100_000, raw.Length - offset))];
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
        await SafetensorsObject.SaveAsync(
            Store, "slices", tensors, [LargeMemory.From(data.AsMemory())], null, true, 1, PutOptions.Default, NoProgress.Instance, None);
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
            await file.ReadSliceAsync(0, slice, LargeMemory.From(target.AsMemory()), NoProgress.Instance, None);
            Assert.InRange(reader.FramesDecoded - before, 0, most);
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < columns; column++)
                    Assert.Equal(data[((slice[0].Start + (row * slice[0].Step)) * SeekableFormat.FrameLength) + slice[1].Start
                                + (column * slice[1].Step)], target[(row * columns) + column]);
            }
        }
    }

    [Theory]
    [InlineData(0, 3000, 10)]
    [InlineData(5000, 0, 10)]
    [InlineData(5000, 3000, 0)]
    [InlineData(0, 0, 0)]
    public async Task Open_TableClaimsThatAFrameHoldsNothing_IsRefused(int first, int second, int third)
    {
        byte[] last = SmallObject.Frame(SmallObject.Text(10, 3));
        byte[] stored = SmallObject.WithTable(
            (SmallObject.Frame(SmallObject.Text(5000, 1)), first), (SmallObject.Frame(SmallObject.Text(3000, 2)), second), (last, third));
        Assert.Equal(ErrorKind.InvalidData, (await Assert.ThrowsAsync<StoreException>(() => OpenAsync(stored))).Kind);
    }

    [Theory]
    [InlineData("a skippable frame shorter than the table says", 40, 30)]
    [InlineData("a skippable frame longer than the table says", 40, 50)]
    [InlineData("bytes that are no frame", 40, -1)]
    [InlineData("bytes that are no frame, more than an empty one can have", 4000, -1)]
    [InlineData("fewer bytes than any frame has", 3, -1)]
    public async Task Open_EmptyFrameIsNone_IsRefused(string what, int content, int claimed)
    {
        Assert.NotEmpty(what);
        byte[] none = claimed < 0 ? SmallObject.Noise(content, 5) : SmallObject.Skippable(content, claimed);
        byte[] stored = SmallObject.WithTable(
            (SmallObject.Frame(SmallObject.Text(5000, 1)), 5000), (none, 0), (SmallObject.Frame(SmallObject.Text(3000, 2)), 3000));
        Assert.Equal(ErrorKind.InvalidData, (await Assert.ThrowsAsync<StoreException>(() => OpenAsync(stored))).Kind);
    }

    [Fact]
    public async Task Read_EmptyAndSkippableFramesBetween_GivesWhatTheOthersHold()
    {
        // more than one look's worth of them, one larger than a look
        byte[] empty = SmallObject.Frame([]), first = SmallObject.Text(5000, 1), second = SmallObject.Text(3000, 2);
        var none = Enumerable.Range(0, 4000).Select(i => (i % 3 == 0 ? SmallObject.Skippable(i % 50) : empty, 0)).ToArray();
        byte[] stored = SmallObject.WithTable(
            [.. none, (SmallObject.Frame(first), 5000), (SmallObject.Skippable(1 << 20), 0), (empty, 0), (SmallObject.Frame(second), 3000),
                .. none]);
        await using var reader = await OpenAsync(stored);
        Assert.Equal(8000, reader.Meta.Size);
        byte[] raw = new byte[8000];
        await reader.ReadAsync(0, raw, None);
        Assert.Equal([.. first, .. second], raw);
        foreach (var (offset, length) in new[] { (4999, 2), (0, 1), (7999, 1), (5000, 3000), (10, 7000) })
        {
            byte[] part = new byte[length];
            await reader.ReadAsync(offset, part, None);
            Assert.Equal(raw[offset..(offset + length)], part);
        }
    }

    [Fact]
    public void Check_ZstdHasNoMemory_IsOutOfMemoryAndNoFaultOfTheData()
    {
        Assert.Throws<InsufficientMemoryException>(
            () => Libzstd.Check(Libzstd.MemoryError, static reason => new CompressionException(reason)));
        Assert.Contains("memory", Libzstd.Describe(Libzstd.MemoryError), StringComparison.Ordinal);
    }

    static async Task<CompressedReader> OpenAsync(byte[] stored)
    {
        string key = $"foreign-{Guid.NewGuid():n}.zst";
        await Store.PutAsync(key, new Payload(stored), PutOptions.Default, null, None);
        return Assert.IsType<CompressedReader>(await ObjectInput.OpenAsync(Store, key, Decompress.Auto, ReadOptions.Default, None));
    }

    static async Task SaveAsync(string key, byte[] raw)
    {
        await using var output = await ObjectOutput.OpenAsync(Store, key, 1, PutOptions.Default, None);
        await output.WriteAsync(LargeMemory.From(raw.AsMemory()), null, None);
        await output.CompleteAsync(None);
    }
}
