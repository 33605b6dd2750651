using System.Diagnostics;

namespace S3dlio.OpLog;

/// <summary>Nanoseconds since 1970 that never go back: a wall clock read once, then counted on.</summary>
public static class OpClock
{
    static readonly long Begun = Stopwatch.GetTimestamp();
    static readonly long Wall = (DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100;
    static readonly double Scale = 1e9 / Stopwatch.Frequency;

    public static long Now => Wall + (long)((Stopwatch.GetTimestamp() - Begun) * Scale);
}
