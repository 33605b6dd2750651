namespace S3dlio.Log;

/// <summary>What opening does about committed records that turn out damaged.</summary>
public enum OnDamage
{
    /// <summary>The open fails and says where the damage is; nothing is changed.</summary>
    Raise,

    /// <summary>The damaged records are missing numbers; everything behind them is kept.</summary>
    Skip,

    /// <summary>The log is cut at the first damaged frame of its newest segment; what follows there is lost.</summary>
    Cut,
}

/// <summary>How a log is opened for writing. Kind and layout count when the log is made; later they must agree.</summary>
public sealed record LogOptions
{
    public const long LeastSegment = 16 << 10, MostSegment = 1L << 40;

    /// <summary>Bytes of every record, 0 for records of any length.</summary>
    public int RecordSize { get; init; }

    /// <summary>JSON that tells readers what the records are (a dtype and a shape); at most 2 KiB.</summary>
    public string Schema { get; init; } = "";

    /// <summary>Bytes of a segment file; a frame that is larger has one for itself.</summary>
    public long SegmentSize { get; init; } = 64 << 20;

    /// <summary>Bytes of records that wait in memory before they are written.</summary>
    public int BufferSize { get; init; } = 1 << 20;

    /// <summary>Every commit begins at a multiple of so many bytes: 8, or 4096 so that no sector is written twice.</summary>
    public int Alignment { get; init; } = 8;

    /// <summary>
    /// Level of zstd, 1 to 22, with which frames are compressed that become smaller by it; 0: none. Counts from the next segment on.
    /// </summary>
    public int Compression { get; init; }

    public OnDamage OnDamage { get; init; }

    /// <summary>False: a log that is not there is an error.</summary>
    public bool Create { get; init; } = true;

    /// <summary>Milliseconds after which what was appended is committed without a call; 0: never.</summary>
    public int CommitAfter { get; init; }

    /// <summary>Bytes of records since the last commit from which on they are committed without a call; 0: never.</summary>
    public long CommitBytes { get; init; }

    /// <summary>
    /// Segments are dropped from the beginning, each as a whole, while the files have more bytes than this; 0: never. Looked at when the
    /// log is opened and whenever a segment is full; the newest one always stays.
    /// </summary>
    public long RetainBytes { get; init; }

    /// <summary>The same while so many records are left without the segment; 0: never.</summary>
    public long RetainRecords { get; init; }

    /// <summary>The same while the segment's newest record is older; zero: never.</summary>
    public TimeSpan RetainAge { get; init; }

    /// <summary>The segments go on with the size that the log has.</summary>
    public bool KeepsSegmentSize { get; init; }

    /// <summary>True: nothing is changed unless the schema and the record size are those given here.</summary>
    public bool ChecksSchema { get; init; } = true;
}
