using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using S3dlio.Storage;

namespace S3dlio.Table;

public sealed partial class EmbeddingTable
{
    const int MostSessionName = 64;

    /// <summary>A line of batches, each with a higher serial than the one before.</summary>
    sealed class Session
    {
        /// <summary>Held by the batch that is being applied: the others of the session wait in turn.</summary>
        public object Turn { get; } = new();

        /// <summary>Of the last batch; it changes in the gate only.</summary>
        public long Serial { get; set; } = -1;
    }

    /// <summary>How far each session is.</summary>
    public IReadOnlyDictionary<string, long> Sessions =>
        _sessions.Where(one => one.Value.Serial >= 0).ToDictionary(one => one.Key, one => one.Value.Serial, StringComparer.Ordinal);

    /// <summary>The serial of the session's last batch, -1 when it had none.</summary>
    public long SessionSerial(string session) => _sessions.TryGetValue(session, out var known) ? known.Serial : -1;

    /// <summary>
    /// Trains rows by the table's rule. Gradients of a key that repeats are summed first, in their order; a key without a row gets its
    /// initial one. The batch is in a checkpoint as a whole or not at all.
    /// </summary>
    /// <param name="session">Whose batch it is: 1 to 64 bytes in UTF-8.</param>
    /// <param name="serial">Of the batch, higher than the session's last; -1: one more than that.</param>
    /// <param name="keys">Of the rows.</param>
    /// <param name="gradients">For each key as many numbers as a row has.</param>
    /// <param name="onReplay">For a serial that the session had.</param>
    /// <param name="cancel">Heard until the batch begins to change rows.</param>
    /// <param name="applied">The session's serial now.</param>
    /// <returns>False when it was skipped.</returns>
    /// <exception cref="StoreException">Precondition: the session had this serial or a later one. ChecksumMismatch: a row is damaged;
    /// nothing was changed.</exception>
    public bool Apply(
        string session, long serial, ReadOnlySpan<long> keys, ReadOnlySpan<float> gradients, OnReplay onReplay, CancellationToken cancel,
        out long applied)
    {
        CheckWritable();
        CheckLength(gradients.Length * 4L, (long)keys.Length * _layout.Dimension * 4, "gradients");
        var plan = BatchPlan.ForUpdate(keys, _shards.Length, lastWins: false, gradients, _layout.Dimension);
        var what = new BatchChange { Numbers = gradients, IsTraining = true };
        return Run(session, serial, keys, plan, onReplay, cancel, ref what, out applied);
    }

    /// <summary>Writes rows; of a key that repeats the last one counts. What the optimizer keeps for a row stays.</summary>
    /// <param name="session">As for <see cref="Apply"/>.</param>
    /// <param name="serial">As for <see cref="Apply"/>.</param>
    /// <param name="keys">Of the rows.</param>
    /// <param name="rows">For each key <see cref="RowBytes"/>.</param>
    /// <param name="onReplay">As for <see cref="Apply"/>.</param>
    /// <param name="cancel">As for <see cref="Apply"/>.</param>
    /// <param name="applied">As for <see cref="Apply"/>.</param>
    public bool Upsert(
        string session, long serial, ReadOnlySpan<long> keys, ReadOnlySpan<byte> rows, OnReplay onReplay, CancellationToken cancel,
        out long applied)
    {
        CheckWritable();
        CheckLength(rows.Length, (long)keys.Length * RowBytes, "rows");
        var plan = BatchPlan.ForUpdate(keys, _shards.Length, lastWins: true, [], 0);
        var what = new BatchChange { Rows = rows };
        return Run(session, serial, keys, plan, onReplay, cancel, ref what, out applied);
    }

    /// <summary>Takes rows away; their keys have the initial row again.</summary>
    /// <param name="session">As for <see cref="Apply"/>.</param>
    /// <param name="serial">As for <see cref="Apply"/>.</param>
    /// <param name="keys">Of the rows.</param>
    /// <param name="onReplay">As for <see cref="Apply"/>.</param>
    /// <param name="cancel">As for <see cref="Apply"/>.</param>
    /// <param name="applied">As for <see cref="Apply"/>.</param>
    /// <param name="deleted">Keys that had a row.</param>
    public bool Delete(
        string session, long serial, ReadOnlySpan<long> keys, OnReplay onReplay, CancellationToken cancel, out long applied,
        out long deleted)
    {
        CheckWritable();
        var plan = BatchPlan.ForUpdate(keys, _shards.Length, lastWins: false, [], 0);
        var what = new BatchChange { IsDelete = true };
        bool isNew = Run(session, serial, keys, plan, onReplay, cancel, ref what, out applied);
        deleted = isNew ? what.Deleted : 0;
        return isNew;
    }

