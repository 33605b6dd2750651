using S3dlio.Storage;

namespace S3dlio.Datasets;

/// <summary>
/// What the listing of a store tells of a manifest's objects, a request for a thousand of them. The manifest and the listing have one
/// order, so both are gone through side by side in flat memory; of what is not found so, nothing is known, and it is asked for alone.
/// </summary>
/// <param name="store">The store.</param>
/// <param name="prefix">What the keys of the objects begin with.</param>
/// <param name="cancel">Ends the listing.</param>
public sealed class ListedEntries(ObjectStore store, string prefix, CancellationToken cancel) : IAsyncDisposable
{
    // a page whose objects are mostly others costs more than asking for the few that are wanted
    const int FreePages = 4, FoundPerPage = 16;

    IAsyncEnumerator<ListPage>? _pages;
    IReadOnlyList<ObjectMeta> _page = [];
    string? _last;
    int _at;
    long _seen, _found;

    // a local store is asked at once, and tells more of each object than its listing does
    bool _ended = store.Root.IsLocal;

    /// <summary>An object as the listing has it. Keys come in ascending order.</summary>
    /// <returns>Null: it is not in the listing, or the listing was given up; a request of its own tells.</returns>
    public async ValueTask<ObjectMeta?> FindAsync(string key)
    {
        if (_ended || (_last is not null && ObjectKey.Compare(_last, key) >= 0))
            return null;
        _last = key;
        while (true)
        {
            for (; _at < _page.Count; _at++)
            {
                int order = ObjectKey.Compare(_page[_at].Key, key);
                if (order > 0)
                    return null;
                if (order == 0)
                {
                    _found++;
                    return _page[_at++];
                }
            }
            if (!await NextPageAsync().ConfigureAwait(false))
                return null;
        }
    }

    async ValueTask<bool> NextPageAsync()
    {
        _pages ??= store.ListAsync(prefix, ListOptions.Default, cancel).GetAsyncEnumerator(cancel);
        if (_seen * FoundPerPage > FreePages * FoundPerPage + _found || !await _pages.MoveNextAsync().ConfigureAwait(false))
        {
            (_ended, _page) = (true, []);
            return false;
        }
        (_page, _at) = (_pages.Current.Objects, 0);
        _seen++;
        return true;
    }

    public ValueTask DisposeAsync() => _pages?.DisposeAsync() ?? ValueTask.CompletedTask;
}
