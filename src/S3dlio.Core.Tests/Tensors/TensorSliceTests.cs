using System.Runtime.InteropServices;
using S3dlio.Storage;
using S3dlio.Tensors;
using Xunit;

namespace S3dlio.Tests.Tensors;

public sealed class TensorSliceTests
{
    const string Uri = "mem://b/t";
    const long Large = 1 << 20;

    /// <summary>The result, taken element by element as NumPy's indexing defines it.</summary>
    static byte[] Oracle(byte[] tensor, long[] shape, int itemSize, DimSlice[] slices)
    {
        var result = new List<byte>();
        void Take(int d, long element)
        {
            if (d == shape.Length)
            {
                result.AddRange(tensor.AsSpan((int)element * itemSize, itemSize));
                return;
            }
            (long start, long stop, long step) = slices[d];
            for (Int128 i = start; step > 0 ? i < stop : i > stop; i += step)
                Take(d + 1, element * shape[d] + (long)i);
        }
        Take(0, 0);
        return result.ToArray();
    }

    static byte[] ReadAll(TensorSlice slice, byte[] tensor, long maxGap, long maxRange, out int ranges)
    {
        byte[] result = new byte[slice.ResultLength];
        ranges = 0;
        long end = -maxGap - 1, run = 0;
        foreach (SliceRange range in slice.Ranges())
        {
            ranges++;
            Assert.InRange(range.Offset, end, tensor.Length - range.Length);
            Assert.True(range.RunCount == 1 || range.Length <= maxRange, $"{range} is longer than {maxRange}");
            Assert.Equal(run, range.FirstRun);
            (end, run) = (range.Offset + range.Length, range.FirstRun + range.RunCount);
            ReadOnlySpan<byte> data = tensor.AsSpan((int)range.Offset, (int)range.Length);
            if (range.IsDirect)
                data.CopyTo(result.AsSpan((int)slice.ResultOffset(range)));
            else
                slice.Gather(range, data, result);
        }
        return result;
    }

    [Fact]
    public void Gather_RandomSlices_EqualTheNaiveCopy()
    {
        var random = new Random(20260721);
        for (int round = 0; round < 20_000; round++)
        {
            int rank = random.Next(0, 6);
            int itemSize = random.Next(5) switch { 0 => 1, 1 => 2, 2 => 4, 3 => 8, _ => random.Next(1, 20) };
            long[] shape = [.. Enumerable.Range(0, rank).Select(_ => (long)random.Next(random.Next(8) == 0 ? 0 : 1, 7))];
            DimSlice[] slices = [.. shape.Select(n => RandomSlice(random, n))];
            byte[] tensor = new byte[shape.Aggregate((long)itemSize, (a, b) => a * b)];
            random.NextBytes(tensor);
            long maxGap = random.Next(4) switch { 0 => 0, 1 => long.MaxValue / 2, _ => random.Next(0, 200) };
            long maxRange = random.Next(3) == 0 ? random.Next(1, 400) : Large;

            TensorSlice slice = TensorSlice.Plan(shape, itemSize * 8, slices, maxGap, maxRange, Uri);
            byte[] result = ReadAll(slice, tensor, maxGap, maxRange, out _);

            Assert.Equal(slices.Select(s => s.Count), slice.ResultShape);
            Assert.True(Oracle(tensor, shape, itemSize, slices).AsSpan().SequenceEqual(result),
                $"round {round}: shape {string.Join(',', shape)} of {itemSize}, slices {string.Join(' ', slices)}, gap {maxGap}, range "
                + $"{maxRange}");
        }
    }

