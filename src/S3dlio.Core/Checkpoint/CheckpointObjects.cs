using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Checkpoint;

/// <summary>
/// Small objects of a checkpoint store. "Not there" is the one failure that has an answer; every other goes to the caller.
/// </summary>
static class CheckpointObjects
{
    /// <summary>
    /// The object is not there. A bucket or an account that is not there is a mistake in the address, and no store without checkpoints.
    /// </summary>
    public static bool IsAbsence(StoreException error) => error is { Kind: ErrorKind.NotFound, Reason: ErrorReason.None };

    /// <summary>The object is there and is not what was written.</summary>
    public static bool IsDamage(StoreException error) => error.Kind is ErrorKind.InvalidData or ErrorKind.ChecksumMismatch;

    public static async ValueTask<ObjectMeta?> HeadAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        try
        {
            return await store.HeadAsync(key, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (IsAbsence(error))
        {
            return null;
        }
    }

    /// <summary>A whole small object, compared with the checksum that its store keeps; null where there is none.</summary>
    /// <exception cref="StoreException">InvalidData: it has more bytes than that.</exception>
    public static async ValueTask<(byte[] Bytes, ObjectMeta Meta)?> ReadAsync(
        ObjectStore store, string key, int most, CancellationToken cancel)
    {
        byte[] bytes = [];
        try
        {
            var meta = await ObjectRead.WholeAsync(store, key, size =>
            {
                if (size > most)
                    throw StoreException.InvalidData(store.Root.Child(key), $"expected at most {most} bytes, found {size}");
                bytes = new byte[size];
                return LargeMemory.From(bytes.AsMemory());
            }, new Validation(null), NoProgress.Instance, cancel).ConfigureAwait(false);
            return (bytes, meta);
        }
        catch (StoreException error) when (IsAbsence(error))
        {
            return null;
        }
    }

    public static ValueTask<ObjectMeta> PutAsync(
        ObjectStore store, string key, byte[] bytes, PutOptions options, CancellationToken cancel) =>
        store.PutAsync(key, new Payload(bytes.AsMemory()), options with { ContentType = "application/json" }, null, cancel);

    /// <summary>Deletes keys; those not there count as deleted.</summary>
    public static async ValueTask DeleteAsync(ObjectStore store, IReadOnlyList<string> keys, CancellationToken cancel)
    {
        foreach (string[] batch in keys.Chunk(1000))
        {
            var failures = await store.DeleteAsync(batch, cancel).ConfigureAwait(false);
            if (failures.Count > 0)
                throw failures[0].Error;
        }
    }

    /// <summary>All objects below a prefix.</summary>
    public static async ValueTask<List<ObjectMeta>> ListAsync(ObjectStore store, string prefix, CancellationToken cancel)
    {
        var found = new List<ObjectMeta>();
        try
        {
            await foreach (var page in store.ListAsync(prefix, ListOptions.Default, cancel).ConfigureAwait(false))
                found.AddRange(page.Objects);
        }
        catch (StoreException error) when (IsAbsence(error))
        {
            // a local store whose directory was never made
        }
        return found;
    }
}
