using System.Runtime.CompilerServices;
using S3dlio.Storage;

namespace S3dlio.Cli.Addresses;

/// <summary>An object that an argument stands for.</summary>
/// <param name="Place">The argument.</param>
/// <param name="Relative">Where it goes below a destination.</param>
/// <param name="Meta">As far as the listing, or a look at the object, knows it.</param>
readonly record struct Found(Place Place, string Relative, ObjectMeta Meta)
{
    public string Address => Place.Address(Meta.Key);
}

/// <summary>What arguments stand for: an object, the objects below a path, those that wildcards match.</summary>
static class Tree
{
    /// <summary>
    /// The objects of one argument, in the order of their keys. A path names the object of that key and, with <paramref name="recursive"/>,
    /// everything below it. Keys that end with <c>/</c> mark folders and are no objects.
    /// </summary>
    /// <exception cref="StoreException">NotFound: there is nothing; IsDirectory: there is only something below, and it was not asked
    /// for.</exception>
    public static async IAsyncEnumerable<Found> FindAsync(Place place, bool recursive, Filter filter,
        [EnumeratorCancellation] CancellationToken cancel)
    {
        bool any = false;
        if (place.Glob is { } glob)
        {
            await foreach (var found in MatchAsync(place, glob, recursive, cancel))
            {
                any = true;
                if (filter.Passes(found.Relative, found.Meta))
                    yield return found;
            }
            if (!any)
                throw new StoreException(ErrorKind.NotFound, place.ToString(), "no object matches");
            yield break;
        }
        if (!place.IsFolder && await LookAsync(place, cancel) is { } self)
        {
            any = true;
            if (filter.Passes(place.Name, self))
                yield return new Found(place, place.Name, self);
        }
        if (!recursive)
        {
            if (!any)
                throw await IsThereAsync(place, cancel)
                    ? new StoreException(ErrorKind.IsDirectory, place.ToString(), "this is a folder; add -r for all that is below it")
                    : NotFound(place);
            yield break;
        }
        await foreach (var found in BelowAsync(place, cancel))
        {
            any = true;
            if (filter.Passes(found.Relative, found.Meta))
                yield return found;
        }
        if (!any && !await place.Store.IsDirectoryAsync(place.Key.TrimEnd('/'), cancel))
            throw NotFound(place);
    }

    /// <summary>Everything below a path.</summary>
    public static async IAsyncEnumerable<Found> BelowAsync(Place place, [EnumeratorCancellation] CancellationToken cancel)
    {
        string prefix = place.Prefix;
        await foreach (var page in place.Store.ListAsync(prefix, ListOptions.Default, cancel))
        {
            foreach (var meta in page.Objects)
            {
                if (meta.Key.Length > prefix.Length && !meta.Key.EndsWith('/'))
                    yield return new Found(place, meta.Key[prefix.Length..], meta);
            }
        }
    }

    static async IAsyncEnumerable<Found> MatchAsync(Place place, Glob glob, bool recursive,
        [EnumeratorCancellation] CancellationToken cancel)
    {
        string prefix = place.Prefix;
        string fixedPart = glob.Pattern[..Glob.FirstWildcard(glob.Pattern)];
        // one level suffices where no wildcard crosses names
        bool deep = recursive || glob.Pattern.Contains('/', StringComparison.Ordinal)
            || glob.Pattern.Contains("**", StringComparison.Ordinal);
        await foreach (var page in place.Store.ListAsync(prefix + fixedPart, ListOptions.Default with { Recursive = deep }, cancel))
        {
            foreach (var meta in page.Objects)
            {
                string relative = meta.Key[prefix.Length..];
                if (relative.Length > 0 && !relative.EndsWith('/') && glob.Matches(relative, orBelow: recursive))
                    yield return new Found(place, relative, meta);
            }
        }
    }

    /// <summary>The object, or null where there is none of that very key.</summary>
    public static async ValueTask<ObjectMeta?> LookAsync(Place place, CancellationToken cancel)
    {
        try
        {
            return await place.Store.HeadAsync(place.Key, cancel);
        }
        catch (StoreException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.IsDirectory or ErrorKind.NotDirectory)
        {
            return null;
        }
    }

    /// <summary>Whether there is a folder, or anything below the path.</summary>
    public static async ValueTask<bool> IsThereAsync(Place place, CancellationToken cancel)
    {
        if (await place.Store.IsDirectoryAsync(place.Key.TrimEnd('/'), cancel))
            return true;
        await foreach (var page in place.Store.ListAsync(place.Prefix, new ListOptions { PageSize = 1 }, cancel))
        {
            if (page.Objects.Count + page.Prefixes.Count > 0)
                return true;
        }
        return false;
    }

    public static StoreException NotFound(Place place) =>
        new(ErrorKind.NotFound, place.ToString(), "no such object or folder");
}
