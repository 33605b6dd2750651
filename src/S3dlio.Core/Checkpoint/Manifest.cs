using System.Text.Json;

namespace S3dlio.Checkpoint;

/// <summary>One checkpoint: it exists when this does.</summary>
public sealed record Manifest
{
    /// <summary>The original's, whose checksums are IEEE CRC-32s labelled as CRC32Cs.</summary>
    public const int LegacyVersion = 1;

    /// <summary>What this library writes. It reads this and everything before; a later one is refused, never skipped.</summary>
    public const int CurrentVersion = 2;

    /// <summary>Ranks of a checkpoint.</summary>
    public const int MaxWorldSize = 1_000_000;

    public required int FormatVersion { get; init; }

    /// <summary>What the shards are of, in the user's words (<c>torch</c>, <c>jax</c>); not empty.</summary>
    public required string Framework { get; init; }

    public required long Step { get; init; }

    public required long Epoch { get; init; }

    /// <summary>
    /// When the checkpoint was made, or just after the newest that was there then: the newest is the one with the latest.
    /// </summary>
    public required DateTimeOffset WallTime { get; init; }

    public required int WorldSize { get; init; }

    /// <summary>In the order of their ranks.</summary>
    public required IReadOnlyList<ShardRecord> Shards { get; init; }

    /// <summary>All ranks are there. False: <c>incomplete</c>, which nothing loads.</summary>
    public required bool IsComplete { get; init; }

    /// <summary>The user's own JSON.</summary>
    public JsonElement? UserMeta { get; init; }

    /// <summary>The save; null in the original's.</summary>
    public string? SaveId { get; init; }

    /// <summary>JSON of the program that saved, such as an index of tensors.</summary>
    public JsonElement? Extra { get; init; }

    public bool IsLegacy => FormatVersion == LegacyVersion;

    /// <summary>Bytes of all shards as stored.</summary>
    public long TotalSize => Shards.Sum(static shard => shard.Size);

    /// <summary>Positive when this one was taken after the other.</summary>
    public int CompareAge(Manifest other) => (WallTime, Step).CompareTo((other.WallTime, other.Step));

    public bool HasSameShards(Manifest other) =>
        (Step, WorldSize, IsComplete) == (other.Step, other.WorldSize, other.IsComplete)
        && Shards.Count == other.Shards.Count
        && Shards.Zip(other.Shards).All(static pair => pair.First.IsSameAs(pair.Second));
}
