using System.Buffers;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>What the cache has not: fetched by one of all who want it, and kept.</summary>
sealed partial class HybridReader
{
    async ValueTask FillAsync(List<long> missing, long offset, Memory<byte> destination, CancellationToken cancel)
    {
        bool alone = false;
        while (missing.Count > 0)
        {
            cancel.ThrowIfCancellationRequested();
            var (mine, others) = (new List<long>(), new List<long>());
            var flights = new Dictionary<long, Flights.Flight>();
            try
            {
                foreach (long block in missing)
                {
                    var flight = TakeHeld(block) ?? _directory.Flights.TryBegin(_version.Id(block));
                    if (flight is not null)
                        flights.Add(block, flight);
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
                    await FetchAsync(mine[i], run, offset, destination, flights, cancel).ConfigureAwait(false);
                }
            }
            finally
            {
                foreach (var flight in flights.Values)
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
    async ValueTask FetchAsync(
        long first, int count, long offset, Memory<byte> destination, Dictionary<long, Flights.Flight> flights, CancellationToken cancel)
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
            Keep(first, count, parts, flights);

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

    /// <summary>Has blocks kept, which count as being fetched until then.</summary>
    void Keep(long first, int count, List<ReadRange> parts, Dictionary<long, Flights.Flight> flights)
    {
        if (_directory.IsResting)
            return;
        if (FillQueue.Shared.TryCopy(parts) is not { } copy)
        {
            Write(first, count, parts);
            return;
        }
        var taken = new List<Flights.Flight>(count);
        for (long block = first; block < first + count; block++)
        {
            if (flights.Remove(block, out var flight))
                taken.Add(flight);
        }
        FillQueue.Shared.Add(copy, () => Write(first, count, copy.Parts), () => taken.ForEach(static flight => flight.Dispose()));
    }

    void Write(long first, int count, List<ReadRange> parts)
    {
        if (!IsProven(parts))
            return;
        for (long block = first; block < first + count; block++)
        {
            lock (_gate)
            {
                if (_isDistrusted)
                    return;
                _touched.Add(block);
            }
            long start = block * _version.BlockSize, end = start + _version.LengthOf(block);
            BlockStore.TryKeep(_directory, _version, block, Cut(parts, start, end), _store.Options);
            if (Volatile.Read(ref _isDistrusted))
                _directory.Remove(_version.Id(block));
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
    bool IsProven(List<ReadRange> parts)
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
