using System.Runtime.CompilerServices;

namespace S3dlio.Storage.Multi;

public sealed partial class MultiStore
{
    /// <remarks>
    /// Of replicas one is listed, from its beginning to its end: were another to take over in the middle, what is missing between them
    /// would be missing in silence. Separate endpoints are listed in parallel, a page of each in memory; one that is down fails the
    /// listing.
    /// </remarks>
    public override async IAsyncEnumerable<ListPage> ListAsync(
        string prefix, ListOptions options, [EnumeratorCancellation] CancellationToken cancel)
    {
        options.Check(Root);
        CheckIsKey(prefix);
        var listed = _options.Replicas
            ? [await RunAnyAsync(async (endpoint, _) => await Source.OpenAsync(endpoint, prefix, options, cancel).ConfigureAwait(false))
                    .ConfigureAwait(false)]
            : await OpenAllAsync(prefix, options, cancel).ConfigureAwait(false);
        try
        {
            var page = new ListPageBuilder();
            while (true)
            {
                // the smallest key of all; where several have it, the newest object
                Entry? least = null;
                foreach (var source in listed)
                {
                    if (source.Current is { } entry
                            && (least is not { } best || Entry.Compare(entry, best) is var order
                                    && (order < 0 || (order == 0 && entry.IsNewer(best)))))
                        least = entry;
                }
                if (least is not { } next)
                    break;
                page.Add(next.Key, next.Object);
                foreach (var source in listed)
                {
                    if (source.Current is { } entry && Entry.Compare(entry, next) == 0)
                        await source.MoveAsync().ConfigureAwait(false);
                }
                if (page.Count == options.PageSize)
                    yield return page.Take();
            }
            if (page.Count > 0)
                yield return page.Take();
        }
        finally
        {
            foreach (var source in listed)
                await source.DisposeAsync().ConfigureAwait(false);
        }
    }

    async ValueTask<Source[]> OpenAllAsync(string prefix, ListOptions options, CancellationToken cancel)
    {
        var opening = _endpoints.Select(
            endpoint => endpoint.RunAsync(_ => Source.OpenAsync(endpoint, prefix, options, cancel)).AsTask()).ToArray();
        try
        {
            return await Task.WhenAll(opening).ConfigureAwait(false);
        }
        catch
        {
            foreach (var task in opening)
            {
                if (task.IsCompletedSuccessfully)
                    await (await task.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
            }
            throw;
        }
    }

    /// <summary>An object or a folded prefix.</summary>
    readonly record struct Entry(string Key, ObjectMeta? Object)
    {
        public static int Compare(Entry a, Entry b) =>
            ObjectKey.Compare(a.Key, b.Key) is var order && order != 0 ? order : (a.Object is null ? 1 : 0) - (b.Object is null ? 1 : 0);

        public bool IsNewer(Entry other) =>
            Object is not null && other.Object is not null && Object.LastModified > other.Object.LastModified;
    }

    /// <summary>One endpoint's listing, entry by entry in the order of the keys.</summary>
    sealed class Source(Endpoint endpoint, IAsyncEnumerator<ListPage> pages) : IAsyncDisposable
    {
        Entry[] _page = [];
        int _at;

        public Entry? Current => _at < _page.Length ? _page[_at] : null;

        public static async ValueTask<Source> OpenAsync(Endpoint endpoint, string prefix, ListOptions options, CancellationToken cancel)
        {
            var source = new Source(endpoint, endpoint.Store.ListAsync(prefix, options, cancel).GetAsyncEnumerator(cancel));
            try
            {
                await source.NextPageAsync().ConfigureAwait(false);
                return source;
            }
            catch
            {
                await source.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }

        public async ValueTask MoveAsync()
        {
            if (++_at < _page.Length)
                return;
            try
            {
                await NextPageAsync().ConfigureAwait(false);
            }
            catch (StoreException error)
            {
                endpoint.Failed(error);
                throw;
            }
        }

        public ValueTask DisposeAsync() => pages.DisposeAsync();

        async ValueTask NextPageAsync()
        {
            (_page, _at) = ([], 0);
            while (_page.Length == 0 && await pages.MoveNextAsync().ConfigureAwait(false))
            {
                var page = pages.Current;
                _page = [.. page.Objects.Select(found => new Entry(found.Key, found)),
                    .. page.Prefixes.Select(prefix => new Entry(prefix, null))];
                if (page.Prefixes.Count > 0)
                    Array.Sort(_page, Entry.Compare);
            }
        }
    }
}