    /// <summary>What a batch does to its rows.</summary>
    ref struct BatchChange
    {
        /// <summary>To train with.</summary>
        public ReadOnlySpan<float> Numbers { get; init; }

        /// <summary>To write.</summary>
        public ReadOnlySpan<byte> Rows { get; init; }

        public bool IsDelete { get; init; }

        public long Deleted { get; set; }

        public bool IsTraining { get; init; }
    }

    bool Run(
        string name, long serial, ReadOnlySpan<long> keys, BatchPlan plan, OnReplay onReplay, CancellationToken cancel,
        scoped ref BatchChange what, out long applied)
    {
        var session = SessionOf(name);
        lock (session.Turn)
        {
            try
            {
                applied = session.Serial;
                if (serial < -1)
                    throw new StoreException(
                        ErrorKind.InvalidArgument, Directory, $"expected a serial from 0 to {long.MaxValue}, found {serial}");
                if (serial >= 0 && serial <= session.Serial)
                    return onReplay == OnReplay.Skip
                        ? false
                        : throw new StoreException(
                            ErrorKind.Precondition, Directory,
                            $"session {MessageText.Quote(name)} had serial {session.Serial}, expected a higher one, found {serial};"
                            + " pass on_replay=\"skip\" to pass over batches that are in the table");
                if (session.Serial == long.MaxValue)
                    throw new StoreException(ErrorKind.InvalidArgument, Directory, $"session {MessageText.Quote(name)} has no serial left");
                serial = serial < 0 ? session.Serial + 1 : serial;
                if (!what.IsDelete)
                    MakeRoom(plan.Count);
                ApplyWhenFetched(session, serial, keys, plan, cancel, ref what);
                applied = serial;
                return true;
            }
            catch (Exception error) when (TableErrors.IsOurs(error))
            {
                throw TableErrors.Translate(error, Directory);
            }
            finally
            {
                plan.Return();
            }
        }
    }

    /// <summary>
    /// Reads what lies in files outside of the gate, as often as others move rows there meanwhile, and changes rows in it.
    /// </summary>
    void ApplyWhenFetched(
        Session session, long serial, ReadOnlySpan<long> keys, BatchPlan plan, CancellationToken cancel, scoped ref BatchChange what)
    {
        _reading.EnterReadLock();
        try
        {
            while (true)
            {
                cancel.ThrowIfCancellationRequested();
                Enter();
                try
                {
                    plan.Misses.Clear();
                    // nothing leaves memory while the gate is held, so what is there now stays
                    if (!what.IsDelete && _hasLeftMemory)
                        NoteMisses(plan, keys);
                    if (plan.Misses.Count == 0)
                    {
                        ApplyInMemory(keys, plan, ref what);
                        session.Serial = serial;
                        return;
                    }
                }
                finally
                {
                    _gate.Leave();
                }
                FetchMisses(plan, keys, cancel);
            }
        }
        finally
        {
            _reading.ExitReadLock();
        }
    }

    void ApplyInMemory(ReadOnlySpan<long> keys, BatchPlan plan, scoped ref BatchChange what)
    {
        try
        {
            long step = what.IsTraining ? Interlocked.Increment(ref _step) : Volatile.Read(ref _step);
            var update = what.IsTraining ? new RowUpdate(Options.Optimizer, _layout.Dimension, step) : null;
            float[]? scratch = what.IsTraining ? ArrayPool<float>.Shared.Rent(2 * _layout.Dimension) : null;
            long copies = 0;
            uint time = _layout.HasTimes ? Now() : 0;
            foreach (var shard in _shards)
            {
                var order = plan.Of(shard.Number);
                lock (shard.Gate)
                {
                    if (what.IsDelete)
                    {
                        foreach (int position in order)
                            what.Deleted += shard.Delete(plan.Hashes[position], keys[position]) ? 1 : 0;
                    }
                    else
                    {
                        copies += Apply(shard, order, keys, plan, what, update, scratch, step, time);
                    }
                }
            }
            if (scratch is not null)
                ArrayPool<float>.Shared.Return(scratch);
            Interlocked.Add(ref _copies, copies);
            Interlocked.Increment(ref _batches);
            Interlocked.Increment(ref _changes);
            Interlocked.Add(ref _batchRows, keys.Length);
        }
        catch (Exception error)
        {
            // a part of a batch must never come into a checkpoint
            Volatile.Write(ref _poison, error);
            throw;
        }
    }

