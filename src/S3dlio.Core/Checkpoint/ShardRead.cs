using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Checkpoint;

/// <summary>By which checksum the bytes of a shard were found to be good.</summary>
public enum VerifiedBy
{
    /// <summary>No checksum is recorded, or validation is off.</summary>
    Nothing,
    /// <summary>CRC32C.</summary>
    Crc32C,
    /// <summary>The IEEE CRC-32 that the original labels as a CRC32C.</summary>
    IeeeCrc32,
}

/// <summary>Whole shards into memory, as the raw bytes that were saved.</summary>
public static class ShardRead
{
    /// <param name="store">The checkpoint store.</param>
    /// <param name="shard">Which, as its manifest says.</param>
    /// <param name="allocate">Gives the memory for its raw size.</param>
    /// <param name="validate">False hands the bytes out unchecked.</param>
    /// <param name="progress">Receives the number of raw bytes.</param>
    /// <exception cref="StoreException">Names the rank: NotFound, InvalidData, ChecksumMismatch.</exception>
    public static async ValueTask<VerifiedBy> RunAsync(
        ObjectStore store, ShardRecord shard, Func<long, LargeMemory> allocate, bool validate, ITransferProgress progress,
        CancellationToken cancel)
    {
        LargeMemory? target = null;
        LargeMemory Allocate(long size)
        {
            long? expected = shard.IsCompressed ? shard.RawSize : shard.Size;
            if (expected is { } length && length != size)
                throw StoreException.InvalidData(store.Root.Child(shard.Key),
                    $"expected {length} bytes, found {size}; the shard was cut, or another program wrote the object");
            return target = allocate(size);
        }
        try
        {
            if (shard is { IsLegacy: true, IsCompressed: true })
            {
                await LegacyFrames.ReadAsync(store, shard, Allocate, cancel).ConfigureAwait(false);
            }
            else
            {
                // the original's label says what its value is not: the bytes are compared below
                var validation = new Validation(shard.IsLegacy ? null : shard.Checksum, validate);
                await ObjectRead.WholeAsync(
                    store, shard.Key, shard.IsCompressed ? Decompress.Always : Decompress.Never, Allocate, validation, progress,
                    cancel).ConfigureAwait(false);
            }
            if (!validate || shard.Checksum is not { } recorded)
                return VerifiedBy.Nothing;
            return shard.IsLegacy
                ? LegacyChecksum.Check(recorded, LegacyChecksum.Of(target!), target!.Length, store.Root.Child(shard.Key))
                : VerifiedBy.Crc32C;
        }
        catch (StoreException error) when (ShardCheck.IsFinding(error))
        {
            throw ShardCheck.Name(shard, error);
        }
    }
}
