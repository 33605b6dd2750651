using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>Reads and verifies whole objects and ranges. A read starts over where the object is replaced meanwhile.</summary>
public static class ObjectRead
{
    /// <summary>
    /// Compares the CRC32C of all bytes of an object, which the caller has read, with the recorded one, where there is one.
    /// </summary>
    /// <exception cref="StoreException">ChecksumMismatch.</exception>
    public static ValueTask CompareAsync(ObjectReader reader, string uri, Checksum found, CancellationToken cancel) =>
        reader.Meta.Checksum is null
            ? ValueTask.CompletedTask
            : ReadVerification.OfRecorded(reader, uri).CompleteAsync(0, reader.Meta.Size, found, cancel);

    /// <summary>Reads a whole object into memory that <paramref name="allocate"/> returns for its size.</summary>
    public static ValueTask<ObjectMeta> WholeAsync(
        ObjectStore store, string key, Func<long, LargeMemory> allocate, Validation validation, ITransferProgress progress,
        CancellationToken cancel) =>
        WholeAsync(store, key, Decompress.Never, allocate, validation, progress, cancel);

    /// <summary>The same, decompressed on request: size, checksum and memory are then those of the raw bytes.</summary>
    public static ValueTask<ObjectMeta> WholeAsync(
        ObjectStore store, string key, Decompress mode, Func<long, LargeMemory> allocate, Validation validation, ITransferProgress progress,
        CancellationToken cancel) =>
        VersionChangeRetry.RunAsync(ReadOptions.Default, async options =>
        {
            var reader = await ObjectInput.OpenAsync(store, key, mode, options, cancel).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                long size = reader.Meta.Size;
                progress.Begin(size);
                string uri = store.Root.Child(reader.Meta.Key);
                var verification = await ReadVerification.OfWholeAsync(reader, validation, uri, cancel).ConfigureAwait(false);
                await ReadAsync(reader, 0, Memory(allocate, size, uri), verification, progress, cancel).ConfigureAwait(false);
                return reader.Meta;
            }
        });

    /// <summary>
    /// Reads the range [<paramref name="offset"/>, offset + <paramref name="length"/>); a null length means to the end. A range that
    /// reaches beyond the object is refused: a short answer is how data gets lost silently. The blocks that it holds whole are compared
    /// with their checksums, where those are known.
    /// </summary>
    public static ValueTask<ObjectMeta> RangeAsync(
        ObjectStore store, string key, Decompress mode, long offset, long? length, Func<long, LargeMemory> allocate, Validation validation,
        ITransferProgress progress, CancellationToken cancel)
    {
        string uri = store.Root.Child(key);
        if (offset < 0 || length < 0)
            throw StoreException.InvalidArgument(uri, $"offset {offset} and length {length} must not be negative");
        return VersionChangeRetry.RunAsync(new ReadOptions { FirstOffset = offset, FirstLength = length }, async options =>
        {
            var reader = await ObjectInput.OpenAsync(store, key, mode, options, cancel).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                long size = reader.Meta.Size;
                if (offset > size || length > size - offset)
                    throw StoreException.InvalidArgument(uri,
                        $"the range {offset}..{(length is long n ? offset + n : "end")} lies outside the object, which has {size} bytes");
                long count = length ?? size - offset;
                progress.Begin(count);
                var verification = await ReadVerification.OfRangeAsync(
                    store, reader, offset, count, validation, uri, cancel).ConfigureAwait(false);
                await ReadAsync(reader, offset, Memory(allocate, count, uri), verification, progress, cancel).ConfigureAwait(false);
                return reader.Meta;
            }
        });
    }

    /// <summary>Reads a range of an open object. A range that is the whole object is compared with the checksum recorded with it.</summary>
    public static async ValueTask OfOpenAsync(
        ObjectReader reader, string uri, long offset, LargeMemory target, IProgress<long>? progress, CancellationToken cancel)
    {
        var verification = offset == 0 && target.Length == reader.Meta.Size ? ReadVerification.OfRecorded(reader, uri) : null;
        var found = await ParallelRead.ReadAsync(reader, offset, target, verification, progress, cancel).ConfigureAwait(false);
        if (verification is not null)
            await verification.CompleteAsync(0, target.Length, found, cancel).ConfigureAwait(false);
    }

    static async ValueTask ReadAsync(
        ObjectReader reader, long offset, LargeMemory target, ReadVerification verification, ITransferProgress progress,
        CancellationToken cancel)
    {
        if (target.Length > ObjectStore.BriefLength)
            await ThreadSwitch.ToPoolAsync();
        Checksum found = await ParallelRead.ReadAsync(reader, offset, target, verification, progress, cancel).ConfigureAwait(false);
        try
        {
            await verification.CompleteAsync(offset, offset + target.Length, found, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.ChecksumMismatch)
        {
            reader.Distrust();
            throw;
        }
    }

    static LargeMemory Memory(Func<long, LargeMemory> allocate, long length, string uri)
    {
        try
        {
            return allocate(length);
        }
        catch (OutOfMemoryException error)
        {
            throw new StoreException(
                ErrorKind.OutOfSpace, uri,
                $"the machine has not enough memory for {length} bytes of it; read it in ranges, or as a stream", cause: error);
        }
    }
}

/// <summary>Receives the progress of a transfer.</summary>
public interface ITransferProgress : IProgress<long>
{
    /// <summary>Called when the total is known, in bytes (in objects, for bulk calls), before anything of it is done.</summary>
    void Begin(long total);
}
