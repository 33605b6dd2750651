using S3dlio.Compression;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// A compressed object is named as the plain one with <c>.zst</c> behind it, and a read of the plain name takes it where the plain object
/// is missing. So one that is saved under the plain name must not have a plain object before it: it is looked for before and after the
/// write. A plain save needs no look, for a read meets it first.
/// </summary>
static class CompressedName
{
    public static bool IsOne(string key) => key.EndsWith(SeekableFormat.Suffix, StringComparison.Ordinal);

    /// <summary>Before <paramref name="key"/> with the suffix is written.</summary>
    /// <exception cref="StoreException">AlreadyExists: the plain object is there.</exception>
    public static async ValueTask CheckBeforeAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        if (await IsPlainThereAsync(store, key, cancel).ConfigureAwait(false))
            throw new StoreException(
                ErrorKind.AlreadyExists, store.Root.Child(key),
                $"this object is not compressed, and reads of its name would not see {Quoted(SeekableFormat.Name(key))}; "
                + $"nothing was written. {Ways(key)}");
    }

    /// <summary>After <paramref name="key"/> with the suffix was written: from then on a read finds it, or what was saved later.</summary>
    /// <exception cref="StoreException">AlreadyExists: a plain object was saved at the same time.</exception>
    public static async ValueTask CheckAfterAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        if (await IsPlainThereAsync(store, key, cancel).ConfigureAwait(false))
            throw new StoreException(
                ErrorKind.AlreadyExists, store.Root.Child(key),
                $"this object was saved by another writer, not compressed, while {Quoted(SeekableFormat.Name(key))} was written: both are "
                + $"there, and reads of this name give the other writer's. {Ways(key)}");
    }

    /// <summary>
    /// Before a plain object is created that must be the first of its name. Where the look is not permitted it is created: reads of the
    /// name give it, whatever else is there.
    /// </summary>
    /// <exception cref="StoreException">AlreadyExists: a compressed object is there, which reads of the name find.</exception>
    public static async ValueTask CheckUnusedAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        string name = SeekableFormat.Name(key);
        try
        {
            if (!await IsThereAsync(store, name, cancel).ConfigureAwait(false))
                return;
        }
        catch (StoreException error) when (error.Kind is ErrorKind.PermissionDenied or ErrorKind.InvalidArgument)
        {
            // with the suffix a name can be longer than the store's names are
            return;
        }
        throw new StoreException(
            ErrorKind.AlreadyExists, store.Root.Child(name),
            $"reads of {Quoted(key)} find this object and overwrite is off; delete it first, or save with overwrite");
    }

    static async ValueTask<bool> IsPlainThereAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        try
        {
            return await IsThereAsync(store, key, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.PermissionDenied)
        {
            throw new StoreException(
                error.Kind, error.Uri, $"whether this object is there may not be seen ({error.Detail}), and one that is there would be "
                + $"read in place of the compressed one. A save to {Quoted(SeekableFormat.Name(key))} need not know", cause: error)
            { Reason = error.Reason };
        }
    }

    static async ValueTask<bool> IsThereAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        try
        {
            if (store.IsNear)
            {
                await store.HeadAsync(key, cancel).ConfigureAwait(false);
                return true;
            }
            // a request for a byte: S3 says why it has none, while a HEAD that finds nothing needs another to tell
            var reader = await store.OpenReadAsync(key, new ReadOptions { FirstLength = 1 }, cancel).ConfigureAwait(false);
            await reader.DisposeAsync().ConfigureAwait(false);
            return true;
        }
        catch (StoreException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.NotDirectory)
        {
            return false;
        }
    }

    static string Ways(string key) => $"Delete it first, or save to {Quoted(SeekableFormat.Name(key))}, which reads of that name find";

    static string Quoted(string key) => MessageText.Quote(key.AsSpan(key.LastIndexOf('/') + 1));
}
