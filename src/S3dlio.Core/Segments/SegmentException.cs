namespace S3dlio.Segments;

/// <summary>Why a file of the store cannot be used.</summary>
enum SegmentFault
{
    /// <summary>Bytes are not what was written.</summary>
    Damaged,

    /// <summary>A newer version of the library wrote it and says that this one cannot read it.</summary>
    Newer,

    /// <summary>It is no such file at all, or one of another store.</summary>
    Foreign,
}

/// <summary>What was found in a file, where, and what was expected.</summary>
sealed class SegmentException(SegmentFault fault, string path, string detail, long? offset = null) : Exception($"{path}: {detail}")
{
    public SegmentFault Fault => fault;

    public string Path => path;

    public string Detail => detail;

    public long? Offset => offset;
}
