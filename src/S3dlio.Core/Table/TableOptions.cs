namespace S3dlio.Table;

/// <summary>How the numbers of a row are stored. Updates are computed in float32 and rounded to nearest even.</summary>
public enum RowType
{
    Float32,
    Float16,
    BFloat16,
}

/// <summary>What a gradient does to a row; <see cref="Optimizer"/> has the numbers.</summary>
public enum UpdateRule
{
    /// <summary>w += g.</summary>
    Add,

    /// <summary>w -= lr g; with momentum: m = momentum m + g, w -= lr m.</summary>
    Sgd,

    /// <summary>s += g g; w -= lr g / (sqrt(s) + eps), as torch.optim.Adagrad does for sparse gradients.</summary>
    Adagrad,

    /// <summary>One sum a row: s += mean(g g); w -= lr g / (sqrt(s) + eps), as FBGEMM's exact row-wise Adagrad.</summary>
    RowwiseAdagrad,

    /// <summary>
    /// torch.optim.SparseAdam: moments move only for rows that have a gradient, the bias is corrected by the table's step.
    /// </summary>
    Adam,

    /// <summary>Adam with one second moment a row: the mean of g g.</summary>
    RowwiseAdam,
}

/// <summary>How rows are trained. The kind is fixed when the table is made; rates may differ at every opening.</summary>
public sealed record Optimizer
{
    public UpdateRule Rule { get; init; } = UpdateRule.Sgd;

    public float LearningRate { get; init; } = 0.01f;

    /// <summary>0 to 1, of <see cref="UpdateRule.Sgd"/>; more than 0 adds a number for each of a row's.</summary>
    public float Momentum { get; init; }

    public float Beta1 { get; init; } = 0.9f;

    public float Beta2 { get; init; } = 0.999f;

    public float Epsilon { get; init; } = 1e-8f;

    /// <summary>L2: g += weight_decay w before the rule.</summary>
    public float WeightDecay { get; init; }

    /// <summary>What the sums of Adagrad begin with.</summary>
    public float InitialSum { get; init; }

    /// <summary>Adagrad's rate at step t is lr / (1 + (t - 1) decay).</summary>
    public float RateDecay { get; init; }

    /// <summary>A row's gradient is scaled down to this L2 norm; 0: never.</summary>
    public float ClipNorm { get; init; }

    /// <summary>Each number of a gradient is cut to ± this; 0: never.</summary>
    public float ClipValue { get; init; }
}

/// <summary>The numbers of rows that nobody has written yet.</summary>
public enum InitialRows
{
    Zeros,

    /// <summary>All are <see cref="Initializer.Low"/>.</summary>
    Constant,

    /// <summary>From <see cref="Initializer.Low"/> up to <see cref="Initializer.High"/>, which is not reached.</summary>
    Uniform,

    /// <summary>Mean <see cref="Initializer.Low"/>, standard deviation <see cref="Initializer.High"/>.</summary>
    Normal,
}

/// <summary>
/// A row that was never written is a function of seed and key: it takes no memory, and any order of lookups gives the same bits.
/// </summary>
public sealed record Initializer
{
    public InitialRows Rows { get; init; }

    public float Low { get; init; }

    public float High { get; init; }

    public ulong Seed { get; init; }
}

/// <summary>What a batch does whose serial its session has applied already.</summary>
public enum OnReplay
{
    /// <summary>It fails with Precondition, and nothing is changed.</summary>
    Raise,

    /// <summary>It does nothing and says so.</summary>
    Skip,
}

/// <summary>How a table is opened. Dimension, type, rule, initial rows and shards count when it is made; later they must agree.</summary>
public sealed record TableOptions
{
    public const int MostDimension = 1 << 16, MostShards = 256, UsualShards = 8, MostSightings = 200;
    public const long LeastMemory = 64 << 10;

    /// <summary>Numbers of a row. 0 takes what the table has.</summary>
    public int Dimension { get; init; }

    public RowType Type { get; init; }

    public Optimizer Optimizer { get; init; } = new();

    public Initializer Initializer { get; init; } = new();

    /// <summary>
    /// Bytes of rows that are kept in memory; what is beyond lies in files. The index of keys comes on top: about 20 bytes a row.
    /// </summary>
    public long Memory { get; init; } = 1L << 30;

    /// <summary>Parts by hash of the key, each with a lock of its own: a power of two. 0: what the table has, 8 for a new one.</summary>
    public int Shards { get; init; }

    /// <summary>Bytes of a page, about; tests make small ones.</summary>
    internal int PageTarget { get; init; } = RowLayout.PageTarget;

    /// <summary>Bytes of a file of rows, from 1 MiB.</summary>
    public long SegmentSize { get; init; } = 64 << 20;

    /// <summary>True: takes dimension, type, optimizer and initial rows from the table that is there, whatever is said here.</summary>
    public bool TakesAll { get; init; }

    /// <summary>False: a table that is not there is an error.</summary>
    public bool Create { get; init; } = true;

    /// <summary>True: any number of processes may read the newest checkpoint; nothing can be changed.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>The checkpoint to open; 0 is the newest.</summary>
    public long Version { get; init; }

    /// <summary>True: where a checkpoint is damaged the one before is opened, and <see cref="EmbeddingTable.Damage"/> says so.</summary>
    public bool FallsBack { get; init; }

    /// <summary>True: opening reads and checks every byte of the checkpoint, not only keys, headers and lengths.</summary>
    public bool ChecksAll { get; init; }

    /// <summary>Checkpoints that are kept; older ones go after a new one is durable. 0 keeps all.</summary>
    public int Keep { get; init; } = 2;

    /// <summary>
    /// Batches that train a key that has no row change nothing until about so many of them had it lately; 0 and 1 give it a row at once.
    /// </summary>
    public int AdmitAfter { get; init; }

    /// <summary>
    /// Seconds: an eviction deletes rows that nobody changed for longer. A table that is made with one keeps the time of each row's last
    /// change, in 4 bytes a row, and only such a table is opened with one. 0: no row is too old.
    /// </summary>
    public long TimeToLive { get; init; }

    /// <summary>What the time is; tests have one of their own.</summary>
    internal TimeProvider Clock { get; init; } = TimeProvider.System;
}
