namespace S3dlio.Log;

/// <summary>What a log did since it was opened here, and how large it is.</summary>
public readonly record struct LogStatistics
{
    public long Begin { get; init; }

    public long End { get; init; }

    public long Committed { get; init; }

    public int Segments { get; init; }

    /// <summary>Bytes that the segments occupy on the device.</summary>
    public long DiskBytes { get; init; }

    /// <summary>Records and their bytes that are in no file yet.</summary>
    public long BufferedRecords { get; init; }

    public long BufferedBytes { get; init; }

    /// <summary>Records appended, and their bytes.</summary>
    public long Appended { get; init; }

    public long AppendedBytes { get; init; }

    /// <summary>Frames written, and their bytes with tables and padding.</summary>
    public long Frames { get; init; }

    public long FrameBytes { get; init; }

    /// <summary>Flushes of commits: fewer than commits where threads share one.</summary>
    public long Flushes { get; init; }

    public long FlushNanoseconds { get; init; }

    public long SlowestFlushNanoseconds { get; init; }

    /// <summary>Segments that were ended.</summary>
    public long Rolls { get; init; }

    /// <summary>Records that were truncated.</summary>
    public long Truncated { get; init; }
}
