using S3dlio.Storage;

namespace S3dlio.Checkpoint;

/// <summary>Compares what a store says of a shard with what its manifest says, and words what is wrong with one.</summary>
static class ShardCheck
{
    /// <exception cref="StoreException">InvalidData, ChecksumMismatch.</exception>
    public static void CompareMeta(ObjectStore store, ShardRecord shard, ObjectMeta meta)
    {
        CompareSize(store, shard, meta.Size);
        if (shard.StoredChecksum is { } expected && meta.Checksum is { } found && expected != found)
            throw StoreException.ChecksumMismatch(store.Root.Child(shard.Key),
                $"expected the checksum {expected} over the shard's {shard.Size} bytes, the store recorded {found}; another program wrote "
                + "the object");
    }

    public static void CompareSize(ObjectStore store, ShardRecord shard, long size)
    {
        if (size != shard.Size)
            throw StoreException.InvalidData(store.Root.Child(shard.Key),
                $"expected {shard.Size} bytes, found {size}; the shard was cut, or another program wrote the object");
    }

    /// <summary>The same failure, with whose shard it is.</summary>
    public static StoreException Name(ShardRecord shard, StoreException error) =>
        new(error.Kind, error.Uri, $"shard of rank {shard.Rank}: {error.Detail}", error.Offset, error) { Reason = error.Reason };

    /// <summary>What a shard can be found to be, as opposed to what keeps one from looking.</summary>
    public static bool IsFinding(StoreException error) =>
        error.Kind is ErrorKind.NotFound or ErrorKind.IsDirectory or ErrorKind.NotDirectory || CheckpointObjects.IsDamage(error);
}
