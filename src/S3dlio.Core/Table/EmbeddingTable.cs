using System.Collections.Concurrent;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Table;

/// <summary>
/// Rows of numbers by int64 key, more of them than memory holds, with checkpoints that are exact prefixes: for each session a checkpoint
/// has all batches up to the serial that it names, and nothing later. There is no log of updates: what follows the last checkpoint is the
/// trainer's to apply again, from that serial. Any number of threads may call at once.
/// </summary>
public sealed partial class EmbeddingTable : IDisposable
{
    /// <summary>Keys of a lookup that hold the gate together.</summary>
    const int LookupSlice = 4096;

    readonly Disk _disk;
    readonly IDisposable? _lock;
    readonly RowLayout _layout;
    readonly PageArena _arena;
    readonly PageFiles _files;
    readonly Shard[] _shards;
    readonly BatchGate _gate = new();
    readonly ConcurrentDictionary<string, Session> _sessions = new(StringComparer.Ordinal);

    /// <summary>Readers of files; who removes files is alone.</summary>
    readonly ReaderWriterLockSlim _reading = new();

    /// <summary>Holds while pages are frozen, written or given back to free memory, page by page.</summary>
    readonly object _writing = new();

    /// <summary>One checkpoint at a time.</summary>
    readonly SemaphoreSlim _checkpointing = new(1);

    TableManifest _newest;
    long _step, _lookups, _lookupRows, _diskRows, _batches, _batchRows, _copies, _releases, _checkpoints, _gateTime, _longestGate,
        _checkpointTime, _evicted;

    /// <summary>Batches and maintenance so far, and those that the newest checkpoint has.</summary>
    long _changes, _changesInCheckpoint;

    bool _isClosed;
    Exception? _poison;

    public string Directory { get; }

    /// <summary>As asked for, with what the table has.</summary>
    public TableOptions Options { get; }

    public bool IsReadOnly => Options.IsReadOnly;

    /// <summary>Bytes of a row's numbers.</summary>
    public int RowBytes => _layout.ValueBytes;

    /// <summary>Whether each row has the time of its last update.</summary>
    public bool HasTimes => _layout.HasTimes;

    /// <summary>Keys that have a row.</summary>
    public long Count => _shards.Sum(shard =>
    {
        lock (shard.Gate)
            return shard.Index.Count;
    });

    /// <summary>The newest checkpoint, 0 when there is none.</summary>
    public long Version => Volatile.Read(ref _newest).Version;

    /// <summary>Batches of gradients that were applied.</summary>
    public long Step => Volatile.Read(ref _step);

    /// <summary>What opening found damaged and went on without.</summary>
    public IReadOnlyList<string> Damage { get; }

    /// <summary>Copies the rows of keys. A key without one gives its initial row, and nothing is stored.</summary>
    /// <param name="keys">May repeat.</param>
    /// <param name="rows">For each key <see cref="RowBytes"/>.</param>
    /// <param name="found">Empty, or for each key 1 where it has a row and 0 where not.</param>
    /// <param name="cancel">Heard between reads of files.</param>
    /// <exception cref="StoreException">ChecksumMismatch: a row is damaged. Closed.</exception>
    public void Lookup(ReadOnlySpan<long> keys, Span<byte> rows, Span<byte> found, CancellationToken cancel)
    {
        CheckOpen();
        CheckLength(rows.Length, (long)keys.Length * RowBytes, "rows");
        var plan = BatchPlan.ForLookup(keys, _shards.Length);
        _reading.EnterReadLock();
        try
        {
            InMemory(plan, keys, rows, found);
            if (plan.Misses.Count > 0)
                ReadMisses(plan, keys, rows, cancel);
        }
        catch (Exception error) when (TableErrors.IsOurs(error))
        {
            throw TableErrors.Translate(error, Directory);
        }
        finally
        {
            _reading.ExitReadLock();
            plan.Return();
        }
    }

    /// <summary>The same without files.</summary>
    /// <returns>False when a row lies in a file only; <paramref name="rows"/> are undefined then.</returns>
    public bool TryLookup(ReadOnlySpan<long> keys, Span<byte> rows, Span<byte> found)
    {
        CheckOpen();
        CheckLength(rows.Length, (long)keys.Length * RowBytes, "rows");
        var plan = BatchPlan.ForLookup(keys, _shards.Length);
        try
        {
            InMemory(plan, keys, rows, found);
            return plan.Misses.Count == 0;
        }
        finally
        {
            plan.Return();
        }
    }