    long Apply(
        Shard shard, ReadOnlySpan<int> order, ReadOnlySpan<long> keys, BatchPlan plan, scoped in BatchChange what, RowUpdate? update,
        float[]? scratch, long step, uint time)
    {
        const int indexAhead = 12, rowAhead = 6;
        long copies = 0;
        var hashes = plan.Hashes;
        int dimension = _layout.Dimension, bytes = RowBytes;
        for (int i = 0; i < Math.Min(indexAhead, order.Length); i++)
            shard.PrefetchIndex(hashes[order[i]]);
        for (int i = 0; i < order.Length; i++)
        {
            if (i + indexAhead < order.Length)
                shard.PrefetchIndex(hashes[order[i + indexAhead]]);
            if (i + rowAhead < order.Length)
                shard.PrefetchRow(hashes[order[i + rowAhead]], keys[order[i + rowAhead]]);
            int position = order[i];
            long key = keys[position];
            if (update is not null && shard.IsRefused(hashes[position], key))
                continue;
            var row = shard.Writable(hashes[position], key, plan, position, out bool isNew, out bool isCopy);
            copies += isCopy ? 1 : 0;
            var slots = MemoryMarshal.Cast<byte, float>(row.Slice(_layout.SlotsOffset, 4 * _layout.Slots));
            var meta = row.Slice(_layout.MetaOffset, RowLayout.MetaBytes);
            if (isNew)
            {
                // but for the moment, and what is written whole
                row[(update is null ? bytes : 0)..^RowLayout.ChecksumBytes].Clear();
                if (update is not null)
                    RowNumbers.Initial(Options.Initializer, key, row[..bytes], _layout.Type);
                RowUpdate.Clear(Options.Optimizer, slots);
            }
            if (update is null)
                what.Rows.Slice(position * bytes, bytes).CopyTo(row);
            else
                Train(row[..bytes], slots, plan.Gradient(position, what.Numbers, dimension), update, scratch);
            BinaryPrimitives.WriteUInt32LittleEndian(meta, (uint)step);
            int count = BinaryPrimitives.ReadUInt16LittleEndian(meta[4..]);
            BinaryPrimitives.WriteUInt16LittleEndian(meta[4..], (ushort)Math.Min(count + 1, ushort.MaxValue));
            if (_layout.HasTimes)
                BinaryPrimitives.WriteUInt32LittleEndian(row[_layout.TimeOffset..], time);
        }
        return copies;
    }

    void Train(Span<byte> row, Span<float> slots, ReadOnlySpan<float> gradient, RowUpdate update, float[]? scratch)
    {
        int dimension = _layout.Dimension;
        var spare = scratch.AsSpan(0, dimension);
        if (_layout.Type == RowType.Float32)
        {
            update.Apply(MemoryMarshal.Cast<byte, float>(row), slots, gradient, spare);
            return;
        }
        var numbers = scratch.AsSpan(dimension, dimension);
        RowNumbers.ToFloats(row, numbers, _layout.Type);
        update.Apply(numbers, slots, gradient, spare);
        RowNumbers.FromFloats(numbers, row, _layout.Type);
    }

    Session SessionOf(string name)
    {
        if (_sessions.TryGetValue(name, out var known))
            return known;
        if (Encoding.UTF8.GetByteCount(name) is 0 or > MostSessionName)
            throw new StoreException(
                ErrorKind.InvalidArgument, Directory,
                $"expected a session's name of 1 to {MostSessionName} bytes, found {MessageText.Quote(name)}");
        lock (_sessions)
        {
            return _sessions.Count < TableManifest.MostSessions || _sessions.ContainsKey(name)
                ? _sessions.GetOrAdd(name, _ => new Session())
                : throw new StoreException(
                    ErrorKind.InvalidArgument, Directory,
                    $"the table has {TableManifest.MostSessions} sessions, the most; use names again, such as the rank's number");
        }
    }
}