    static DimSlice RandomSlice(Random random, long length)
    {
        switch (random.Next(6))
        {
            case 0 or 1:
                return DimSlice.All(length);
            case 2 when length > 0:
                long at = random.NextInt64(length);
                return new DimSlice(at, at + 1, 1);
            case 3 or 4:
                long step = random.Next(5) == 0 ? long.MinValue : -random.Next(1, 4);
                return new DimSlice(random.NextInt64(-1, length), random.NextInt64(-1, length), step);
            default:
                return new DimSlice(
                    random.NextInt64(length + 1), random.NextInt64(length + 1), random.Next(5) == 0 ? long.MaxValue : random.Next(1, 4));
        }
    }

    [Fact]
    public void Gather_ThroughAReference_EqualsTheSpan()
    {
        byte[] tensor = [.. Enumerable.Range(0, 60).Select(i => (byte)i)];
        DimSlice[] slices = [new(4, -1, -2), new(1, 10, 3)];
        TensorSlice slice = TensorSlice.Plan([5, 12], 8, slices, Large, Large, Uri);
        SliceRange range = Assert.Single(slice.Ranges());
        byte[] result = new byte[9];

        slice.Gather(range, tensor.AsSpan((int)range.Offset, (int)range.Length), ref MemoryMarshal.GetArrayDataReference(result), 9);

        Assert.Equal([49, 52, 55, 25, 28, 31, 1, 4, 7], result);
    }

    static SliceRange[] Ranges(long[] shape, DimSlice[] slices, long maxGap, long maxRange) =>
        [.. TensorSlice.Plan(shape, 32, slices, maxGap, maxRange, Uri).Ranges()];

    [Fact]
    public void Ranges_WholeTensor_IsOneDirectRange() =>
        Assert.Equal([new SliceRange(0, 4L << 40, 0, 1)], Ranges([1 << 20, 1 << 20], [DimSlice.All(1 << 20), DimSlice.All(1 << 20)], 0, 1));

    [Fact]
    public void Ranges_RowsOfAMatrix_AreOneDirectRange() =>
        Assert.Equal([new SliceRange(400, 800, 0, 1)], Ranges([100, 100], [new(1, 3, 1), DimSlice.All(100)], 0, 1));

    [Fact]
    public void Ranges_GapUpToTheLimit_IsReadOver()
    {
        DimSlice[] column = [DimSlice.All(3), new(0, 1, 1)];

        Assert.Equal([new SliceRange(0, 84, 0, 3)], Ranges([3, 10], column, 36, 84));
        Assert.Equal([new SliceRange(0, 4, 0, 1), new SliceRange(40, 4, 1, 1), new SliceRange(80, 4, 2, 1)],
            Ranges([3, 10], column, 35, 84));
        Assert.Equal([new SliceRange(0, 44, 0, 2), new SliceRange(80, 4, 2, 1)], Ranges([3, 10], column, 36, 83));
    }

    [Fact]
    public void Ranges_AcrossTheEndOfARow_AreJoined() =>
        // the last column and the next row's first are neighbours, the first and the last of a row are not
        Assert.Equal([new SliceRange(0, 4, 0, 1), new SliceRange(396, 8, 1, 2), new SliceRange(796, 4, 3, 1)],
            Ranges([2, 100], [DimSlice.All(2), new(0, 100, 99)], 0, Large));

