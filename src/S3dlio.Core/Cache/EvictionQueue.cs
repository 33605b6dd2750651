using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Cache;

/// <summary>
/// What goes when there is no room: S3-FIFO (Yang et al., SOSP 2023) by bytes. New entries stand in a small queue; those that were read
/// again
/// before its end go over into the main one, the others are let go and remembered by a ghost, and one that comes back from there stands in
/// the main
/// queue at once. So a scan passes through a tenth of the room and leaves the rest as it was.
/// </summary>
/// <remarks>
/// The queues are files that records are appended to, by anybody and without a lock; whoever holds the lock of evictions takes from their
/// front. Everything here is a hint: what is lost or damaged is built anew from the entries themselves.
/// </remarks>
sealed partial class EvictionQueue
{
    const int HeatLength = 1 << 20, GhostCount = 1 << 18, MostHeat = 3, MostTries = 4;

    /// <summary>Part of the room that new entries stand in.</summary>
    const int SmallPart = 10;

    readonly CacheDirectory _directory;
    readonly SafeFileHandle _state, _small, _main, _heat, _ghosts;
    readonly Lock _gate = new();
    State _seen;
    long _seenSmall, _seenMain, _added;

    public EvictionQueue(CacheDirectory directory)
    {
        _directory = directory;
        _state = directory.OpenOwn("queue", 0);
        _small = directory.OpenOwn("small", Interop.AtEnd);
        _main = directory.OpenOwn("main", Interop.AtEnd);
        _heat = directory.OpenOwn("heat", 0);
        _ghosts = directory.OpenOwn("ghosts", 0);
        if (Read() is null)
        {
            using var held = LocalDisk.Shared.TryLock($"{directory.Path}/LOCK.evict", out _);
            if (held is not null && Read() is null)
                Write(Rebuild());
        }
    }

    /// <summary>Bytes of all entries, as far as they were noted.</summary>
    public long Total
    {
        get
        {
            lock (_gate)
            {
                if (Read() is not { } state)
                    return _seen.Bytes + _added;
                if (state.Epoch != _seen.Epoch)
                    (_seen, _seenSmall, _seenMain, _added) = (state, state.SmallCounted, state.MainCounted, 0);
                _added += Count(_small, ref _seenSmall, out _) + Count(_main, ref _seenMain, out _);
                return _seen.Bytes + _added;
            }
        }
    }

    /// <summary>Grows with every entry.</summary>
    public long Noted => LengthOf(_small) + LengthOf(_main);

    /// <summary>Whether something so long may be kept at all.</summary>
    public bool Admit(long length, CacheOptions limits)
    {
        if (limits.Size is { } size && length > size)
            return false;
        bool fits = Fits(limits, length);
        // room is made before it is needed. Where another makes it and is not done soon, this is not kept: nobody waits for one who may be
        // stopped, and the size is held
        for (int i = 0; !fits && limits.Eviction != CacheEviction.None && i < MostTries; i++)
        {
            if (i > 0)
                Thread.Sleep(0);
            Trim(limits, length);
            fits = Fits(limits, length);
        }
        return fits;
    }

    bool Fits(CacheOptions limits, long wanted) => Total + wanted <= (limits.Size ?? long.MaxValue) && Free(limits) >= wanted;

    /// <summary>How often the entries were counted anew; null while nothing is known of them.</summary>
    long? Rebuilds => Read()?.Rebuilds;

    /// <summary>Where an entry was noted.</summary>
    /// <param name="IsMain">In the main queue.</param>
    /// <param name="At">Not before that place.</param>
    /// <param name="Rebuilds">What <see cref="Rebuilds"/> was.</param>
    public readonly record struct QueuePlace(bool IsMain, long At, long? Rebuilds);

    /// <summary>
    /// Whether a note counts for nothing any more: whoever evicts came to it before the entry was there, or the entries were counted anew.
    /// </summary>
    public bool IsLost(in QueuePlace mark) => mark.Rebuilds is null || Read() is not { } state || state.Rebuilds != mark.Rebuilds
        || (mark.IsMain ? state.MainHead : state.SmallHead) > mark.At;

    /// <summary>An entry is about to be there.</summary>
    /// <returns>An errno.</returns>
    public int Note(EntryId id, long length, out QueuePlace mark)
    {
        Span<byte> cold = [0];
        _ = Interop.Write(_heat, cold, HeatPlace(id));
        bool isMain = WasHere(id);
        var queue = isMain ? _main : _small;
        mark = new QueuePlace(isMain, LengthOf(queue), Rebuilds);
        return Append(queue, id, length);
    }

    /// <summary>An entry was read.</summary>
    public void Touch(EntryId id)
    {
        Span<byte> heat = [0];
        if (Interop.Read(_heat, heat, HeatPlace(id), out _) != 0 || heat[0] >= MostHeat)
            return;
        heat[0]++;
        _ = Interop.Write(_heat, heat, HeatPlace(id));
    }

    /// <summary>Lets go of entries where there are more than may be, unless another does so already.</summary>
    /// <param name="limits">What may be.</param>
    /// <param name="wanted">Bytes of room for what is to come.</param>
    public void Trim(CacheOptions limits, long wanted = 0)
    {
        if (Read() is null)
            Recount();
        // again: what came while this one was at it found it at it, and went on
        for (int i = 0; i < MostTries && limits.Eviction != CacheEviction.None && !Fits(limits, wanted); i++)
        {
            using var held = LocalDisk.Shared.TryLock($"{_directory.Path}/LOCK.evict", out _);
            if (held is null || !Evict(limits, wanted))
                return;
        }
    }

    /// <summary>Counts the entries anew, after many were removed by others than this.</summary>
    public void Recount()
    {
        using var held = LocalDisk.Shared.TryLock($"{_directory.Path}/LOCK.evict", out _);
        if (held is not null)
            Write(Rebuild());
    }

