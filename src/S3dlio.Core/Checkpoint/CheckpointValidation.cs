using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Checkpoint;

/// <summary>What is wrong with one shard, or, where the rank is -1, with the manifest.</summary>
public sealed record Finding(int Rank, string Key, StoreException Error);

/// <summary>The integrity of one checkpoint.</summary>
/// <param name="Findings">Everything that is wrong, by rank; empty when all is well.</param>
/// <param name="Bytes">Stored bytes that were read and compared.</param>
/// <param name="Unchecked">Ranks whose shards have no checksum to compare with.</param>
/// <param name="Ieee">Ranks whose shards match by the IEEE CRC-32 that the original labels as a CRC32C.</param>
public sealed record IntegrityReport(IReadOnlyList<Finding> Findings, long Bytes, IReadOnlyList<int> Unchecked, IReadOnlyList<int> Ieee)
{
    public bool IsWhole => Findings.Count == 0;
}

/// <summary>Reads every byte of a checkpoint as it is stored, in bounded memory, and compares it with what its manifest says.</summary>
public static class CheckpointValidation
{
    const int ShardsInFlight = 4;

    /// <summary>Bytes of a shard in memory at once.</summary>
    const int WindowLength = 32 << 20;

    /// <summary>The manifest of that key, read again, and its shards.</summary>
    public static async ValueTask<IntegrityReport> RunAsync(
        ObjectStore store, string manifestKey, ITransferProgress progress, CancellationToken cancel)
    {
        StoreException fault;
        try
        {
            if (await CheckpointCatalog.ReadAsync(store, manifestKey, cancel).ConfigureAwait(false) is { } found)
                return await RunAsync(store, found.Manifest.Shards, progress, cancel).ConfigureAwait(false);
            fault = new StoreException(ErrorKind.NotFound, store.Root.Child(manifestKey), "there is no such manifest");
        }
        catch (StoreException error) when (CheckpointObjects.IsDamage(error) && !ManifestJson.IsNewerFormat(error))
        {
            fault = error;
        }
        return new IntegrityReport([new Finding(-1, manifestKey, fault)], 0, [], []);
    }

    public static async ValueTask<IntegrityReport> RunAsync(
        ObjectStore store, IReadOnlyList<ShardRecord> shards, ITransferProgress progress, CancellationToken cancel)
    {
        progress.Begin(shards.Sum(static shard => shard.Size));
        var verified = new VerifiedBy[shards.Count];
        var failures = await Bulk.RunAsync(
            shards.Count, ShardsInFlight, 0, async (i, stop) => verified[i] = await CheckAsync(store, shards[i], progress, stop)
                .ConfigureAwait(false), i => store.Root.Child(shards[i].Key), cancel).ConfigureAwait(false);
        var findings = new List<Finding>();
        List<int> bare = [], ieee = [];
        for (int i = 0; i < shards.Count; i++)
        {
            if (failures[i] is { } failure)
            {
                // a store that does not answer says nothing about the checkpoint
                if (!ShardCheck.IsFinding(failure))
                    throw failure;
                findings.Add(new Finding(shards[i].Rank, shards[i].Key, failure));
            }
            else if (verified[i] == VerifiedBy.Nothing)
            {
                bare.Add(shards[i].Rank);
            }
            else if (verified[i] == VerifiedBy.IeeeCrc32)
            {
                ieee.Add(shards[i].Rank);
            }
        }
        return new IntegrityReport(findings, shards.Sum(static shard => shard.Size), bare, ieee);
    }

    static async ValueTask<VerifiedBy> CheckAsync(
        ObjectStore store, ShardRecord shard, ITransferProgress progress, CancellationToken cancel)
    {
        if (shard is { IsLegacy: true, IsCompressed: true })
        {
            // its checksum is of the raw bytes
            LargeMemory Allocate(long size) => LargeMemory.From(new byte[size].AsMemory());
            var by = await ShardRead.RunAsync(store, shard, Allocate, validate: true, NoProgress.Instance, cancel).ConfigureAwait(false);
            progress.Report(shard.Size);
            return by;
        }
        var reader = await store.OpenReadAsync(shard.Key, ReadOptions.Default, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            ShardCheck.CompareSize(store, shard, reader.Meta.Size);
            var found = await HashAsync(reader, shard.IsLegacy, progress, cancel).ConfigureAwait(false);
            string uri = store.Root.Child(shard.Key);
            if (shard.IsLegacy)
                return shard.Checksum is { } labelled ? LegacyChecksum.Check(labelled, found, shard.Size, uri) : VerifiedBy.Nothing;
            var recorded = shard.StoredChecksum ?? (shard.IsCompressed ? null : shard.Checksum);
            if (recorded is null)
                return VerifiedBy.Nothing;
            return recorded == found.Castagnoli
                ? VerifiedBy.Crc32C
                : throw StoreException.ChecksumMismatch(uri,
                    $"checksum mismatch over {shard.Size} bytes: {recorded} recorded in the manifest, {found.Castagnoli} found. The bytes "
                    + "are damaged, or another program changed them");
        }
    }

    static async ValueTask<LegacyChecksum> HashAsync(ObjectReader reader, bool legacy, ITransferProgress progress, CancellationToken cancel)
    {
        long size = reader.Meta.Size;
        byte[] window = GC.AllocateUninitializedArray<byte>((int)Math.Min(size, WindowLength));
        var found = default(LegacyChecksum);
        for (long at = 0; at < size; at += window.Length)
        {
            int length = (int)Math.Min(window.Length, size - at);
            var part = LargeMemory.From(window.AsMemory(0, length));
            var read = await ParallelRead.ReadAsync(reader, at, part, hash: true, progress, cancel).ConfigureAwait(false);
            uint ieee = legacy ? Crc32.Append(found.Ieee, window.AsSpan(0, length)) : 0;
            found = new LegacyChecksum(ieee, Checksum.Combine(found.Castagnoli, read, length));
        }
        return found;
    }
}