    [Fact]
    public void Ranges_ABillionPieces_ComeInFewRangesAndNoMemory()
    {
        const long Rows = 1_000_000_000;
        TensorSlice slice = TensorSlice.Plan([Rows, 4], 32, [DimSlice.All(Rows), new(1, 2, 1)], 4096, 8 << 20, Uri);
        long before = GC.GetAllocatedBytesForCurrentThread();

        long ranges = 0, runs = 0;
        foreach (SliceRange range in slice.Ranges())
        {
            ranges++;
            runs += range.RunCount;
        }

        Assert.Equal(Rows, runs);
        Assert.Equal(1908, ranges);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000);
    }

    [Fact]
    public void Ranges_ABillionFarPieces_ComeOneByOne()
    {
        const long Rows = 1_000_000_000;
        TensorSlice slice = TensorSlice.Plan([Rows, 1 << 20], 8, [DimSlice.All(Rows), new(5, 6, 1)], 4096, 8 << 20, Uri);

        Assert.Equal([new SliceRange(5, 1, 0, 1), new SliceRange(5 + (1 << 20), 1, 1, 1)], slice.Ranges().Take(2));
    }

    [Fact]
    public void Plan_NothingTaken_NeedsNoRead()
    {
        TensorSlice slice = TensorSlice.Plan([3, 4], 32, [DimSlice.All(3), new(2, 2, 1)], 0, Large, Uri);

        Assert.Equal(0, slice.ResultLength);
        Assert.Equal([3, 0], slice.ResultShape);
        Assert.Empty(slice.Ranges());
    }

    [Fact]
    public void Plan_SubByteElements_AreTakenWhole()
    {
        TensorSlice slice = TensorSlice.Plan([3, 4], 4, [DimSlice.All(3), DimSlice.All(4)], 0, Large, Uri);

        Assert.Equal([new SliceRange(0, 6, 0, 1)], slice.Ranges());
        Assert.Equal(6, slice.ResultLength);
    }

    public static TheoryData<long[], int, DimSlice[], string> Refused => new()
    {
        { [3], 32, [], "expected one slice for each of 1 dimensions, found 0" },
        { [3], 32, [new(0, 4, 1)], "expected slice.indices of dimension 0, which has length 3, found start 0, stop 4, step 1" },
        { [3], 32, [new(0, 3, 0)], "found start 0, stop 3, step 0" },
        { [3], 32, [new(-1, 3, 1)], "found start -1, stop 3, step 1" },
        { [3], 32, [new(3, -1, -1)], "found start 3, stop -1, step -1" },
        { [3], 32, [new(2, -2, -1)], "found start 2, stop -2, step -1" },
        { [4], 4, [new(0, 2, 1)], "expected a tensor of 4-bit elements to be taken whole, found a slice of dimension 0" },
        { [4], 4, [new(3, -1, -1)], "expected a tensor of 4-bit elements to be taken whole" },
        { [3], 4, [DimSlice.All(3)], "expected a whole number of bytes, found 12 bits" },
        { [1L << 32, 1L << 32], 8, [DimSlice.All(1L << 32), DimSlice.All(1L << 32)], "expected fewer than 2^63 bits" },
        { [3], 0, [DimSlice.All(3)], "expected elements of 1 bit or more, found 0" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Plan_WrongArguments_AreRefused(long[] shape, int itemBits, DimSlice[] slices, string expected)
    {
        StoreException e = Assert.Throws<StoreException>(() => TensorSlice.Plan(shape, itemBits, slices, 0, Large, Uri));

        Assert.Equal(ErrorKind.InvalidArgument, e.Kind);
        Assert.Contains(expected, e.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Gather_ForeignRangeOrShortMemory_IsRefused()
    {
        TensorSlice slice = TensorSlice.Plan([4, 4], 32, [DimSlice.All(4), new(0, 4, 2)], Large, Large, Uri);
        SliceRange range = Assert.Single(slice.Ranges());
        byte[] data = new byte[range.Length];

        void Refused(SliceRange r, int dataLength, int resultLength) => Assert.Equal(ErrorKind.InvalidArgument,
            Assert.Throws<StoreException>(() => slice.Gather(r, new byte[dataLength], new byte[resultLength])).Kind);

        Refused(range, data.Length - 1, 32);
        Refused(range, data.Length, 31);
        Refused(range with { RunCount = 9 }, data.Length, 32);
        Refused(range with { FirstRun = -1 }, data.Length, 32);
        Refused(range with { FirstRun = 7, RunCount = long.MaxValue }, data.Length, 32);
        Refused(range with { Offset = 4 }, data.Length, 32);
        Refused(range with { Length = 4 }, 4, 32);
        slice.Gather(range, data, new byte[32]);
    }
}
