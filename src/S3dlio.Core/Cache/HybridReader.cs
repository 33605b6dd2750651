using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>
/// One version of one object, by blocks: those that the cache has come from there, the others from the store, and are kept. All that is
/// read
/// of the store names the version, so bytes of two are never mixed.
/// </summary>
sealed partial class HybridReader : ObjectReader
{
    const int OpenBlocks = 4;

    /// <summary>Bytes of a read of what is known, and not there.</summary>
    const int PartLength = 8 << 20;

    readonly HybridStore _store;
    readonly CacheDirectory _directory;
    readonly ObjectVersion _version;
    readonly BlockStore.Open?[] _open = new BlockStore.Open?[OpenBlocks];
    readonly Lock _gate = new();
    readonly Dictionary<long, Flights.Flight> _held = [];
    readonly HashSet<long> _touched = [];
    readonly string _uri;
    readonly bool _isKept;
    ObjectMeta _meta;
    Task<ObjectReader>? _inner;
    long _hitBytes;
    bool _knowsBlocks, _disposed, _isDistrusted;

    /// <param name="store">Where it was opened.</param>
    /// <param name="directory">Where its blocks are.</param>
    /// <param name="version">Which version.</param>
    /// <param name="entry">What is known of it.</param>
    /// <param name="inner">The store's own reader, where it was opened for this.</param>
    /// <param name="held">The blocks that its first answer brings, which nobody else has to fetch.</param>
    public HybridReader(HybridStore store, CacheDirectory directory, ObjectVersion version, MetaEntry entry, ObjectReader? inner,
        IEnumerable<(long, Flights.Flight)> held)
    {
        (_store, _directory, _version, _meta, _knowsBlocks) = (store, directory, version, entry.Meta, entry.KnowsBlocks);
        _uri = store.Root.Child(entry.Meta.Key);
        _inner = inner is null ? null : Task.FromResult(inner);
        _isKept = inner is null && directory.Has(version.Id(0));
        foreach (var (block, flight) in held)
            _held[block] = flight;
    }

    /// <summary>The first block that is wanted, open already.</summary>
    public BlockStore.Open? First
    {
        init
        {
            if (value is not null)
                _open[value.Block % OpenBlocks] = value;
        }
    }

    public override ObjectMeta Meta => _meta;

    public override long? CachedBytes => Volatile.Read(ref _hitBytes);

    /// <remarks>What the cache has is read as files are; what it lacks as the store likes it best, by whole blocks.</remarks>
    public override TransferHints Hints
    {
        get
        {
            int block = _version.BlockSize;
            if (_isKept)
                return new(PartSize: Math.Min(256 << 10, block), Concurrency: Math.Clamp(Environment.ProcessorCount, 1, 4), Gap: 0);
            var hints = _inner is { IsCompletedSuccessfully: true } inner ? inner.Result.Hints
                : new TransferHints(PartLength, Math.Clamp(_store.RequestsAtOnce, 2, 16));
            return hints with { PartSize = Math.Max(hints.PartSize / block, 1) * block, Alignment = block };
        }
    }

    public override async ValueTask<BlockChecksums?> FindBlocksAsync(CancellationToken cancel)
    {
        if (_meta.Blocks is not null || _knowsBlocks)
            return _meta.Blocks;
        var inner = await InnerAsync(0, 0).WaitAsync(cancel).ConfigureAwait(false);
        var blocks = await inner.FindBlocksAsync(cancel).ConfigureAwait(false);
        (_meta, _knowsBlocks) = (_meta with { Blocks = blocks }, true);
        _store.KeepBlocks(_directory, _meta);
        return blocks;
    }

    public override ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (_disposed)
            throw new StoreException(ErrorKind.Closed, _uri, "the reader was disposed");
        if (offset < 0 || offset > _version.Size - destination.Length)
            throw new StoreException(ErrorKind.InvalidArgument, _uri,
                $"bytes {offset}..{offset + destination.Length} were asked for, the object has {_version.Size}");
        if (destination.Length == 0)
            return ValueTask.CompletedTask;
        List<long>? missing = null;
        for (long block = offset / _version.BlockSize; block * _version.BlockSize < offset + destination.Length; block++)
        {
            if (!TryHit(block, offset, destination))
                (missing ??= []).Add(block);
        }
        return missing is null ? ValueTask.CompletedTask : FillAsync(missing, offset, destination, cancel);
    }

    /// <summary>What was read of the cache or kept there is fetched anew by whoever wants it next.</summary>
    public override void Distrust()
    {
        long[] touched;
        lock (_gate)
        {
            _isDistrusted = true;
            touched = [.. _touched];
        }
        foreach (long block in touched)
            _directory.Remove(_version.Id(block));
        _store.Forget(_directory, _meta.Key);
    }

    public override async ValueTask DisposeAsync()
    {
        Task<ObjectReader>? inner;
        lock (_gate)
        {
            _disposed = true;
            inner = _inner;
            foreach (var flight in _held.Values)
                flight.Dispose();
            _held.Clear();
        }
        for (int i = 0; i < OpenBlocks; i++)
            Interlocked.Exchange(ref _open[i], null)?.Dispose();
        if (inner is null)
            return;
        try
        {
            await (await inner.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
        catch (StoreException)
        {
            // it was never opened, which whoever waited for it has heard
        }
    }

    /// <summary>Copies what a block has of the wanted bytes.</summary>
    bool TryHit(long block, long offset, Memory<byte> destination)
    {
        var (begin, target) = Part(block, offset, destination);
        var open = Interlocked.Exchange(ref _open[block % OpenBlocks], null);
        if (open is not null && open.Block != block)
        {
            open.Dispose();
            open = null;
        }
        open ??= _directory.IsResting ? null : BlockStore.TryOpen(_directory, _version, block);
        if (open is null)
            return false;
        if (!BlockStore.TryRead(_directory, _version, open, begin, target.Span))
        {
            open.Dispose();
            return false;
        }
        Interlocked.Exchange(ref _open[block % OpenBlocks], open)?.Dispose();
        if (_disposed)
            Interlocked.Exchange(ref _open[block % OpenBlocks], null)?.Dispose();
        Interlocked.Increment(ref _directory.Counters.Hits);
        Interlocked.Add(ref _directory.Counters.HitBytes, target.Length);
        Interlocked.Add(ref _hitBytes, target.Length);
        Touch(block);
        return true;
    }

    /// <summary>An open reader counts as one read of a block, in however many pieces.</summary>
    void Touch(long block)
    {
        lock (_gate)
        {
            if (!_touched.Add(block))
                return;
        }
        _directory.Queue.Touch(_version.Id(block));
        _store.Found(_meta.Key);
    }

    (int Begin, Memory<byte> Target) Part(long block, long offset, Memory<byte> destination)
    {
        long start = block * _version.BlockSize, from = Math.Max(start, offset),
            to = Math.Min(start + _version.BlockSize, offset + destination.Length);
        return ((int)(from - start), destination[(int)(from - offset)..(int)(to - offset)]);
    }
}
