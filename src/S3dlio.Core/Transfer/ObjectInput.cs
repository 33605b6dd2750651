using S3dlio.Compression;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>Whether a read decompresses.</summary>
public enum Decompress
{
    /// <summary>The bytes as they are stored.</summary>
    Never,
    /// <summary>Objects whose key ends in <c>.zst</c>; where there is no object of the key, the one with <c>.zst</c> behind it.</summary>
    Auto,
    /// <summary>Whatever the key; one that is not compressed is an error.</summary>
    Always,
}

/// <summary>Opens objects for reading, compressed or not.</summary>
public static class ObjectInput
{
    /// <returns>
    /// A reader of the raw bytes, whose size is known: a <see cref="CompressedReader"/> or <see cref="SequentialReader"/> where it
    /// decompresses.
    /// </returns>
    public static async ValueTask<ObjectReader> OpenAsync(
        ObjectStore store, string key, Decompress mode, ReadOptions options, CancellationToken cancel)
    {
        var reader = await OpenStreamAsync(store, key, mode, options, cancel).ConfigureAwait(false);
        if (reader is not SequentialReader sequential)
            return reader;
        try
        {
            await ThreadSwitch.ToPoolAsync();
            await sequential.MeasureAsync(cancel).ConfigureAwait(false);
            return reader;
        }
        catch
        {
            await reader.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The same without measuring: the size of a <see cref="SequentialReader"/> is unknown until its end is read.</summary>
    public static async ValueTask<ObjectReader> OpenStreamAsync(
        ObjectStore store, string key, Decompress mode, ReadOptions options, CancellationToken cancel)
    {
        if (mode == Decompress.Never)
            return await store.OpenReadAsync(key, options, cancel).ConfigureAwait(false);
        // where the first bytes wanted lie is not known before the table is read
        var unread = options with { FirstOffset = 0, FirstLength = 0 };
        bool named = CompressedName.IsOne(key);
        ObjectReader reader;
        try
        {
            reader = await store.OpenReadAsync(key, named || mode == Decompress.Always ? unread : options, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (!named && error is { Kind: ErrorKind.NotFound, Reason: ErrorReason.None })
        {
            string other = SeekableFormat.Name(key);
            try
            {
                reader = await store.OpenReadAsync(other, unread, cancel).ConfigureAwait(false);
            }
            catch (StoreException second) when (second.Kind == ErrorKind.NotFound)
            {
                throw new StoreException(
                    ErrorKind.NotFound, error.Uri, $"{error.Detail} (nor one with {SeekableFormat.Suffix} behind its name)", cause: error);
            }
            return await CompressedReader.OpenAsync(reader, store.Root.Child(other), cancel).ConfigureAwait(false);
        }
        return named || mode == Decompress.Always
            ? await CompressedReader.OpenAsync(reader, store.Root.Child(key), cancel).ConfigureAwait(false)
            : reader;
    }
}
