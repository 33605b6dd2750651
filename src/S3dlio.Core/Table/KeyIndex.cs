using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace S3dlio.Table;

/// <summary>
/// Where the row of each key is. Extendible hashing: a directory leads to segments of 64 groups of 16 slots; a full segment is split in
/// two, so the index grows in steps of some microseconds. A group is 256 bytes: 16 tags of a byte, which one vector compare looks through,
/// how many keys went past it, 16 keys, and 16 locations of 48 bits. Every int64 is a key. One thread at a time.
/// </summary>
sealed unsafe class KeyIndex : IDisposable
{
    /// <summary>No location.</summary>
    public const long None = -1;

    public const long MostLocation = (1L << 48) - 1;

    const int Slots = 16, Groups = 64, GroupBytes = 256, SegmentBytes = Groups * GroupBytes, MostKeys = Groups * Slots * 9 / 10;

    // in a group
    const int PassedOffset = 16, KeysOffset = 32, LowOffset = KeysOffset + (8 * Slots), HighOffset = LowOffset + (4 * Slots);

    // in a segment's first group
    const int CountOffset = 20, DepthOffset = 24;

    // the shard is chosen by the highest byte of the hash, the segment by the bits below it, the group and the tag by the lowest
    const int ShardBits = 8;

    nint[] _directory;
    int _depth;

    /// <param name="expected">Keys that will come; the index has room for them at once.</param>
    public KeyIndex(long expected = 0)
    {
        while (((long)MostKeys * 3 / 4) << _depth < expected && _depth < 24)
            _depth++;
        _directory = new nint[1 << _depth];
        for (int i = 0; i < _directory.Length; i++)
            _directory[i] = (nint)NewSegment(_depth);
    }

    public long Count { get; private set; }

