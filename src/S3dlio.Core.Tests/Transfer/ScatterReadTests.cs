using S3dlio.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Transfer;

public class ScatterReadTests
{
    static readonly TransferHints Hints = new(PartSize: 1000, Concurrency: 4, Gap: 50);

    static LargeReadRange At(long offset, int length) => new(offset, LargeMemory.From(new byte[length].AsMemory()));

    [Fact]
    public void Plan_RandomStretches_CoverEachOnceInTurnsWithinAPart()
    {
        var random = new Random(7);
        for (int round = 0; round < 500; round++)
        {
            var ranges = Enumerable.Range(0, random.Next(1, 30)).Select(_ => At(random.Next(5000), random.Next(2500))).ToArray();
            var turns = ScatterRead.Plan(ranges, Hints);
            var reached = new long[ranges.Length];
            foreach (var turn in turns)
            {
                long begin = ranges[turn[0].Range].Offset + turn[0].Start, end = begin;
                foreach (var piece in turn)
                {
                    Assert.Equal(reached[piece.Range], piece.Start);
                    Assert.True(piece.Length > 0);
                    reached[piece.Range] += piece.Length;
                    long offset = ranges[piece.Range].Offset + piece.Start;
                    Assert.InRange(offset - end, 0, Hints.Gap);
                    end = offset + piece.Length;
                }
                Assert.True(end - begin <= Hints.PartSize);
            }
            Assert.Equal(ranges.Select(range => range.Target.Length), reached);
        }
    }

    [Fact]
    public void Plan_Neighbours_AreOneTurn()
    {
        var turn = Assert.Single(ScatterRead.Plan([At(100, 200), At(0, 100), At(340, 60)], Hints));
        Assert.Equal([1, 0, 2], turn.Select(piece => piece.Range));
    }

    [Fact]
    public void Plan_TooFarApartOrOverlapping_AreTurnsOfTheirOwn() =>
        Assert.Equal(3, ScatterRead.Plan([At(0, 100), At(151, 100), At(160, 10)], Hints).Count);
}
