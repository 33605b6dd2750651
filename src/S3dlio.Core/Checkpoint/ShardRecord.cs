using System.Text.Json;
using S3dlio.Hashing;

namespace S3dlio.Checkpoint;

/// <summary>What a manifest says of one shard.</summary>
public sealed record ShardRecord
{
    /// <summary>Whose it is, from 0.</summary>
    public required int Rank { get; init; }

    /// <summary>Relative to the checkpoint store's address; begins with <c>shards/</c>.</summary>
    public required string Key { get; init; }

    /// <summary>Bytes of the object as stored.</summary>
    public required long Size { get; init; }

    /// <summary>What the store called this version; a copy of the checkpoint has others, so nothing depends on it.</summary>
    public string? ETag { get; init; }

    /// <summary>
    /// Of the raw bytes. In a manifest of the original it is an IEEE CRC-32 in spite of its label: see <see cref="LegacyChecksum"/>.
    /// </summary>
    public Checksum? Checksum { get; init; }

    /// <summary>Bytes before compression; null where only the object can tell.</summary>
    public long? RawSize { get; init; }

    /// <summary>Of the bytes as stored.</summary>
    public Checksum? StoredChecksum { get; init; }

    /// <summary>Whether the object is zstd frames.</summary>
    public bool IsCompressed { get; init; }

    /// <summary>Written by the original library.</summary>
    public bool IsLegacy { get; init; }

    /// <summary>JSON that the program which wrote the shard keeps with it.</summary>
    public JsonElement? Extra { get; init; }

    /// <summary>The save that it was written for, in what a writer hands to the coordinator; not in manifests.</summary>
    public string? SaveId { get; init; }

    /// <summary>Its step, likewise.</summary>
    public long? Step { get; init; }

    /// <summary>The claim by which the save's ranks agreed, likewise.</summary>
    public string? Claim { get; init; }

    /// <summary>What a manifest would say the same of: which bytes, and where.</summary>
    public bool IsSameAs(ShardRecord other) =>
        (Rank, Key, Size, Checksum, StoredChecksum) == (other.Rank, other.Key, other.Size, other.Checksum, other.StoredChecksum);
}
