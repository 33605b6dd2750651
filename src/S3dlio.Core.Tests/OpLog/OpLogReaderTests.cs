using S3dlio.OpLog;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.OpLog;

/// <summary>Logs as other programs write them.</summary>
public sealed class OpLogReaderTests : IDisposable
{
    readonly string _path = Path.Combine(Path.GetTempPath(), $"s3dlio-{Guid.NewGuid():n}.tsv");

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Original_ThreadHashesAndItsWords_AreRead()
    {
        var row = Assert.Single(Read("""
            idx	thread	op	client_id	n_objects	bytes	endpoint	file	error	start	first_byte	end	duration_ns
            0	13838059845678392712	GET_RANGE	c	1	4096	s3://bucket	bucket/key		2026-06-30T10:00:00.000000001Z		2026-06-30T10:00:00.000000101Z	100

            """));
        Assert.Equal(("GET", 4096L, 100L, "bucket/key"), (row.Op, row.Bytes, row.Duration, row.File));
        Assert.InRange(row.Thread, 0, 65535);
        Assert.Equal(1, row.Start % 1_000_000_000);
    }

    [Fact]
    public void Warp_ItsFurtherColumnsAndCommentsAtTheEnd_ArePassedOver()
    {
        var rows = Read(""""
            idx	thread	op	client_id	n_objects	bytes	endpoint	file	error	start	first_byte	last_byte	end	duration_ns	cat
            7	3	PUT	x	1	10	http://host:9000	key/a		2026-01-02T03:04:05+01:00		2026-01-02T03:04:06+01:00	2026-01-02T03:04:06+01:00	1000000000	0
            8	3	GET	x	1	10	http://host:9000	"key ""b"""	"failed	badly"	2026-01-02T03:04:05.5Z	2026-01-02T03:04:05.6Z		2026-01-02T03:04:06Z	500000000	0
            # warp (v1)
            # "command": 1
            """");
        Assert.Equal(2, rows.Count);
        Assert.Equal(("key \"b\"", "failed\tbadly", 500_000_000L), (rows[1].File, rows[1].Error, rows[1].Duration));
        Assert.Equal(100_000_000, rows[1].FirstByte - rows[1].Start);
        Assert.Equal(3600L * 1_000_000_000, rows[1].Start - rows[0].Start - 500_000_000);
        Assert.Equal("s3://key/a", RemapRules.Address(rows[0]));
    }

    [Theory]
    [InlineData("op,start,end,bytes\nget,2026-01-02T03:04:05Z,2026-01-02T03:04:06Z,5\n")]
    [InlineData("OPERATION\tT_START\tDURATION_NS\tBYTES\nGET\t2026-01-02T03:04:05Z\t1000000000\t5\n")]
    [InlineData("{\"op\":\"GET\",\"start\":\"2026-01-02T03:04:05Z\",\"end\":\"2026-01-02T03:04:06Z\",\"bytes\":5,\"error\":null}\n\n")]
    [InlineData("\n# comment\nop\tstart\tend\tbytes\r\nGET\t2026-01-02T03:04:05Z\t2026-01-02T03:04:06Z\t5\r\n")]
    public void Forms_OfOneRow_SayTheSame(string text)
    {
        var row = Assert.Single(Read(text));
        Assert.Equal(("GET", 5L, 1_000_000_000L, 1L), (row.Op, row.Bytes, row.Duration, row.Objects));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\tb\n1\t2\n")]
    [InlineData("op\tstart\nGET\tyesterday\n")]
    [InlineData("op\tstart\nGET\t2026-13-02T03:04:05Z\n")]
    [InlineData("{\"op\":1")]
    public void NoLog_IsToldSo(string text) => Assert.Equal(ErrorKind.InvalidData, Assert.Throws<StoreException>(() => Read(text)).Kind);

    [Fact]
    public void Missing_IsNotFound() => Assert.Equal(ErrorKind.NotFound, Assert.Throws<StoreException>(() => new OpLogReader("/nowhere/at/all")).Kind);

    [Fact]
    public void CutInAnyPlace_GivesARunOfWholeRows()
    {
        string whole = _path + ".zst";
        using (var log = new OpLogWriter(whole, 1, "test"))
        {
            for (int i = 0; i < 5000; i++)
                log.Append(new OpRecord { Op = "GET", Start = i, End = i + 1, File = $"some/key/{i}", Bytes = i });
        }
        byte[] bytes = File.ReadAllBytes(whole);
        File.Delete(whole);
        var random = new Random(1);
        for (int turn = 0; turn < 50; turn++)
        {
            File.WriteAllBytes(_path, bytes.AsSpan(0, random.Next(30, bytes.Length)));
            var rows = new List<OpRecord>();
            try
            {
                using var log = new OpLogReader(_path);
                while (log.Read(out var row))
                    rows.Add(row);
            }
            catch (StoreException error) when (error.Kind == ErrorKind.InvalidData && rows.Count == 0)
            {
                // not even a header was there
            }
            Assert.Equal(Enumerable.Range(0, rows.Count).Select(i => (long)i), rows.Select(row => row.Bytes));
        }
    }

    List<OpRecord> Read(string text)
    {
        File.WriteAllText(_path, text);
        using var log = new OpLogReader(_path);
        var rows = new List<OpRecord>();
        while (log.Read(out var row))
            rows.Add(row);
        return rows;
    }
}
