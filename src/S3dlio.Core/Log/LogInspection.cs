namespace S3dlio.Log;

/// <summary>What a finding is about.</summary>
public enum FindingKind
{
    /// <summary>Committed records that cannot be read.</summary>
    Damage,

    /// <summary>Bytes that are kept twice are wrong in one place: no record is affected.</summary>
    Redundant,

    /// <summary>What a crash left, as it may: nothing of it was ever acknowledged.</summary>
    Leftover,
}

/// <summary>What <see cref="LogRepair"/> can do about a finding.</summary>
public enum FindingRepair
{
    /// <summary>Nothing: the bytes are nowhere else.</summary>
    None,

    /// <summary>The next opening for writing sees to it.</summary>
    Opening,

    /// <summary>The segment's header is written anew from META and the frames.</summary>
    Header,

    /// <summary>The segment's footer is written anew from its frames.</summary>
    Footer,

    /// <summary>The newest segment is ended, so that the log opens; the numbers of the damaged records stay missing.</summary>
    Seal,

    /// <summary>The segment is replaced by its copy in a store.</summary>
    Copy,
}

/// <summary>One thing that is not as it should be.</summary>
/// <param name="Kind">How bad it is.</param>
/// <param name="Path">The file.</param>
/// <param name="Offset">Where in it; null for the file as a whole.</param>
/// <param name="FirstRecord">The first record that cannot be read; -1 where none is affected.</param>
/// <param name="EndRecord">The first one behind that can; -1 where none is affected.</param>
/// <param name="What">What was expected and what was found.</param>
/// <param name="Repair">What can be done.</param>
public sealed record LogFinding(
    FindingKind Kind, string Path, long? Offset, long FirstRecord, long EndRecord, string What, FindingRepair Repair)
{
    /// <summary>Segment that it is about, by its first record; -1 for other files.</summary>
    internal long Segment { get; init; } = -1;
}

/// <summary>One segment of a log.</summary>
/// <param name="Name">Of the file.</param>
/// <param name="FirstRecord">Number of its first record.</param>
/// <param name="EndRecord">Number of the first record of the next one.</param>
/// <param name="Frames">Frames with records.</param>
/// <param name="Length">Bytes of the file.</param>
/// <param name="Allocated">Bytes that it occupies.</param>
/// <param name="IsSealed">Nothing is appended to it any more.</param>
/// <param name="Created">Nanoseconds since 1970.</param>
/// <param name="LastTime">When its last frame was closed; 0 when it has none.</param>
public readonly record struct LogSegmentInfo(
    string Name, long FirstRecord, long EndRecord, int Frames, long Length, long Allocated, bool IsSealed, long Created, long LastTime);

/// <summary>
/// What the files of a log say, read without the writer's lock and without any configuration. Counts are exact: those of sealed segments
/// stand in their footers, the newest is walked from frame to frame.
/// </summary>
public sealed record LogInspection
{
    public required string Directory { get; init; }

    public required Guid Id { get; init; }

    /// <summary>Format version that wrote the newest segment; 0 when no header can be read.</summary>
    public required int Version { get; init; }

    /// <summary>The least version that a reader of it must know.</summary>
    public required int LeastVersion { get; init; }

    /// <summary>Who has the log open for writing, in the words of the lock file; null when nobody has.</summary>
    public required string? Writer { get; init; }

    /// <summary>The last writer closed it.</summary>
    public required bool IsClosed { get; init; }

    public required long Begin { get; init; }

    /// <summary>Committed records are those below this number; of a log that nobody writes, all that are there.</summary>
    public required long End { get; init; }

    /// <summary>How often it was opened for writing.</summary>
    public required long Epoch { get; init; }

    public required long SegmentSize { get; init; }

    public required int Alignment { get; init; }

    public required int RecordSize { get; init; }

    public required string Schema { get; init; }

    public required IReadOnlyList<LogSegmentInfo> Segments { get; init; }

    /// <summary>Of consumers, by name: the next record that each needs.</summary>
    public required IReadOnlyDictionary<string, long> Cursors { get; init; }

    public required IReadOnlyList<LogFinding> Findings { get; init; }

    /// <summary>Records whose bytes were compared with their checksums; 0 by an inspection, which reads none.</summary>
    public required long RecordsChecked { get; init; }

    public required long BytesChecked { get; init; }

    /// <summary>Every committed record can be read and no redundant byte is wrong, as far as was looked.</summary>
    public bool IsWhole => Findings.All(one => one.Kind == FindingKind.Leftover);
}