    /// <summary>For each key 1 where it has a row, 0 where not.</summary>
    public void Contains(ReadOnlySpan<long> keys, Span<byte> found)
    {
        CheckOpen();
        CheckLength(found.Length, keys.Length, "found");
        var plan = BatchPlan.ForLookup(keys, _shards.Length);
        Enter();
        try
        {
            foreach (var shard in _shards)
            {
                lock (shard.Gate)
                {
                    foreach (int at in plan.Of(shard.Number))
                        found[at] = shard.Index.Find(plan.Hashes[at], keys[at]) == KeyIndex.None ? (byte)0 : (byte)1;
                }
            }
        }
        finally
        {
            _gate.Leave();
            plan.Return();
        }
    }

    /// <summary>Reads rows that lie in files only, so that the next calls find them in memory.</summary>
    /// <returns>How many were read.</returns>
    public long Prefetch(ReadOnlySpan<long> keys, CancellationToken cancel)
    {
        CheckOpen();
        var plan = BatchPlan.ForUpdate(keys, _shards.Length, lastWins: false, [], 0);
        _reading.EnterReadLock();
        try
        {
            FindMisses(plan, keys);
            long count = plan.Misses.Count;
            ReadMisses(plan, keys, default, cancel);
            return count;
        }
        catch (Exception error) when (TableErrors.IsOurs(error))
        {
            throw TableErrors.Translate(error, Directory);
        }
        finally
        {
            _reading.ExitReadLock();
            plan.Return();
        }
    }

    public TableStatistics Statistics()
    {
        CheckOpen();
        return new TableStatistics
        {
            Rows = Count,
            MemoryBytes = _arena.Used + _shards.Sum(shard => shard.Cache?.Bytes ?? 0),
            IndexBytes = _shards.Sum(shard => shard.Index.Bytes),
            DiskBytes = _files.Segments.Sum(segment => segment?.Length ?? 0),
            PagesInMemory = _shards.Sum(shard => shard.MemoryPages),
            Lookups = Volatile.Read(ref _lookups),
            LookupRows = Volatile.Read(ref _lookupRows),
            DiskRows = Volatile.Read(ref _diskRows),
            Batches = Volatile.Read(ref _batches),
            BatchRows = Volatile.Read(ref _batchRows),
            Copies = Volatile.Read(ref _copies),
            Releases = Volatile.Read(ref _releases),
            Evicted = Volatile.Read(ref _evicted),
            Checkpoints = Volatile.Read(ref _checkpoints),
            GateNanoseconds = Volatile.Read(ref _gateTime),
            LongestGateNanoseconds = Volatile.Read(ref _longestGate),
            CheckpointNanoseconds = Volatile.Read(ref _checkpointTime),
        };
    }

    /// <summary>Ends the table. What was not checkpointed is gone. Calls of other threads end first.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isClosed, true))
            return;
        _checkpointing.Wait();
        _reading.EnterWriteLock();
        _gate.Close();
        _files.Dispose();
        foreach (var shard in _shards)
            shard.Dispose();
        _arena.Dispose();
        _lock?.Dispose();
        _gate.Open();
        _reading.ExitWriteLock();
        _checkpointing.Release();
    }

    void InMemory(BatchPlan plan, ReadOnlySpan<long> keys, Span<byte> rows, Span<byte> found)
    {
        if (!found.IsEmpty)
            CheckLength(found.Length, keys.Length, "found");
        foreach (var shard in _shards)
        {
            // a checkpoint waits for a slice at most, not for a batch of millions
            for (var order = plan.Of(shard.Number); !order.IsEmpty; order = order[Math.Min(order.Length, LookupSlice)..])
            {
                Enter();
                try
                {
                    lock (shard.Gate)
                        shard.Lookup(keys, plan.Hashes, order[..Math.Min(order.Length, LookupSlice)], rows, found, Options.Initializer,
                            plan.Misses);
                }
                finally
                {
                    _gate.Leave();
                }
            }
        }
        Interlocked.Increment(ref _lookups);
        Interlocked.Add(ref _lookupRows, keys.Length);
    }

    /// <summary>Enters the gate; closing waits for those in it, so what they use is there until they leave.</summary>
    void Enter()
    {
        _gate.Enter();
        if (!Volatile.Read(ref _isClosed))
            return;
        _gate.Leave();
        throw TableErrors.Closed(Directory);
    }

    void CheckOpen()
    {
        if (Volatile.Read(ref _isClosed))
            throw TableErrors.Closed(Directory);
        if (Volatile.Read(ref _poison) is { } poison)
            throw new StoreException(
                ErrorKind.Internal, Directory,
                $"a batch failed half-way ({poison.Message}); open the table again to go on from its checkpoint", cause: poison);
    }

    void CheckWritable()
    {
        CheckOpen();
        if (IsReadOnly)
            throw new StoreException(
                ErrorKind.InvalidArgument, Directory, "the table was opened for reading; open it with mode \"a\" to change it");
    }

    void CheckLength(long found, long expected, string name)
    {
        if (found != expected)
            throw new StoreException(ErrorKind.InvalidArgument, Directory, $"expected {expected} bytes in {name}, found {found}");
    }
}
