namespace S3dlio.Table;

/// <summary>A checkpoint that is there.</summary>
public sealed record TableCheckpoint
{
    public required long Version { get; init; }

    /// <summary>0 where it is the first.</summary>
    public required long Parent { get; init; }

    /// <summary>Of the table, the same in all of its checkpoints.</summary>
    public required Guid Table { get; init; }

    /// <summary>Nanoseconds since 1970.</summary>
    public required long Created { get; init; }

    public required long Rows { get; init; }

    /// <summary>Batches of gradients that are in it.</summary>
    public required long Step { get; init; }

    /// <summary>The serial of each session's last batch that is in it.</summary>
    public required IReadOnlyDictionary<string, long> Sessions { get; init; }

    /// <summary>Of all files that it names.</summary>
    public required long Bytes { get; init; }

    /// <summary>Of those that its parent does not name.</summary>
    public required long NewBytes { get; init; }

    public required int Segments { get; init; }

    internal static TableCheckpoint Of(TableManifest manifest) => new()
    {
        Version = manifest.Version,
        Parent = manifest.Parent,
        Table = manifest.Table,
        Created = manifest.Created,
        Rows = manifest.Shards.Sum(one => one.Rows),
        Step = manifest.Step,
        Sessions = manifest.Sessions,
        Bytes = manifest.Segments.Sum(one => one.Length),
        NewBytes = manifest.NewBytes,
        Segments = manifest.Segments.Count,
    };
}

/// <summary>Which rows go; what is 0 is not asked.</summary>
public sealed record EvictRule
{
    /// <summary>Rows whose last update is so many steps ago, or more.</summary>
    public long OlderThanSteps { get; init; }

    /// <summary>
    /// Rows whose last update is more than so many seconds ago, by the clock of the machine: not before, and a second after. 0: as the
    /// table's <see cref="TableOptions.TimeToLive"/> says.
    /// </summary>
    public long OlderThanSeconds { get; init; }

    /// <summary>Rows that had fewer updates.</summary>
    public int FewerThan { get; init; }

    /// <summary>Rows whose L2 norm is below.</summary>
    public float SmallerThan { get; init; }

    /// <summary>So many rows stay: those that were updated longest ago go. Which of the same age go is not said.</summary>
    public long MostRows { get; init; }

    /// <summary>
    /// The same by what rows and their keys take in files when no row there is dead, which <see cref="EmbeddingTable.Compact"/> sees to.
    /// </summary>
    public long MostBytes { get; init; }
}

/// <summary>What a table has and did since it was opened.</summary>
public sealed record TableStatistics
{
    public required long Rows { get; init; }

    /// <summary>Pages and rows read from files that are in memory.</summary>
    public required long MemoryBytes { get; init; }

    public required long IndexBytes { get; init; }

    /// <summary>Of the files of rows.</summary>
    public required long DiskBytes { get; init; }

    public required long PagesInMemory { get; init; }

    public required long Lookups { get; init; }

    public required long LookupRows { get; init; }

    /// <summary>Rows that were read from files.</summary>
    public required long DiskRows { get; init; }

    public required long Batches { get; init; }

    public required long BatchRows { get; init; }

    /// <summary>Rows that were copied to be changed, since a checkpoint or a file has the old ones.</summary>
    public required long Copies { get; init; }

    /// <summary>Pages whose memory was given back.</summary>
    public required long Releases { get; init; }

    /// <summary>Rows that evictions deleted.</summary>
    public required long Evicted { get; init; }

    public required long Checkpoints { get; init; }

    /// <summary>How long the last checkpoint kept batches out.</summary>
    public required long GateNanoseconds { get; init; }

    public required long LongestGateNanoseconds { get; init; }

    /// <summary>How long the last checkpoint took.</summary>
    public required long CheckpointNanoseconds { get; init; }
}
