using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using S3dlio.Hashing;
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
sealed class EvictionQueue
{
    const int RecordLength = 32, HeatLength = 1 << 20, GhostCount = 1 << 18, MostHeat = 3, StateLength = 128;

    /// <summary>Part of the room that new entries stand in.</summary>
    const int SmallPart = 10;

    static ReadOnlySpan<byte> Magic => "S3DLQUE1"u8;

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

    /// <summary>Whether something so long may be kept at all.</summary>
    public bool Admit(long length, CacheOptions limits)
    {
        if (limits.Size is { } size && length > size)
            return false;
        if (limits.Eviction == CacheEviction.None)
            return Total + length <= (limits.Size ?? long.MaxValue) && Free(limits) >= length;
        if (Free(limits) >= length)
            return true;
        // room is made before it is needed; where others have taken it there is none
        Trim(limits, length);
        return Free(limits) >= length;
    }

    /// <summary>An entry is about to be there.</summary>
    /// <returns>An errno.</returns>
    public int Note(EntryId id, long length)
    {
        Span<byte> cold = [0];
        _ = Interop.Write(_heat, cold, HeatPlace(id));
        return Append(WasHere(id) ? _main : _small, id, length);
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
        if (limits.Eviction == CacheEviction.None || (Total <= (limits.Size ?? long.MaxValue) && Free(limits) >= wanted))
            return;
        using var held = LocalDisk.Shared.TryLock($"{_directory.Path}/LOCK.evict", out _);
        if (held is not null)
            Evict(limits, wanted);
    }

    /// <summary>Counts the entries anew, after many were removed by others than this.</summary>
    public void Recount()
    {
        using var held = LocalDisk.Shared.TryLock($"{_directory.Path}/LOCK.evict", out _);
        if (held is not null)
            Write(Rebuild());
    }

    void Evict(CacheOptions limits, long wanted)
    {
        var state = Fold(Read() ?? Rebuild());
        long most = limits.Size ?? long.MaxValue, missing = wanted - Free(limits);
        int steps = 0;
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
        var state = new State { SmallHead = LengthOf(_small), MainHead = LengthOf(_main) };
        (state.SmallCounted, state.MainCounted) = (state.SmallHead, state.MainHead);
        foreach (var (id, status) in _directory.Entries().OrderBy(static entry => entry.Status.LastModified))
        {
            if (Append(_main, id, status.Size) != 0)
                _directory.Remove(id);
        }
        return Fold(state);
    }

    /// <summary>Takes the record at the front. Where the front is damaged it goes on at the next that is whole.</summary>
    bool TryTake(SafeFileHandle queue, ref long head, long end, out EntryId id, out long length)
    {
        Span<byte> bytes = stackalloc byte[4096];
        while (head < end)
        {
            if (Interop.Read(queue, bytes, head, out int count) != 0 || count < RecordLength)
                break;
            int at = Find(bytes[..count], out id, out length);
            head += at < 0 ? Math.Max(count - RecordLength + 1, 1) : at + RecordLength;
            if (at >= 0)
                return true;
        }
        (id, length, head) = (default, 0, end);
        return false;
    }

    /// <summary>Bytes of the entries noted behind a place, which moves to the end.</summary>
    static long Count(SafeFileHandle queue, ref long from, out long entries)
    {
        entries = 0;
        long total = 0, end = LengthOf(queue);
        if (end - from < RecordLength)
            return 0;
        byte[] bytes = new byte[(int)Math.Min(end - from, 64 << 10)];
        while (end - from >= RecordLength)
        {
            if (Interop.Read(queue, bytes.AsSpan(0, (int)Math.Min(bytes.Length, end - from)), from, out int count) != 0
                || count < RecordLength)
                break;
            int at = 0;
            while (count - at >= RecordLength)
            {
                int found = Find(bytes.AsSpan(at, count - at), out _, out long length);
                if (found < 0)
                {
                    at = count - RecordLength + 1;
                    break;
                }
                (total, entries, at) = (total + length, entries + 1, at + found + RecordLength);
            }
            from += at;
        }
        return total;
    }

    static int Find(ReadOnlySpan<byte> bytes, out EntryId id, out long length)
    {
        for (int at = 0; at + RecordLength <= bytes.Length; at++)
        {
            var record = bytes.Slice(at, RecordLength);
            if (BinaryPrimitives.ReadUInt32LittleEndian(record[28..]) != Crc32C.Compute(record[..28])
                || BinaryPrimitives.ReadUInt32LittleEndian(record[24..]) != 1)
                continue;
            id = EntryId.Read(record);
            length = BinaryPrimitives.ReadInt64LittleEndian(
                record[16..]) is var read and >= 0 and <= MetaEntry.MostLength + CacheOptions.MostBlock ? read : 0;
            return at;
        }
        (id, length) = (default, 0);
        return -1;
    }

    static int Append(SafeFileHandle queue, EntryId id, long length)
    {
        Span<byte> record = stackalloc byte[RecordLength];
        id.Write(record);
        BinaryPrimitives.WriteInt64LittleEndian(record[16..], length);
        BinaryPrimitives.WriteUInt32LittleEndian(record[24..], 1);
        BinaryPrimitives.WriteUInt32LittleEndian(record[28..], Crc32C.Compute(record[..28]));
        return Interop.Write(queue, record, 0);
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

    State? Read()
    {
        Span<byte> bytes = stackalloc byte[StateLength];
        if (Interop.Read(_state, bytes, 0, out int count) != 0 || count < StateLength || !bytes.StartsWith(Magic)
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[^4..]) != Crc32C.Compute(bytes[..^4]))
            return null;
        return new State
        {
            Epoch = BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]),
            SmallHead = BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            SmallCounted = BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            SmallBytes = BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]),
            MainHead = BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]),
            MainCounted = BinaryPrimitives.ReadInt64LittleEndian(bytes[48..]),
            MainBytes = BinaryPrimitives.ReadInt64LittleEndian(bytes[56..]),
            MainEntries = BinaryPrimitives.ReadInt64LittleEndian(bytes[64..]),
            Ghosts = BinaryPrimitives.ReadInt64LittleEndian(bytes[72..]),
        };
    }

    void Write(State state)
    {
        Span<byte> bytes = stackalloc byte[StateLength];
        bytes.Clear();
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], Random.Shared.NextInt64());
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], state.SmallHead);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[24..], state.SmallCounted);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[32..], Math.Max(0, state.SmallBytes));
        BinaryPrimitives.WriteInt64LittleEndian(bytes[40..], state.MainHead);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[48..], state.MainCounted);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[56..], Math.Max(0, state.MainBytes));
        BinaryPrimitives.WriteInt64LittleEndian(bytes[64..], Math.Max(0, state.MainEntries));
        BinaryPrimitives.WriteInt64LittleEndian(bytes[72..], state.Ghosts);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[(StateLength - 4)..], Crc32C.Compute(bytes[..(StateLength - 4)]));
        _ = Interop.Write(_state, bytes, 0);
    }

    /// <summary>Heads: where the queues begin. Counted: how far the numbers of bytes and entries go.</summary>
    struct State
    {
        public long Epoch, SmallHead, SmallCounted, SmallBytes, MainHead, MainCounted, MainBytes, MainEntries, Ghosts;

        public readonly long Bytes => SmallBytes + MainBytes;
    }
}
