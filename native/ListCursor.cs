using System.Runtime.InteropServices;
using System.Text;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>A listing under way: pages are fetched as they are asked for, so that memory stays flat however much there is.</summary>
sealed class ListCursor : IAsyncDisposable
{
    readonly SemaphoreSlim _one = new(1, 1);
    readonly CancellationTokenSource _stop = new();
    readonly IAsyncEnumerator<ListPage> _pages;
    ListPage? _page;
    int _next;

    public ListCursor(Func<CancellationToken, IAsyncEnumerable<ListPage>> list) => _pages = list(_stop.Token).GetAsyncEnumerator(_stop.Token);

    /// <summary>The next page, or null at the end. A cancel ends the whole listing.</summary>
    public async Task<ListPage?> NextPageAsync(CancellationToken cancel)
    {
        // two threads with one cursor take turns
        await _one.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            using var _ = cancel.Register(_stop.Cancel);
            return await _pages.MoveNextAsync().ConfigureAwait(false) ? _pages.Current : null;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>The next entry of the pages: prefixes of a page after its objects.</summary>
    public async Task<(ObjectMeta? Object, string? Prefix)> NextEntryAsync(CancellationToken cancel)
    {
        while (_page is null || _next >= _page.Objects.Count + _page.Prefixes.Count)
        {
            _page = await NextPageAsync(cancel).ConfigureAwait(false);
            _next = 0;
            if (_page is null)
                return (null, null);
        }
        int i = _next++;
        return i < _page.Objects.Count ? (_page.Objects[i], null) : (null, _page.Prefixes[i - _page.Objects.Count]);
    }

    /// <summary>The text of the entry handed out last, for C.</summary>
    public unsafe byte* Hold(string key, out nuint length)
    {
        Release();
        byte[] text = Encoding.UTF8.GetBytes(key);
        length = (nuint)text.Length;
        _held = (nint)NativeMemory.Alloc((nuint)text.Length + 1);
        text.CopyTo(new Span<byte>((byte*)_held, text.Length));
        ((byte*)_held)[text.Length] = 0;
        return (byte*)_held;
    }

    nint _held;

    unsafe void Release()
    {
        NativeMemory.Free((void*)_held);
        _held = 0;
    }

    public async ValueTask DisposeAsync()
    {
        await _one.WaitAsync().ConfigureAwait(false);
        try
        {
            await _pages.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            _one.Release();
        }
        Release();
        _stop.Dispose();
    }
}
