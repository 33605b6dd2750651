using System.Runtime.CompilerServices;
using System.Text.Json;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Datasets;

public sealed class SampleOrderTests
{
    [Fact]
    public void Fill_VectorsOfTheReference_AreTheSame()
    {
        string file = Path.Combine(Path.GetDirectoryName(ThisFile())!, "../../../python/tests/order_vectors.json");
        using var vectors = JsonDocument.Parse(File.ReadAllText(file));
        Assert.True(vectors.RootElement.GetArrayLength() > 10);
        foreach (var one in vectors.RootElement.EnumerateArray())
        {
            long[] expected = [.. one.GetProperty("indices").EnumerateArray().Select(value => value.GetInt64())];
            long[] found = new long[expected.Length];
            new SampleOrder(one.GetProperty("samples").GetInt64(), one.GetProperty("seed").GetUInt64(), one.GetProperty("epoch").GetInt64(),
                one.GetProperty("block").GetInt64(), one.GetProperty("window").GetInt64()).Fill(one.GetProperty("first").GetInt64(), found);
            Assert.Equal(expected, found);
        }
    }

    [Fact]
    public void At_EveryLengthBlockAndWindow_GivesEachSampleOnce()
    {
        for (long samples = 1; samples <= 90; samples++)
        {
            foreach (long block in new[] { 0L, 1, 2, 7, 16, samples })
            {
                if (block > samples)
                    continue;
                foreach (long window in new[] { 1L, 2, 5, 1000 })
                {
                    long[] found = new long[samples];
                    new SampleOrder(samples, 7, samples, block, window).Fill(0, found);
                    Assert.Equal(Enumerable.Range(0, (int)samples).Select(i => (long)i), found.Order());
                }
            }
        }
    }

    [Fact]
    public void At_BlocksInAWindow_TouchesNoOthers()
    {
        const int samples = 1000, block = 10, window = 4;
        long[] found = new long[samples];
        new SampleOrder(samples, 3, 0, block, window).Fill(0, found);
        for (int i = 0; i < samples; i += block * window)
            Assert.Equal(window, found.Skip(i).Take(block * window).Select(index => index / block).Distinct().Count());
        // and the blocks of a window are not neighbours
        Assert.True(found.Take(block * window).Max() - found.Take(block * window).Min() > block * window);
    }

    [Fact]
    public void At_ManySeeds_SpreadsEverySampleEvenly()
    {
        const int samples = 12, seeds = 24_000;
        int[,] counts = new int[samples, samples];
        for (int seed = 0; seed < seeds; seed++)
        {
            var order = new SampleOrder(samples, (ulong)seed, 0, 0, 0);
            for (int position = 0; position < samples; position++)
                counts[position, order.At(position)]++;
        }
        double expected = seeds / (double)samples;
        double statistic = counts.Cast<int>().Sum(count => (count - expected) * (count - expected) / expected);
        // chi squared with 121 degrees of freedom: its mean is 121, and 1 in 100,000 exceeds 195
        Assert.InRange(statistic, 65, 195);
    }

    [Fact]
    public void Inverse_OfAt_IsTheSame()
    {
        foreach (long length in new[] { 1L, 2, 255, 256, 257, 1_000_003, (1L << 40) + 1 })
        {
            var permutation = new KeyedPermutation(length, 99);
            for (long value = 0; value < Math.Min(length, 500); value++)
                Assert.Equal(value, permutation.Inverse(permutation.At(value)));
        }
    }

    [Theory]
    [InlineData(0, 0, 0, 0)]
    [InlineData(-5, 0, 0, 0)]
    [InlineData(5, -1, 0, 0)]
    [InlineData(5, 0, -1, 1)]
    [InlineData(5, 0, 6, 1)]
    [InlineData(5, 0, 2, 0)]
    [InlineData(5, 0, 2, long.MaxValue)]
    public void Constructor_WhatCannotBe_IsRefused(long samples, long epoch, long block, long window) =>
        Assert.Equal(
            ErrorKind.InvalidArgument, Assert.Throws<StoreException>(() => new SampleOrder(samples, 1, epoch, block, window)).Kind);

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(9, 2)]
    [InlineData(long.MaxValue, 1)]
    public void Fill_BeyondTheEpoch_IsRefused(long first, int count) =>
        Assert.Equal(ErrorKind.InvalidArgument,
            Assert.Throws<StoreException>(() => new SampleOrder(10, 1, 0, 0, 0).Fill(first, new long[count])).Kind);

    static string ThisFile([CallerFilePath] string path = "") => path;
}
