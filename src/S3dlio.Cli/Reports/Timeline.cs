using S3dlio.OpLog;

namespace S3dlio.Cli.Reports;

/// <summary>
/// What operations did over time, in intervals of one width: 1 ms at first, doubled whenever there would be more than 512, so that memory
/// does not grow with the log.
/// </summary>
sealed class Timeline
{
    /// <summary>Latencies of an interval are known to 12.5%: percentiles of it are drawn, not printed.</summary>
    const int MostIntervals = 512, LatencyBits = 3;

    readonly SortedDictionary<string, List<Interval>> _ops = new(StringComparer.Ordinal);
    long _begin = -1;

    /// <summary>Nanoseconds of an interval.</summary>
    public long Width { get; private set; } = 1_000_000;

    public IReadOnlyDictionary<string, List<Interval>> Ops => _ops;

    public sealed class Interval
    {
        public long Operations { get; set; }

        public double Bytes { get; set; }

        public LatencyHistogram? Latency { get; set; }

        public void Add(Interval other)
        {
            Operations += other.Operations;
            Bytes += other.Bytes;
            if (other.Latency is not null)
                (Latency ??= new LatencyHistogram(LatencyBits)).Add(other.Latency);
        }
    }

    /// <summary>Counts a row where it ended, and its bytes where they went over: evenly from its start to its end.</summary>
    public void Add(OpRecord row)
    {
        if (_begin < 0)
            _begin = row.Start;
        long end = Math.Max(0, row.End - _begin), start = Math.Clamp(row.Start - _begin, 0, end);
        while (end / Width >= MostIntervals)
            Halve();
        if (!_ops.TryGetValue(row.Op, out var intervals))
            _ops[row.Op] = intervals = [];
        int first = (int)(start / Width), last = (int)(end / Width);
        while (intervals.Count <= last)
            intervals.Add(new Interval());
        var ended = intervals[last];
        ended.Operations++;
        if (row.Error.Length > 0)
            return;
        (ended.Latency ??= new LatencyHistogram(LatencyBits)).Add(row.Duration);
        for (int i = first; i <= last; i++)
        {
            long from = Math.Max(start, i * Width), to = Math.Min(end, (i + 1) * Width);
            intervals[i].Bytes += start == end ? row.Bytes : row.Bytes * ((double)(to - from) / (end - start));
        }
    }

    void Halve()
    {
        foreach (string op in _ops.Keys.ToArray())
        {
            var before = _ops[op];
            var after = new List<Interval>((before.Count + 1) / 2);
            for (int i = 0; i < before.Count; i++)
            {
                if (i % 2 == 0)
                    after.Add(before[i]);
                else
                    after[^1].Add(before[i]);
            }
            _ops[op] = after;
        }
        Width *= 2;
    }
}
