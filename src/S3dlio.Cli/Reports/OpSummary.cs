using S3dlio.OpLog;

namespace S3dlio.Cli.Reports;

/// <summary>What a log comes to: counts, bytes and latencies by operation and size, failures by kind, and all of it over time.</summary>
sealed class OpSummary
{
    /// <summary>Classes of size: the largest of each.</summary>
    static readonly (string Name, long Most)[] Sizes =
    [
        ("0", 0), ("1 B-8 KiB", 8L << 10), ("8-64 KiB", 64L << 10), ("64 KiB-1 MiB", 1L << 20), ("1-8 MiB", 8L << 20),
            ("8-64 MiB", 64L << 20), ("64 MiB-1 GiB", 1L << 30), (">1 GiB", long.MaxValue),
    ];

    readonly long _skip;
    readonly SortedDictionary<(string Op, int Size), Group> _groups = [];
    readonly Dictionary<string, long> _failures = new(StringComparer.Ordinal);
    long _first = long.MaxValue, _last, _begin;

    /// <param name="skip">Nanoseconds of the beginning that do not count.</param>
    public OpSummary(long skip = 0) => _skip = skip;

    public sealed class Group
    {
        public LatencyHistogram Latency { get; } = new();

        public LatencyHistogram FirstByte { get; } = new();

        public long Objects { get; set; }

        public long Bytes { get; set; }

        public long Errors { get; set; }

        public long Count => Latency.Count + Errors;
    }

    public long Rows { get; private set; }

    /// <summary>From the first start to the last end.</summary>
    public double Seconds => Rows == 0 ? 0 : Math.Max(1e-9, (_last - _first) / 1e9);

    public Timeline Timeline { get; } = new();

    public IEnumerable<(string Op, string Size, Group Group)> Groups =>
        _groups.Select(static one => (one.Key.Op, Sizes[one.Key.Size].Name, one.Value));

    /// <summary>Kinds of errors, the most frequent first.</summary>
    public IEnumerable<(string Kind, long Count)> Failures =>
        _failures.OrderByDescending(static one => one.Value).Select(static one => (one.Key, one.Value));

    /// <summary>Latencies of an operation, whatever the size.</summary>
    public SortedDictionary<string, LatencyHistogram> Latencies()
    {
        var all = new SortedDictionary<string, LatencyHistogram>(StringComparer.Ordinal);
        foreach (var ((op, _), group) in _groups)
        {
            if (!all.TryGetValue(op, out var latency))
                all[op] = latency = new LatencyHistogram();
            latency.Add(group.Latency);
        }
        return all;
    }

    public void Add(OpRecord row)
    {
        _begin = _begin == 0 ? row.Start : _begin;
        // rows come in the order of their ends: an early one may have begun before the first
        if (_skip > 0 && row.Start - _begin < _skip)
            return;
        Rows++;
        _first = Math.Min(_first, row.Start);
        _last = Math.Max(_last, row.End);
        Timeline.Add(row);
        int size = Array.FindIndex(Sizes, known => row.Bytes <= known.Most);
        if (!_groups.TryGetValue((row.Op, size), out var group))
            _groups[(row.Op, size)] = group = new Group();
        group.Objects += row.Objects;
        if (row.Error.Length > 0)
        {
            group.Errors++;
            string kind = row.Error.Split(':')[0];
            _failures[kind] = _failures.GetValueOrDefault(kind) + 1;
            return;
        }
        group.Bytes += row.Bytes;
        group.Latency.Add(row.Duration);
        if (row.FirstByte is { } byteTime)
            group.FirstByte.Add(byteTime - row.Start);
    }
}
