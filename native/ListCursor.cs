using System.Runtime.InteropServices;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>One entry of a listing.</summary>
/// <param name="Object">Null for a folded prefix.</param>
/// <param name="Key">The key as C reads it; the cursor's, until the next entry.</param>
readonly record struct ListEntry(ObjectMeta? Object, nint Key, nuint KeyLength);

/// <summary>A listing under way: pages are fetched as they are asked for, so that memory stays flat however much there is.</summary>
sealed class ListCursor : IAsyncDisposable
{
    /// <summary>Threads that share a cursor take turns: everything below is touched by the one that has this.</summary>
    readonly SemaphoreSlim _one = new(1, 1);
    readonly CancellationTokenSource _stop = new();
    readonly IAsyncEnumerator<ListPage> _pages;
    StoreException? _failure;
    ListPage? _page;
    int _next;
    nint _key;

    public ListCursor(Func<CancellationToken, IAsyncEnumerable<ListPage>> list) =>
        _pages = list(_stop.Token).GetAsyncEnumerator(_stop.Token);

    /// <summary>The next page, or null at the end. A cancel ends the whole listing.</summary>
    public async Task<ListPage?> NextPageAsync(CancellationToken cancel)
    {
        await _one.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            return await FetchAsync(cancel).ConfigureAwait(false);
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>The next entry of the pages, or null at the end: prefixes of a page after its objects.</summary>
    public async Task<ListEntry?> NextEntryAsync(CancellationToken cancel)
    {
        await _one.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            while (_page is null || _next >= _page.Objects.Count + _page.Prefixes.Count)
            {
                _page = await FetchAsync(cancel).ConfigureAwait(false);
                _next = 0;
                if (_page is null)
                    return null;
            }
            int i = _next++;
            var found = i < _page.Objects.Count ? _page.Objects[i] : null;
            Place(found?.Key ?? _page.Prefixes[i - _page.Objects.Count], out nuint length);
            return new ListEntry(found, _key, length);
        }
        finally
        {
            _one.Release();
        }
    }

    async Task<ListPage?> FetchAsync(CancellationToken cancel)
    {
        // an enumerator that failed says that it is at its end, and half a listing would pass as a whole one
        if (_failure is not null)
            throw _failure;
        try
        {
            using var _ = cancel.Register(_stop.Cancel);
            return await _pages.MoveNextAsync().ConfigureAwait(false) ? _pages.Current : null;
        }
        catch (Exception error)
        {
            _failure = error as StoreException ?? LastError.Translate(error);
            throw;
        }
    }

    unsafe void Place(string key, out nuint length)
    {
        byte[] bytes = PathText.Encode(key);
        length = (nuint)bytes.Length;
        byte* at = (byte*)NativeMemory.Realloc((void*)_key, length + 1);
        _key = (nint)at;
        bytes.CopyTo(new Span<byte>(at, bytes.Length));
        at[bytes.Length] = 0;
    }

    unsafe void FreeKey()
    {
        NativeMemory.Free((void*)_key);
        _key = 0;
    }

    /// <summary>Cancels a page under way; its waiter, and later calls, fail with Closed.</summary>
    /// <remarks>
    /// The semaphore and the token source stay usable: threads that found the cursor before it was closed may still come.
    /// </remarks>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _one.WaitAsync().ConfigureAwait(false);
        try
        {
            _failure = new StoreException(ErrorKind.Closed, "list", "this list was closed");
            _page = null;
            await _pages.DisposeAsync().ConfigureAwait(false);
            FreeKey();
        }
        finally
        {
            _one.Release();
        }
    }
}
