using System.Globalization;
using S3dlio.Hashing;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Hashing;

public class BlockChecksumsTests
{
    static byte[] Data(int length)
    {
        var data = new byte[length];
        new Random(length).NextBytes(data);
        return data;
    }

    [Theory]
    [InlineData(0, 3 << 20)]
    [InlineData(1, (3 << 20) + 7)]
    [InlineData(300_000, 2 << 20)]
    [InlineData(262_144, 40 << 20)]
    public void DigestBlocks_HeadAndSegments_AreThoseOfTheBytes(int head, int body)
    {
        var (front, data) = (Data(head), Data(body));
        LargeMemory[] segments =
            [LargeMemory.From(data.AsMemory(0, 5)), LargeMemory.From(data.AsMemory(5, 1 << 20)),
                LargeMemory.From(data.AsMemory(5 + (1 << 20)))];
        var payload = new Payload(head, _ => front, segments);
        byte[] whole = [.. front, .. data];
        var (digest, blocks) = payload.DigestBlocks(CancellationToken.None);
        Assert.NotNull(blocks);
        Assert.Equal(Checksum.Of(whole), digest.Checksum);
        Assert.Equal(whole.Length, blocks.Size);
        for (int i = 0; i < blocks.Count; i++)
            Assert.Equal(Checksum.Of(whole.AsSpan((int)blocks.Begin(i), (int)(blocks.End(i) - blocks.Begin(i)))), blocks[i]);
        Assert.InRange(blocks.Count, 2, 65);
        Assert.Equal(blocks, BlockChecksums.Parse(blocks.ToString(), whole.Length));
    }

    [Fact]
    public void ToString_Runs_AreCounted()
    {
        var blocks = BlockChecksums.Of([(4, new Checksum(1)), (4, new Checksum(2)), (9, new Checksum(0xFFFFFFFF))]);
        Assert.Equal("4*2,9;AAAAAQAAAAL/////", blocks.ToString());
    }

    [Theory]
    [InlineData("4*2,9;AAAAAQAAAAL/////", 17, true)]
    [InlineData("4*2,9;AAAAAQAAAAL/////", 18, false)]
    [InlineData("4*2,9;AAAAAQAAAAL/////", 16, false)]
    [InlineData("4*3,9;AAAAAQAAAAL/////", 21, false)]
    [InlineData("4*2,9;AAAAAQAAAAL////", 17, false)]
    [InlineData("4*2,-9;AAAAAQAAAAL/////", -1, false)]
    [InlineData("0*2,17;AAAAAQAAAAL/////", 17, false)]
    [InlineData("1*2000000000;AAAAAQ==", 2000000000, false)]
    [InlineData("9223372036854775807*2,2;AAAAAQAAAAL/////", 0, false)]
    [InlineData("", 0, false)]
    [InlineData(";", 0, false)]
    [InlineData("nonsense", 8, false)]
    public void Parse_AnyText_IsReadOrRefused(string text, long size, bool valid) =>
        Assert.Equal(valid, BlockChecksums.Parse(text, size) is not null);

    [Fact]
    public void At_EveryEdge_IsTheBlockThatHoldsTheByte()
    {
        var blocks = BlockChecksums.Of([(1, default), (3, default), (2, default)]);
        Assert.Equal([0, 1, 1, 1, 2, 2], Enumerable.Range(0, 6).Select(offset => blocks.At(offset)));
    }

    [Fact]
    public void Join_ManyStretches_FewBlocks()
    {
        var ranges = Enumerable.Range(0, 5000).Select(i => ((long)(i % 7) * 100_000, new Checksum((uint)i))).ToList();
        var blocks = BlockChecksums.Join(ranges);
        Assert.NotNull(blocks);
        Assert.InRange(blocks.Count, 32, 65);
        Assert.Equal(ranges.Sum(range => range.Item1), blocks.Size);
        Assert.True(blocks.ToString().Length < 1500, blocks.ToString().Length.ToString(CultureInfo.InvariantCulture));
        Assert.Null(BlockChecksums.Join([(1000, default)]));
    }
}