    /// <returns>False where nothing is left that could go.</returns>
    bool Evict(CacheOptions limits, long wanted)
    {
        var state = Fold(Read() ?? Rebuild());
        long most = limits.Size is { } size ? size - wanted : long.MaxValue, missing = wanted - Free(limits);
        int steps = 0;
        bool hasRemoved = false;
        while (state.Bytes > most || missing > 0)
        {
            // a crash in between only repeats what was done
            if (++steps % 256 == 0)
                Write(state);
            bool fromSmall = state.MainBytes == 0 || state.SmallBytes > Math.Min(most, state.Bytes) / SmallPart;
            if (fromSmall && TryTake(_small, ref state.SmallHead, state.SmallCounted, out var id, out long length))
            {
                state.SmallBytes -= length;
                if (Heat(id) > 0)
                {
                    Cool(id, 0);
                    Requeue(ref state, id, length);
                    continue;
                }
                Haunt(ref state, id);
                missing -= Remove(id, length);
                hasRemoved = true;
            }
            else if (TryTake(_main, ref state.MainHead, state.MainCounted, out id, out length))
            {
                state.MainBytes -= length;
                state.MainEntries--;
                if (Heat(id) is var heat and > 0)
                {
                    Cool(id, heat - 1);
                    Requeue(ref state, id, length);
                    continue;
                }
                missing -= Remove(id, length);
                hasRemoved = true;
            }
            else if (fromSmall)
            {
                state.SmallBytes = 0;
                if (state.MainBytes == 0)
                    break;
            }
            else
            {
                (state.MainBytes, state.MainEntries) = (0, 0);
                if (state.SmallBytes == 0)
                    break;
            }
        }
        Write(state);
        Release(state);
        return hasRemoved;
    }

    /// <summary>Gives back what of the queues nobody reads any more.</summary>
    void Release(in State state)
    {
        if (state.SmallHead > 1 << 20)
            _ = Interop.PunchHole(_small, 0, state.SmallHead & ~4095L);
        if (state.MainHead > 1 << 20)
            _ = Interop.PunchHole(_main, 0, state.MainHead & ~4095L);
    }

    void Requeue(ref State state, EntryId id, long length)
    {
        if (Append(_main, id, length) != 0)
            // no room to note it in: then it goes
            Remove(id, length);
        state.MainBytes += Count(_main, ref state.MainCounted, out long entries);
        state.MainEntries += entries;
    }

    long Remove(EntryId id, long length)
    {
        _directory.Remove(id);
        Interlocked.Increment(ref _directory.Counters.Evicted);
        Interlocked.Add(ref _directory.Counters.EvictedBytes, length);
        return length;
    }

    /// <summary>Counts what was appended since, for the one who evicts.</summary>
    State Fold(State state)
    {
        state.SmallBytes += Count(_small, ref state.SmallCounted, out _);
        state.MainBytes += Count(_main, ref state.MainCounted, out long entries);
        state.MainEntries += entries;
        return state;
    }

    /// <summary>The queues as the entries themselves tell: the oldest first.</summary>
    State Rebuild()
    {
        var state = new State
        {
            SmallHead = LengthOf(_small),
            MainHead = LengthOf(_main),
            Rebuilds = (Rebuilds ?? Random.Shared.Next()) + 1,
        };
        (state.SmallCounted, state.MainCounted) = (state.SmallHead, state.MainHead);
        foreach (var (id, status) in _directory.Entries().OrderBy(static entry => entry.Status.LastModified))
        {
            if (Append(_main, id, status.Size) != 0)
                _directory.Remove(id);
        }
        return Fold(state);
    }

    /// <summary>Bytes that may still be taken until so much is free as shall be; less than 0 when too little is.</summary>
    long Free(CacheOptions limits)
    {
        if (Interop.Room(_directory.Path, out long size, out long free, out long files) != 0)
            return long.MaxValue;
        // inodes can run out before bytes do
        return files < 1000 ? -1 : free - (limits.MinFree ?? size / 20);
    }

    bool WasHere(EntryId id)
    {
        Span<byte> ghost = stackalloc byte[8];
        if (Interop.Read(_ghosts, ghost, GhostPlace(id), out int count) != 0 || count < ghost.Length
            || BinaryPrimitives.ReadUInt32LittleEndian(ghost) != Mark(id))
            return false;
        State state;
        lock (_gate)
            state = _seen;
        return (uint)state.Ghosts - BinaryPrimitives.ReadUInt32LittleEndian(ghost[4..]) <= Math.Clamp(state.MainEntries, 64, GhostCount);
    }

    void Haunt(ref State state, EntryId id)
    {
        Span<byte> ghost = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(ghost, Mark(id));
        BinaryPrimitives.WriteUInt32LittleEndian(ghost[4..], (uint)++state.Ghosts);
        _ = Interop.Write(_ghosts, ghost, GhostPlace(id));
    }

    int Heat(EntryId id)
    {
        Span<byte> heat = [0];
        return Interop.Read(_heat, heat, HeatPlace(id), out _) == 0 ? heat[0] : 0;
    }

    void Cool(EntryId id, int heat)
    {
        Span<byte> now = [(byte)heat];
        _ = Interop.Write(_heat, now, HeatPlace(id));
    }

    static uint Mark(EntryId id) => (uint)(id.High | 1);

    static long HeatPlace(EntryId id) => (long)(id.Low % HeatLength);

    static long GhostPlace(EntryId id) => (long)(id.Low % GhostCount) * 8;

    static long LengthOf(SafeFileHandle file) => Interop.Status(file, out var status) == 0 ? status.Size : 0;
}
