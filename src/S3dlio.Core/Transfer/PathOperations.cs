using System.Runtime.CompilerServices;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// What users expect of paths, built over the core operations. A path names the object of that key and everything below <c>key/</c>:
/// <c>run1</c> never touches <c>run10</c>.
/// </summary>
public static class PathOperations
{
    const int DeleteBatch = 1000;

    /// <summary>True for an object, or for a path with something below it, or for a directory.</summary>
    public static async ValueTask<bool> ExistsAsync(ObjectStore store, string path, CancellationToken cancel)
    {
        string key = path.TrimEnd('/');
        if (key.Length > 0 && key.Length == path.Length)
        {
            try
            {
                await store.HeadAsync(key, cancel).ConfigureAwait(false);
                return true;
            }
            catch (StoreException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.NotDirectory)
            {
                // not an object; it may still be a prefix. Every other error says nothing about existence, so it goes to the caller
            }
            catch (StoreException error) when (error.Kind is ErrorKind.IsDirectory)
            {
                return true;
            }
        }
        if (await store.IsDirectoryAsync(key, cancel).ConfigureAwait(false))
            return true;
        await foreach (var page in store.ListAsync(
                key.Length == 0 ? "" : key + "/", new ListOptions { PageSize = 1 }, cancel).ConfigureAwait(false))
        {
            if (page.Objects.Count + page.Prefixes.Count > 0)
                return true;
        }
        return false;
    }

    /// <summary>
    /// Lists a path: the object of that key itself, then what is below <c>key/</c>. The pattern is for the part of a key below the path,
    /// so that where a tree lies makes no difference; for the object itself it is for the last part of its key.
    /// </summary>
    public static async IAsyncEnumerable<ListPage> ListAsync(
        ObjectStore store, string path, ListOptions options, [EnumeratorCancellation] CancellationToken cancel)
    {
        options.Check(store.Root);
        string key = path.TrimEnd('/');
        var pattern = options.Pattern;
        if (key.Length > 0 && key.Length == path.Length && (options.StartAfter is null || ObjectKey.Compare(options.StartAfter, key) < 0))
        {
            var self = await HeadOrNullAsync(store, key, cancel).ConfigureAwait(false);
            if (self is not null && (pattern?.IsMatch(key[(key.LastIndexOf('/') + 1)..]) ?? true))
                yield return new ListPage([self], []);
        }
        string prefix = key.Length == 0 ? "" : key + "/";
        await foreach (var page in store.ListAsync(prefix, options with { Pattern = null }, cancel).ConfigureAwait(false))
        {
            yield return pattern is null
                ? page
                : page with { Objects = [.. page.Objects.Where(found => pattern.IsMatch(found.Key[prefix.Length..]))] };
        }
    }

    /// <summary>Deletes one object; of a path that ends with <c>/</c> the objects right below it, of which there may be none.</summary>
    /// <returns>How many were deleted.</returns>
    /// <exception cref="StoreException">NotFound when the object is not there.</exception>
    public static async ValueTask<long> DeleteAsync(ObjectStore store, string key, ITransferProgress progress, CancellationToken cancel)
    {
        // the root of a store is no path that one character too many may empty
        if (key.EndsWith('/') && key.Trim('/').Length > 0)
            return await DeleteListedAsync(
                store, key, ListOptions.Default with { Recursive = false }, progress, cancel).ConfigureAwait(false);
        await store.HeadAsync(key, cancel).ConfigureAwait(false);
        foreach (var failure in await store.DeleteAsync([key], cancel).ConfigureAwait(false))
            throw failure.Error;
        return 1;
    }

    /// <summary>Deletes the object of that key and everything below it; nothing there is not an error.</summary>
    /// <returns>How many objects were deleted.</returns>
    /// <exception cref="StoreException">The first failure, with the count of the others, after everything else was deleted.</exception>
    public static async ValueTask<long> DeleteRecursiveAsync(
        ObjectStore store, string path, ITransferProgress progress, CancellationToken cancel)
    {
        if (await store.DeleteTreeAsync(path, progress, cancel).ConfigureAwait(false) is { } done)
            return done.First is null ? done.Deleted : throw Incomplete(store, path, done.First, done.Failed, done.Deleted);
        long deleted = await DeleteListedAsync(store, path, ListOptions.Default, progress, cancel).ConfigureAwait(false);
        await store.RemoveDirectoryAsync(path.TrimEnd('/'), cancel).ConfigureAwait(false);
        return deleted;
    }

    static async ValueTask<long> DeleteListedAsync(
        ObjectStore store, string path, ListOptions options, ITransferProgress progress, CancellationToken cancel)
    {
        long deleted = 0;
        var failures = new List<DeleteFailure>();
        var batch = new List<string>(DeleteBatch);
        async ValueTask Flush()
        {
            var failed = await store.DeleteAsync(batch, cancel).ConfigureAwait(false);
            failures.AddRange(failed);
            deleted += batch.Count - failed.Count;
            progress.Report(batch.Count);
            batch.Clear();
        }
        await foreach (var page in ListAsync(store, path, options, cancel).ConfigureAwait(false))
        {
            foreach (var item in page.Objects)
            {
                batch.Add(item.Key);
                if (batch.Count == DeleteBatch)
                    await Flush().ConfigureAwait(false);
            }
        }
        if (batch.Count > 0)
            await Flush().ConfigureAwait(false);
        if (failures.Count > 0)
            throw Incomplete(store, path, failures[0].Error, failures.Count, deleted);
        return deleted;
    }

    static StoreException Incomplete(ObjectStore store, string path, StoreException first, long failed, long deleted) =>
        new(first.Kind, first.Uri,
            $"{first.Detail} ({failed} of {deleted + failed} objects below {store.Root.Child(path)} could not be deleted)",
            cause: first)
        { Reason = first.Reason };

    static async ValueTask<ObjectMeta?> HeadOrNullAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        try
        {
            return await store.HeadAsync(key, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.IsDirectory or ErrorKind.NotDirectory)
        {
            return null;
        }
    }
}
