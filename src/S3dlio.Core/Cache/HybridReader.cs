using System.Buffers;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>
/// One version of one object, by blocks: those that the cache has come from there, the others from the store, and are kept. All that is
/// read
/// of the store names the version, so bytes of two are never mixed.
/// </summary>
sealed class HybridReader : ObjectReader
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
    bool _knowsBlocks, _disposed;

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
            touched = [.. _touched];
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

    async ValueTask FillAsync(List<long> missing, long offset, Memory<byte> destination, CancellationToken cancel)
    {
        bool alone = false;
        while (missing.Count > 0)
        {
            cancel.ThrowIfCancellationRequested();
            var (mine, others) = (new List<long>(), new List<long>());
            var flights = new List<Flights.Flight>();
            try
            {
                foreach (long block in missing)
                {
                    var flight = TakeHeld(block) ?? _directory.Flights.TryBegin(_version.Id(block));
                    if (flight is not null)
                        flights.Add(flight);
                    if (flight is null && !alone)
                        others.Add(block);
                    // it may have come between the look and this
                    else if (!_directory.Has(_version.Id(block)) || !TryHit(block, offset, destination))
                        mine.Add(block);
                }
                for (int i = 0, run; i < mine.Count; i += run)
                {
                    for (run = 1; i + run < mine.Count && mine[i + run] == mine[i] + run; run++)
                    {
                    }
                    await FetchAsync(mine[i], run, offset, destination, cancel).ConfigureAwait(false);
                }
            }
            finally
            {
                foreach (var flight in flights)
                    flight.Dispose();
            }
            foreach (long block in others)
            {
                Interlocked.Increment(ref _directory.Counters.Waits);
                var id = _version.Id(block);
                // whoever waited too long for one does not wait for the next
                alone |= !await _directory.Flights.WaitAsync(id, () => _directory.Has(id), cancel).ConfigureAwait(false);
            }
            others.RemoveAll(block => TryHit(block, offset, destination));
            missing = others;
        }
    }

    Flights.Flight? TakeHeld(long block)
    {
        lock (_gate)
            return _held.Remove(block, out var flight) ? flight : null;
    }

    /// <summary>
    /// Reads blocks that lie side by side from the store: what is wanted of them into the caller's memory, the rest beside it.
    /// </summary>
    async ValueTask FetchAsync(long first, int count, long offset, Memory<byte> destination, CancellationToken cancel)
    {
        long start = first * _version.BlockSize, end = Math.Min(_version.Size, (first + count) * _version.BlockSize);
        long from = Math.Max(start, offset), to = Math.Min(end, offset + destination.Length);
        byte[] before = ArrayPool<byte>.Shared.Rent((int)Math.Max(1, from - start)),
            after = ArrayPool<byte>.Shared.Rent((int)Math.Max(1, end - to));
        try
        {
            var parts = new List<ReadRange>(3);
            Add(start, before.AsMemory(0, (int)(from - start)));
            Add(from, destination[(int)(from - offset)..(int)(to - offset)]);
            Add(to, after.AsMemory(0, (int)(end - to)));
            try
            {
                var inner = await InnerAsync(start, end - start).WaitAsync(cancel).ConfigureAwait(false);
                await inner.ReadAsync(parts, cancel).ConfigureAwait(false);
            }
            catch (StoreException error) when (error.Kind is ErrorKind.Precondition or ErrorKind.NotFound)
            {
                // what is known of the object is of the past: the next open asks
                _store.Forget(_directory, _meta.Key);
                throw;
            }
            Interlocked.Add(ref _directory.Counters.Misses, count);
            Interlocked.Add(ref _directory.Counters.MissBytes, end - start);
            Keep(first, count, parts);

            void Add(long at, Memory<byte> memory)
            {
                if (memory.Length > 0)
                    parts.Add(new ReadRange(at, memory));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(before);
            ArrayPool<byte>.Shared.Return(after);
        }
    }

    void Keep(long first, int count, List<ReadRange> parts)
    {
        if (_directory.IsResting || !IsProven(first, count, parts))
            return;
        for (long block = first; block < first + count; block++)
        {
            long start = block * _version.BlockSize, end = start + _version.LengthOf(block);
            if (BlockStore.TryKeep(_directory, _version, block, Cut(parts, start, end), _store.Options))
            {
                lock (_gate)
                    _touched.Add(block);
            }
        }
    }

    static List<ReadOnlyMemory<byte>> Cut(List<ReadRange> parts, long start, long end)
    {
        var pieces = new List<ReadOnlyMemory<byte>>(2);
        foreach (var part in parts)
        {
            long from = Math.Max(start, part.Offset), to = Math.Min(end, part.End);
            if (from < to)
                pieces.Add(part.Target[(int)(from - part.Offset)..(int)(to - part.Offset)]);
        }
        return pieces;
    }

    /// <summary>
    /// Whether bytes of the store are what was written, as far as it is recorded: what was damaged on the way must not be kept and given
    /// to everybody from
    /// then on. The reader's caller is the one who tells the fault.
    /// </summary>
    bool IsProven(long first, int count, List<ReadRange> parts)
    {
        long start = parts[0].Offset, end = parts[^1].End;
        if (_meta.Blocks is { } blocks && blocks.Size == _version.Size)
        {
            for (int i = start == 0 ? 0 : blocks.At(start); i < blocks.Count && blocks.End(i) <= end; i++)
            {
                if (blocks.Begin(i) >= start && Of(parts, blocks.Begin(i), blocks.End(i)) != blocks[i])
                    return false;
            }
            return true;
        }
        return _meta.Checksum is not { } whole || _meta.MayBeMislabelled || start > 0 || end < _version.Size
            || Of(parts, start, end) == whole;
    }

    static Checksum Of(List<ReadRange> parts, long start, long end)
    {
        var found = Checksum.Empty;
        foreach (var piece in Cut(parts, start, end))
            found = found.Append(piece.Span);
        return found;
    }

    /// <summary>The store's own reader of this version; opened by whoever needs it first.</summary>
    Task<ObjectReader> InnerAsync(long offset, long length)
    {
        lock (_gate)
        {
            if (_inner is { IsFaulted: true })
                _inner = null;
            return _inner ??= OpenAsync(offset, length);
        }
    }

    async Task<ObjectReader> OpenAsync(long offset, long length)
    {
        // not with the caller's token: others wait for it, too
        var inner = await _store.Backing.OpenReadAsync(
            _meta.Key, new ReadOptions { IfMatch = _meta.ETag, FirstOffset = offset, FirstLength = length },
                CancellationToken.None).ConfigureAwait(false);
        if (inner.Meta.Size == _version.Size && inner.Meta.ETag == _meta.ETag)
            return inner;
        await inner.DisposeAsync().ConfigureAwait(false);
        _store.Forget(_directory, _meta.Key);
        throw new StoreException(ErrorKind.Precondition, _uri,
            $"the object was written while it was read: its ETag was {_meta.ETag}, now it is {inner.Meta.ETag}; open it again");
    }
}
