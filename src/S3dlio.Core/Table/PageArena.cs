using System.Runtime.InteropServices;
using S3dlio.IO;

namespace S3dlio.Table;

/// <summary>
/// The memory of pages, all of one size. It is taken in chunks of huge pages, since rows are met at random, and kept for the next page when
/// one is given back.
/// </summary>
sealed unsafe class PageArena(int pageBytes) : IDisposable
{
    const int HugePage = 2 << 20, MostChunk = 32 << 20;

    readonly Lock _gate = new();
    readonly Stack<nint> _free = new();
    readonly List<nint> _chunks = [];
    readonly Lock _populating = new();
    long _used;
    bool _isDisposed;

    /// <summary>Bytes of the pages that are taken.</summary>
    public long Used => Volatile.Read(ref _used);

    /// <summary>Bytes taken from the system.</summary>
    public long Reserved { get; private set; }

    public nint Take()
    {
        lock (_gate)
        {
            if (_free.Count == 0)
                Grow();
            _used += pageBytes;
            return _free.Pop();
        }
    }

    public void Give(nint page)
    {
        lock (_gate)
        {
            _free.Push(page);
            _used -= pageBytes;
        }
    }

    public void Dispose()
    {
        lock (_populating)
            _isDisposed = true;
        lock (_gate)
        {
            foreach (nint chunk in _chunks)
                NativeMemory.AlignedFree((void*)chunk);
            _chunks.Clear();
            _free.Clear();
            (_used, Reserved) = (0, 0);
        }
    }

    /// <summary>A chunk as large as all before it, so that small tables stay small.</summary>
    void Grow()
    {
        long wanted = Math.Max(pageBytes, Math.Clamp(Reserved, HugePage, MostChunk));
        long length = (wanted + HugePage - 1) / HugePage * HugePage;
        byte* chunk = (byte*)NativeMemory.AlignedAlloc((nuint)length, HugePage);
        Interop.UseHugePages(chunk, (nuint)length);
        _chunks.Add((nint)chunk);
        Reserved += length;
        for (long at = (length / pageBytes) - 1; at >= 0; at--)
            _free.Push((nint)(chunk + (at * pageBytes)));
        if (length > HugePage)
            ThreadPool.UnsafeQueueUserWorkItem(_ => Populate((nint)chunk, length), null);
    }

    /// <summary>Zeroing pages takes a third of the time of filling them: another thread does it ahead of who fills them.</summary>
    void Populate(nint chunk, long length)
    {
        // the first one is being met already
        for (long at = HugePage; at < length; at += HugePage)
        {
            lock (_populating)
            {
                if (_isDisposed)
                    return;
                Interop.Populate((byte*)chunk + at, HugePage);
            }
        }
    }
}
