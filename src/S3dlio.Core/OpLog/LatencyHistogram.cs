using System.Numerics;

namespace S3dlio.OpLog;

/// <summary>
/// Times in buckets whose width is a fixed part of their value, as HDR histograms have them: a sixty-fourth by default, so that any
/// percentile is known to 1.6%, in some 30 KB, whatever the number of values. For one thread at a time.
/// </summary>
public sealed class LatencyHistogram
{
    readonly int _bits;
    readonly long[] _counts;
    double _sum;

    /// <param name="bits">Buckets are one of 2^bits parts of their value wide.</param>
    public LatencyHistogram(int bits = 6) => (_bits, _counts) = (bits, new long[(64 - bits) << bits]);

    public long Count { get; private set; }

    public long Max { get; private set; }

    public long Min { get; private set; } = long.MaxValue;

    public double Mean => Count == 0 ? 0 : _sum / Count;

    /// <summary>Adds a value; what is below zero counts as zero.</summary>
    public void Add(long value)
    {
        value = Math.Max(0, value);
        _counts[Index(value)]++;
        Count++;
        _sum += value;
        Max = Math.Max(Max, value);
        Min = Math.Min(Min, value);
    }

    /// <summary>Adds the values of another one of the same width.</summary>
    public void Add(LatencyHistogram other)
    {
        for (int i = 0; i < _counts.Length; i++)
            _counts[i] += other._counts[i];
        Count += other.Count;
        _sum += other._sum;
        Max = Math.Max(Max, other.Max);
        Min = Math.Min(Min, other.Min);
    }

    /// <summary>The value that so many percent do not exceed; 0 where there are none.</summary>
    public long Percentile(double percent)
    {
        if (Count == 0)
            return 0;
        long wanted = Math.Max(1, (long)Math.Ceiling(percent / 100 * Count));
        for (int i = 0; i < _counts.Length; i++)
        {
            wanted -= _counts[i];
            if (wanted <= 0)
                return Math.Clamp(Upper(i), Min, Max);
        }
        return Max;
    }

    int Index(long value)
    {
        int shift = Math.Max(0, 63 - BitOperations.LeadingZeroCount((ulong)value) - _bits);
        return (shift << _bits) + (int)(value >> shift);
    }

    long Upper(int index)
    {
        int shift = Math.Max(0, (index >> _bits) - 1);
        long value = index - ((long)shift << _bits);
        return ((value + 1) << shift) - 1;
    }
}
