using S3dlio.IO;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Log;

/// <summary>
/// Random work on a log beside a plain list that says what the log must hold: the oracle of the crash tests. Everything follows from the
/// seed.
/// </summary>
sealed class LogModel(int seed)
{
    public const string Place = "/d/log";

    static readonly LogOptions Options = new() { SegmentSize = LogOptions.LeastSegment, BufferSize = 4096 };

    readonly Random _random = new(seed);

    /// <summary>Every record ever appended, also those that a crash took; cut back to what a recovery kept.</summary>
    public List<byte[]> Records { get; } = [];

    /// <summary>Numbers at which a batch begins and ends.</summary>
    readonly List<(int First, int End)> _batches = [];

    /// <summary>Records below it were acknowledged.</summary>
    public int Acknowledged { get; private set; }

    /// <summary>Where the log must begin, and where it may begin since a truncation was under way.</summary>
    public (long Least, long Most) Begin { get; private set; }

    public LogWriter? Writer { get; private set; }

    public static SimulatedDisk NewDisk()
    {
        var disk = new SimulatedDisk();
        disk.CreateDirectory("/d");
        return disk;
    }

    /// <summary>Opens or makes the log and compares it with the list.</summary>
    public void Open(Disk disk, OnDamage onDamage = OnDamage.Raise)
    {
        Writer = LogWriter.Open(
            disk, Place, Options with { OnDamage = onDamage, Alignment = seed % 5 == 0 ? 512 : 8, Compression = seed % 7 == 0 ? 1 : 0 });
        Check(Writer);
    }

    /// <summary>What was acknowledged is there and equal; what is there was appended; batches are whole.</summary>
    public void Check(RecordLog log)
    {
        long end = log.Committed, begin = log.Begin;
        Assert.InRange(begin, Begin.Least, Begin.Most);
        Assert.InRange(end, Math.Max(Acknowledged, begin), Records.Count);
        Assert.All(_batches, batch => Assert.True(end <= batch.First || end >= batch.End, $"batch {batch} is cut at {end}"));
        var plan = log.Plan(begin, long.MaxValue, long.MaxValue, false);
        Assert.Equal(end - begin, plan.Numbers.Count);
        var data = new byte[plan.Length];
        plan.Read(data, CancellationToken.None);
        long start = 0;
        for (int i = 0; i < plan.Numbers.Count; i++)
        {
            Assert.Equal(begin + i, plan.Numbers[i]);
            var found = data.AsSpan((int)start, (int)(plan.Ends[i] - start));
            Assert.True(found.SequenceEqual(Records[(int)begin + i]), $"record {begin + i} differs");
            start = plan.Ends[i];
        }
        // what recovery kept is durable, what it did not keep never comes back
        Records.RemoveRange((int)end, Records.Count - (int)end);
        _batches.RemoveAll(batch => batch.First >= end);
        Acknowledged = (int)end;
        Begin = (begin, begin);
    }

    public void Step(Disk disk)
    {
        switch (_random.Next(12))
        {
            case < 5:
                var record = Bytes();
                Records.Add(record);
                Assert.Equal(Records.Count - 1, Writer!.Append(record));
                break;
            case 5 or 6:
                Batch();
                break;
            case 7 or 8 or 9:
                int count = Records.Count;
                Assert.Equal(count, Writer!.Commit());
                Acknowledged = count;
                break;
            case 10 when Acknowledged > 0:
                long number = _random.Next(Acknowledged + 1);
                Begin = (Begin.Least, Math.Max(Begin.Most, number));
                long begin = Writer!.Truncate(number);
                Assert.Equal(Begin.Most, begin);
                Begin = (begin, begin);
                break;
            case 11 when _random.Next(3) == 0:
                Writer!.Close();
                Acknowledged = Records.Count;
                Open(disk);
                break;
        }
    }

    void Batch()
    {
        int count = _random.Next(1, 6);
        List<long> ends = [];
        using var all = new MemoryStream();
        int first = Records.Count;
        for (int i = 0; i < count; i++)
        {
            var record = Bytes();
            all.Write(record);
            ends.Add(all.Length);
            Records.Add(record);
        }
        _batches.Add((first, first + count));
        Assert.Equal(first, Writer!.AppendBatch(all.ToArray(), ends.ToArray()));
    }

    byte[] Bytes()
    {
        // sizes around the sector, the buffer and nothing at all
        int length = _random.Next(10) switch { 0 => 0, 1 => 512, 2 => _random.Next(3000, 9000), _ => _random.Next(1, 400) };
        var bytes = new byte[length];
        if (seed % 7 != 0 || _random.Next(3) == 0)
            _random.NextBytes(bytes);
        else
            bytes.AsSpan().Fill((byte)_random.Next(256));
        return bytes;
    }
}
