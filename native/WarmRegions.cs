using System.Runtime.InteropServices;

namespace S3dlio.Native;

/// <summary>
/// Memory for results of 2 MiB and more, in huge pages. Clearing new pages takes as long as filling them, and longer where a virtual
/// machine's host has to find them first, so the regions of results that were dropped serve the next ones while they are warm. The kernel
/// may take a spare region's pages at any time instead of swapping or killing, and what is not used for some seconds goes back whole.
/// </summary>
static unsafe partial class WarmRegions
{
    public const long Least = HugePage;

    const int HugePage = 2 << 20;
    const long MostSpareBytes = 1L << 30;

    /// <summary>A region serves a result that leaves no more than this part of it unused.</summary>
    const int UnusedPart = 8;

    const int ReadWrite = 1 | 2, PrivateAnonymous = 2 | 0x20;
    const int Free = 8, UseHugePages = 14;

    static readonly Lock Gate = new();
    static readonly List<(nint Start, long Length)> Spare = [];
    static readonly IdleTimer Idle = new(Sweep);
    static readonly long MostSpare = Math.Min(MostSpareBytes, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 16);
    static long s_spare;

    /// <summary>Memory of at least so many bytes.</summary>
    /// <param name="needed">How many; <see cref="Least"/> or more.</param>
    /// <param name="length">How many there are, which <see cref="Return"/> wants to know.</param>
    /// <exception cref="InsufficientMemoryException">The system has not so much.</exception>
    public static byte* Rent(long needed, out long length)
    {
        length = checked(needed + HugePage - 1) / HugePage * HugePage;
        lock (Gate)
        {
            for (int i = Spare.Count - 1; i >= 0; i--)
            {
                var (start, room) = Spare[i];
                if (room < length || room - length > room / UnusedPart)
                    continue;
                Spare.RemoveAt(i);
                s_spare -= room;
                Idle.Touch();
                length = room;
                return (byte*)start;
            }
        }
        return Map(length);
    }

    public static void Return(byte* start, long length)
    {
        if (length > MostSpare)
        {
            Unmap(start, length);
            return;
        }
        // from here on the kernel may take the pages; what writes to them first keeps them
        _ = madvise(start, (nuint)length, Free);
        List<(nint Start, long Length)> gone = [];
        lock (Gate)
        {
            while (s_spare + length > MostSpare)
            {
                gone.Add(Spare[0]);
                s_spare -= Spare[0].Length;
                Spare.RemoveAt(0);
            }
            Spare.Add(((nint)start, length));
            s_spare += length;
            Idle.Arm();
        }
        Unmap(gone);
    }

    static void Sweep()
    {
        List<(nint Start, long Length)> gone;
        lock (Gate)
        {
            if (!Idle.IsOver())
                return;
            gone = [.. Spare];
            Spare.Clear();
            s_spare = 0;
        }
        Unmap(gone);
    }

    static byte* Map(long length)
    {
        // the kernel aligns large mappings only of late
        nint mapped = mmap(0, (nuint)(length + HugePage), ReadWrite, PrivateAnonymous, -1, 0);
        if (mapped == -1)
            throw new InsufficientMemoryException();
        nint start = (mapped + HugePage - 1) / HugePage * HugePage;
        if (start > mapped)
            _ = munmap(mapped, (nuint)(start - mapped));
        _ = munmap((nint)(start + length), (nuint)(mapped + HugePage - start));
        // where this is refused nothing is lost but time
        _ = madvise((byte*)start, (nuint)length, UseHugePages);
        return (byte*)start;
    }

    static void Unmap(List<(nint Start, long Length)> regions)
    {
        foreach (var (start, length) in regions)
            Unmap((byte*)start, length);
    }

    static void Unmap(byte* start, long length) => _ = munmap((nint)start, (nuint)length);

    [LibraryImport("libc")]
    private static partial nint mmap(nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc")]
    private static partial int munmap(nint address, nuint length);

    [LibraryImport("libc")]
    private static partial int madvise(void* address, nuint length, int advice);
}
