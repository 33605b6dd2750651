using System.Runtime.InteropServices;

namespace S3dlio.Native;

/// <summary>
/// Memory for results of 64 KiB to 2 MiB, several to a slab. New memory in pages of 4 KiB costs ten times what it takes to fill it, so
/// slabs lie in huge pages, and one whose results were all dropped serves the next ones while it is warm. What is not used for some seconds
/// goes back to the system: spare slabs whole, and of slabs with a live result, the pages of the freed ones.
/// </summary>
sealed unsafe partial class ResultSlab
{
    public const int Least = 64 << 10;

    const int Length = 8 << 20;

    /// <summary>Slabs that wait for use; a batch of so many bytes is read into the memory of the one before.</summary>
    const int MostSpare = 8;

    const int HugePage = 2 << 20, Page = 4096;
    const int DontNeed = 4, UseHugePages = 14;

    static readonly Lock Gate = new();
    static readonly Stack<ResultSlab> Spare = [];
    static readonly HashSet<ResultSlab> Holed = [];
    static readonly IdleTimer Idle = new(Sweep);
    static ResultSlab? s_open;

    readonly byte* _start;
    readonly List<(int Offset, int Length)> _holes = [];
    int _used, _live;

    ResultSlab()
    {
        _start = (byte*)NativeMemory.AlignedAlloc(Length, HugePage);
        // where this is refused nothing is lost but time
        _ = madvise(_start, Length, UseHugePages);
    }

    /// <summary>Memory of <see cref="Least"/> to <see cref="Most"/> bytes, and the slab to give it back to.</summary>
    public static byte* Rent(long length, out ResultSlab slab)
    {
        int room = Room(length);
        lock (Gate)
        {
            Idle.Touch();
            if (s_open is null || s_open._used + room > Length)
            {
                if (s_open is { _live: 0 } emptied)
                    emptied.Retire();
                s_open = Spare.TryPop(out var spare) ? spare : new ResultSlab();
            }
            slab = s_open;
            byte* at = slab._start + slab._used;
            slab._used += room;
            slab._live++;
            return at;
        }
    }

    public void Return(byte* at, long length)
    {
        lock (Gate)
        {
            if (--_live == 0)
            {
                _used = 0;
                _holes.Clear();
                Holed.Remove(this);
                if (this != s_open)
                    Retire();
            }
            else
            {
                _holes.Add(((int)(at - _start), Room(length)));
                Holed.Add(this);
                Idle.Arm();
            }
        }
    }

    static int Room(long length) => (int)((length + Page - 1) / Page * Page);

    void Retire()
    {
        if (Spare.Count == MostSpare)
        {
            Free();
            return;
        }
        Spare.Push(this);
        Idle.Arm();
    }

    /// <summary>The allocator may keep what large frees before taught it to keep; its pages go to the system in any case.</summary>
    void Free()
    {
        _ = madvise(_start, Length, DontNeed);
        NativeMemory.AlignedFree(_start);
    }

    /// <summary>Gives back what has not been used since the last sweep.</summary>
    static void Sweep()
    {
        lock (Gate)
        {
            if (!Idle.IsOver())
                return;
            while (Spare.TryPop(out var spare))
                spare.Free();
            foreach (var slab in Holed)
            {
                foreach (var (offset, length) in slab._holes)
                    _ = madvise(slab._start + offset, (nuint)length, DontNeed);
                slab._holes.Clear();
            }
            Holed.Clear();
        }
    }

    [LibraryImport("libc")]
    private static partial int madvise(void* address, nuint length, int advice);
}