    /// <summary>Bytes of native memory.</summary>
    public long Bytes { get; private set; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Hash(long key)
    {
        ulong x = (ulong)key;
        x = (x ^ (x >> 32)) * 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 29)) * 0xD6E8FEB86659FD93;
        return x ^ (x >> 32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int ShardOf(ulong hash, int shards) => (int)(hash >> (64 - ShardBits)) & (shards - 1);

    /// <summary>Begins to bring the key's group into the processor's cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Prefetch(ulong hash)
    {
        if (!Sse.IsSupported)
            return;
        byte* group = Group(Segment(hash), HomeOf(hash));
        Sse.Prefetch0(group);
        Sse.Prefetch0(group + 64);
        Sse.Prefetch0(group + 128);
        Sse.Prefetch0(group + 192);
    }

    /// <summary>The location of the key's row, or <see cref="None"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long Find(ulong hash, long key)
    {
        byte* group = FindSlot(hash, key, out int slot);
        return group == null ? None : Location(group, slot);
    }

    /// <summary>Sets the location of a key, which may be new.</summary>
    /// <returns>The location before, or <see cref="None"/>.</returns>
    public long Set(ulong hash, long key, long location)
    {
        byte* group = FindSlot(hash, key, out int slot);
        if (group != null)
        {
            long before = Location(group, slot);
            SetLocation(group, slot, location);
            return before;
        }
        byte* segment = Segment(hash);
        while (*(int*)(segment + CountOffset) >= MostKeys)
        {
            Split(hash);
            segment = Segment(hash);
        }
        Insert(segment, hash, key, location);
        Count++;
        return None;
    }

    /// <returns>The location that the key had, or <see cref="None"/>.</returns>
    public long Remove(ulong hash, long key)
    {
        byte* found = FindSlot(hash, key, out int slot);
        if (found == null)
            return None;
        long location = Location(found, slot);
        byte* segment = Segment(hash);
        for (int home = HomeOf(hash); Group(segment, home) != found; home = (home + 1) & (Groups - 1))
            (*(ushort*)(Group(segment, home) + PassedOffset))--;
        found[slot] = 0;
        (*(int*)(segment + CountOffset))--;
        Count--;
        return location;
    }

    /// <summary>Calls for each key; nothing may be changed meanwhile.</summary>
    public void ForEach(Action<long, long> each)
    {
        nint before = 0;
        foreach (nint segment in _directory)
        {
            if (segment == before)
                continue;
            before = segment;
            for (int i = 0; i < Groups; i++)
            {
                byte* group = Group((byte*)segment, i);
                for (int slot = 0; slot < Slots; slot++)
                {
                    if (group[slot] != 0)
                        each(Key(group, slot), Location(group, slot));
                }
            }
        }
    }

    public void Dispose()
    {
        nint before = 0;
        foreach (nint segment in _directory)
        {
            if (segment != before)
                FreeSegment((byte*)segment);
            before = segment;
        }
        _directory = [];
        Count = 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    byte* FindSlot(ulong hash, long key, out int slot)
    {
        byte* segment = Segment(hash);
        var tag = Vector128.Create(TagOf(hash));
        int home = HomeOf(hash);
        for (int i = 0; i < Groups; i++)
        {
            byte* group = Group(segment, home);
            for (uint hits = Vector128.Equals(Vector128.Load(group), tag).ExtractMostSignificantBits(); hits != 0; hits &= hits - 1)
            {
                slot = BitOperations.TrailingZeroCount(hits);
                if (Key(group, slot) == key)
                    return group;
            }
            if (*(ushort*)(group + PassedOffset) == 0)
                break;
            home = (home + 1) & (Groups - 1);
        }
        slot = 0;
        return null;
    }

    static void Insert(byte* segment, ulong hash, long key, long location)
    {
        for (int home = HomeOf(hash); ; home = (home + 1) & (Groups - 1))
        {
            byte* group = Group(segment, home);
            uint free = Vector128.Equals(Vector128.Load(group), Vector128<byte>.Zero).ExtractMostSignificantBits();
            if (free == 0)
            {
                (*(ushort*)(group + PassedOffset))++;
                continue;
            }
            int slot = BitOperations.TrailingZeroCount(free);
            group[slot] = TagOf(hash);
            ((long*)(group + KeysOffset))[slot] = key;
            SetLocation(group, slot, location);
            (*(int*)(segment + CountOffset))++;
            return;
        }
    }

    /// <summary>Splits the hash's segment by one more bit.</summary>
    void Split(ulong hash)
    {
        byte* old = Segment(hash);
        int depth = old[DepthOffset];
        if (depth == _depth)
        {
            var twice = new nint[_directory.Length * 2];
            for (int i = 0; i < twice.Length; i++)
                twice[i] = _directory[i >> 1];
            (_directory, _depth) = (twice, _depth + 1);
        }
        byte* low = NewSegment(depth + 1), high = NewSegment(depth + 1);
        for (int i = 0; i < Groups; i++)
        {
            byte* group = Group(old, i);
            for (int slot = 0; slot < Slots; slot++)
            {
                if (group[slot] == 0)
                    continue;
                ulong one = Hash(Key(group, slot));
                bool isHigh = ((one << ShardBits) >> (63 - depth) & 1) != 0;
                Insert(isHigh ? high : low, one, Key(group, slot), Location(group, slot));
            }
        }
        int span = 1 << (_depth - depth), first = DirectoryIndex(hash) & -span;
        for (int i = 0; i < span; i++)
            _directory[first + i] = (nint)(i < span / 2 ? low : high);
        FreeSegment(old);
    }

    byte* NewSegment(int depth)
    {
        byte* segment = (byte*)NativeMemory.AlignedAlloc(SegmentBytes, 64);
        NativeMemory.Clear(segment, SegmentBytes);
        segment[DepthOffset] = (byte)depth;
        Bytes += SegmentBytes;
        return segment;
    }

    void FreeSegment(byte* segment)
    {
        NativeMemory.AlignedFree(segment);
        Bytes -= SegmentBytes;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    int DirectoryIndex(ulong hash) => _depth == 0 ? 0 : (int)((hash << ShardBits) >> (64 - _depth));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    byte* Segment(ulong hash) => (byte*)_directory[DirectoryIndex(hash)];

    static byte* Group(byte* segment, int group) => segment + (group * GroupBytes);

    static int HomeOf(ulong hash) => (int)(hash >> 7) & (Groups - 1);

    /// <summary>Never 0, which is an empty slot.</summary>
    static byte TagOf(ulong hash) => (byte)(hash | 0x80);

    static long Key(byte* group, int slot) => ((long*)(group + KeysOffset))[slot];

    static long Location(byte* group, int slot) =>
        ((uint*)(group + LowOffset))[slot] | ((long)((ushort*)(group + HighOffset))[slot] << 32);

    static void SetLocation(byte* group, int slot, long location)
    {
        ((uint*)(group + LowOffset))[slot] = (uint)location;
        ((ushort*)(group + HighOffset))[slot] = (ushort)(location >> 32);
    }
}
