using System.Globalization;
using S3dlio.Compression;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// Arrays and tensors have one name and two forms: plain under the name, or compressed with <c>.zst</c> behind it. A save writes its form,
/// and only then deletes the other one, if that is still the one it saw before and its own is there: the save counts from the moment its
/// own object is there. Between the two steps, or after a crash there, both are there; the later one carries a generation that is higher by
/// one, and readers take that. Savers of both forms at once never take both away; the one whose form was taken away saves again.
/// </summary>
public static class CompressedVariants
{
    /// <summary>The metadata's name for how many times a save of one form found the other; absent is 0.</summary>
    public const string GenerationName = "s3dlio-generation";

    /// <summary>How often a reader looks again: so many savers can take a form away under its eyes.</summary>
    const int Looks = 2;

    /// <summary>How often a save is repeated that another one undid.</summary>
    const int Attempts = 8;

    /// <summary>The same where a look costs next to nothing, and a save little more.</summary>
    const int NearLooks = 20;

    /// <summary>The name of both forms, whichever key is given.</summary>
    public static string PlainKey(string key) => IsCompressed(key) ? key[..^SeekableFormat.Suffix.Length] : key;

    /// <summary>Opens the later form, whichever is named, as its raw bytes.</summary>
    /// <exception cref="StoreException">NotFound: neither is there.</exception>
    public static async ValueTask<ObjectReader> OpenReadAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        string other = Other(key);
        // a saver may take one form away while we look at the other: the next looks are one after the other
        for (int look = 0; ; look++)
        {
            var looking = look == 0 && !store.IsNear ? HeadAsync(store, other, cancel).AsTask() : null;
            var (reader, missing) = await OpenAsync(store, key, looking, cancel).ConfigureAwait(false);
            try
            {
                var beside = await (looking ?? HeadAsync(store, other, cancel).AsTask()).ConfigureAwait(false);
                if (reader is not null && (beside is null || !IsLater(beside, Stored(reader))))
                {
                    var found = reader;
                    reader = null;
                    return await MeasuredAsync(found, cancel).ConfigureAwait(false);
                }
                if (beside is not null && await OpenAsync(store, other, null, cancel).ConfigureAwait(false) is { Reader: { } later })
                    return await MeasuredAsync(later, cancel).ConfigureAwait(false);
            }
            finally
            {
                if (reader is not null)
                    await reader.DisposeAsync().ConfigureAwait(false);
            }
            if (look >= (store.IsNear ? NearLooks : Looks) && missing is not null)
                throw missing;
        }
    }

    /// <summary>Writes an object in one form and takes the other away.</summary>
    /// <param name="store">The store.</param>
    /// <param name="key">Its key, with or without the suffix.</param>
    /// <param name="level">1 to 22; null for the plain form.</param>
    /// <param name="payload">The data.</param>
    /// <param name="options">Options of the write.</param>
    /// <param name="progress">Receives the number of raw bytes.</param>
    /// <param name="cancel">Cancels the call.</param>
    /// <returns>The object as stored, and the CRC32C of the raw bytes.</returns>
    public static async ValueTask<(ObjectMeta Stored, Checksum Raw)> SaveAsync(
        ObjectStore store, string key, int? level, Payload payload, PutOptions options, ITransferProgress progress,
        CancellationToken cancel)
    {
        for (int attempt = 0; ; attempt++)
        {
            var (stored, raw, isThere) = await SaveOnceAsync(store, key, level, payload, options, progress, cancel).ConfigureAwait(false);
            if (isThere)
                return (stored, raw);
            if (attempt == Attempts)
                throw new StoreException(
                    ErrorKind.Precondition, store.Root.Child(stored.Key),
                    "others save the object in its other form at the same time and took this one away; save it again");
        }
    }

    static async ValueTask<(ObjectMeta Stored, Checksum Raw, bool IsThere)> SaveOnceAsync(
        ObjectStore store, string key, int? level, Payload payload, PutOptions options, ITransferProgress progress,
        CancellationToken cancel)
    {
        string plain = PlainKey(key);
        var (name, other) = level is null ? (plain, SeekableFormat.Name(plain)) : (SeekableFormat.Name(plain), plain);
        var before = await HeadAsync(store, other, cancel).ConfigureAwait(false);
        (ObjectMeta Stored, Checksum Raw) written;
        if (before is null)
        {
            written = await WriteAsync(store, name, level, payload, options, progress, cancel).ConfigureAwait(false);
            return (written.Stored, written.Raw, true);
        }
        if (!options.Overwrite)
            throw new StoreException(
                ErrorKind.AlreadyExists, store.Root.Child(other), "the object exists in its other form and overwrite is off");
        options = options with { Permissions = before.Permissions };
        var metadata = new Dictionary<string, string>(options.Metadata ?? new Dictionary<string, string>())
        {
            [GenerationName] = (Generation(before) + 1).ToString(CultureInfo.InvariantCulture),
        };
        try
        {
            written = await WriteAsync(
                store, name, level, payload, options with { Metadata = metadata }, progress, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.InvalidArgument && store.IsNear)
        {
            // a file system without extended attributes keeps no generation: the files' times, of one clock, tell as much
            written = await WriteAsync(store, name, level, payload, options, progress, cancel).ConfigureAwait(false);
        }
        await DeleteAsync(store, name, other, before, cancel).ConfigureAwait(false);
        // a saver of the other form may have taken ours away: the one before ours, in whose place it had just come, as well as ours
        bool isThere = await HeadAsync(store, name, cancel).ConfigureAwait(false) is not null;
        return (written.Stored, written.Raw, isThere);
    }

    static async ValueTask<(ObjectMeta Stored, Checksum Raw)> WriteAsync(
        ObjectStore store, string key, int? level, Payload payload, PutOptions options, ITransferProgress progress,
        CancellationToken cancel)
    {
        progress.Begin(payload.Length);
        if (level is not { } chosen)
        {
            var meta = await store.PutAsync(key, payload, options, progress, cancel).ConfigureAwait(false);
            return (meta, meta.Checksum!.Value);
        }
        var head = payload.BuildHead(payload.HeadNeedsChecksums ? await BodyAsync(payload, cancel).ConfigureAwait(false) : default);
        var output = await ObjectOutput.OpenAsync(store, key, chosen, options, cancel).ConfigureAwait(false);
        await using (output.ConfigureAwait(false))
        {
            await output.WriteAsync(LargeMemory.From(head), progress, cancel).ConfigureAwait(false);
            foreach (var segment in payload.Body)
                await output.WriteAsync(segment, progress, cancel).ConfigureAwait(false);
            var done = await output.CompleteAsync(cancel).ConfigureAwait(false);
            return (done.Object, done.RawChecksum!.Value);
        }
    }

    /// <summary>The checksum of each segment, on all cores: a head that holds them comes before the data here.</summary>
    static async ValueTask<ReadOnlyMemory<Checksum>> BodyAsync(Payload payload, CancellationToken cancel)
    {
        const int blockLength = 4 << 20;
        var blocks = payload.Blocks(blockLength).ToArray();
        var found = new Checksum[blocks.Length];
        await ParallelWork.ForAsync(blocks.Length, Environment.ProcessorCount, (i, _) =>
        {
            found[i] = Checksum.Of(blocks[i].Bytes.Span);
            return ValueTask.CompletedTask;
        }, cancel).ConfigureAwait(false);
        var segments = new Checksum[payload.Body.Count];
        for (int i = 0; i < blocks.Length; i++)
            segments[blocks[i].Segment] = Checksum.Combine(segments[blocks[i].Segment], found[i], blocks[i].Bytes.Length);
        return segments;
    }

    /// <summary>Deletes the other form unless it was written again, or ours was deleted, meanwhile.</summary>
    static async ValueTask DeleteAsync(ObjectStore store, string name, string other, ObjectMeta before, CancellationToken cancel)
    {
        try
        {
            await store.DeleteIfUnchangedAsync(other, before, name, cancel).ConfigureAwait(false);
        }
        catch (StoreException error)
        {
            throw new StoreException(error.Kind, error.Uri,
                $"the object was saved as {name} and is read from there; its earlier form could not be deleted: {error.Detail}. Delete it",
                cause: error)
            { Reason = error.Reason };
        }
    }

    static async ValueTask<(ObjectReader? Reader, StoreException? Missing)> OpenAsync(
        ObjectStore store, string key, Task? beside, CancellationToken cancel)
    {
        try
        {
            return (await ObjectInput.OpenStreamAsync(
                    store, key, IsCompressed(key) ? Decompress.Always : Decompress.Never, ReadOptions.Default,
                    cancel).ConfigureAwait(false), null);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.NotFound && error.Reason == ErrorReason.None)
        {
            return (null, error);
        }
        catch when (beside is not null)
        {
            // nothing of ours goes on after the failure
            await beside.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    /// <summary>The reader with its size known. Decoding is no work for the calling thread.</summary>
    static async ValueTask<ObjectReader> MeasuredAsync(ObjectReader reader, CancellationToken cancel)
    {
        try
        {
            if (reader is CompressedReader or SequentialReader)
                await ThreadSwitch.ToPoolAsync();
            if (reader is SequentialReader sequential)
                await sequential.MeasureAsync(cancel).ConfigureAwait(false);
            return reader;
        }
        catch
        {
            await reader.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// Null for what is not there, for what may not be looked at (S3 says so of absent keys to who may not list), and for names too long to
    /// be there.
    /// </summary>
    static async ValueTask<ObjectMeta?> HeadAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        try
        {
            if (store.IsNear)
                return await store.HeadAsync(key, cancel).ConfigureAwait(false);
            // a request for a byte: S3 says why it has none, while a HEAD that finds nothing needs another to tell
            var reader = await store.OpenReadAsync(key, new ReadOptions { FirstLength = 1 }, cancel).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
                return reader.Meta;
        }
        catch (StoreException error)
            when (error.Kind is ErrorKind.NotFound or ErrorKind.IsDirectory or ErrorKind.NotDirectory or ErrorKind.PermissionDenied
                    or ErrorKind.InvalidArgument)
        {
            return null;
        }
    }

    static bool IsLater(ObjectMeta one, ObjectMeta than) => Generation(one) != Generation(than)
        ? Generation(one) > Generation(than)
        : one.LastModified > than.LastModified;

    static long Generation(ObjectMeta meta) =>
        meta.Metadata.TryGetValue(GenerationName, out string? text)
            && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : 0;

    static ObjectMeta Stored(ObjectReader reader) => reader switch
    {
        CompressedReader compressed => compressed.StoredMeta,
        SequentialReader sequential => sequential.StoredMeta,
        _ => reader.Meta,
    };

    static bool IsCompressed(string key) => key.EndsWith(SeekableFormat.Suffix, StringComparison.Ordinal);

    static string Other(string key) => IsCompressed(key) ? PlainKey(key) : SeekableFormat.Name(key);
}
