using S3dlio.Storage;

namespace S3dlio.OpLog;

/// <summary>An open object whose reads become one row when it is let go.</summary>
sealed class RecordedReader(ObjectReader inner, RecordedStore store, string key, long start, long opened) : DelegatingReader(inner)
{
    readonly ObjectReader _inner = inner;
    long _bytes, _offset = long.MaxValue, _end;
    Exception? _error;
    int _told;

    public override async ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        try
        {
            await _inner.ReadAsync(offset, destination, cancel).ConfigureAwait(false);
            Did(offset, destination.Length);
        }
        catch (Exception error)
        {
            _error ??= error;
            throw;
        }
    }

    public override async ValueTask ReadAsync(IReadOnlyList<ReadRange> segments, CancellationToken cancel)
    {
        try
        {
            await _inner.ReadAsync(segments, cancel).ConfigureAwait(false);
            foreach (var segment in segments)
                Did(segment.Offset, segment.Target.Length);
        }
        catch (Exception error)
        {
            _error ??= error;
            throw;
        }
    }

    public override ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
        {
            bool whole = _bytes >= _inner.Meta.Size;
            store.Record(
                OpName.Get, key, start, bytes: _bytes, first: _bytes > 0 ? opened : null, end: Math.Max(opened, Volatile.Read(ref _end)),
                offset: whole || _bytes == 0 ? null : _offset, cached: _inner.CachedBytes, error: _error);
        }
        return base.DisposeAsync();
    }

    void Did(long offset, int length)
    {
        Interlocked.Add(ref _bytes, length);
        for (long seen = _offset; offset < seen;)
            seen = Interlocked.CompareExchange(ref _offset, offset, seen) is var now && now == seen ? offset : now;
        Volatile.Write(ref _end, OpClock.Now);
    }
}
