using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace S3dlio.IO;

/// <summary>Files in the address space.</summary>
static unsafe partial class Interop
{
    /// <summary>Most pieces that <see cref="Gather"/> takes.</summary>
    public const int MostGathered = 128;

    const int MapRead = 1, MapShared = 1, MadviseRandom = 1;

    /// <summary>
    /// Maps the file's first bytes for reading. Nothing reads them but <see cref="Gather"/>: elsewhere a fault would be a signal.
    /// </summary>
    public static int Map(SafeFileHandle handle, long length, out nint place)
    {
        place = mmap(0, (nuint)length, MapRead, MapShared, handle, 0);
        if (place == -1)
            return Marshal.GetLastPInvokeError();
        // a record here and one there: what lies around them is not wanted
        _ = madvise((byte*)place, (nuint)length, MadviseRandom);
        return 0;
    }

    public static void Unmap(nint place, long length) => _ = munmap(place, (nuint)length);

    /// <summary>
    /// Copies pieces of mapped files, one behind the other, in one call of the kernel. A page that cannot be read, because the device fails
    /// or the file was cut, is an error and no signal.
    /// </summary>
    public static int Gather(ReadOnlySpan<(nint Place, int Length)> pieces, Span<byte> target)
    {
        var from = stackalloc IoVector[MostGathered];
        for (int i = 0; i < pieces.Length; i++)
            from[i] = new IoVector { Start = (byte*)pieces[i].Place, Length = pieces[i].Length };
        fixed (byte* start = target)
        {
            var to = new IoVector { Start = start, Length = target.Length };
            // asked each time: a forked child has another
            nint done = process_vm_readv(getpid(), &to, 1, from, (nuint)pieces.Length, 0);
            return done < 0 ? Marshal.GetLastPInvokeError() : done == target.Length ? 0 : Errno.EIO;
        }
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint mmap(nint wanted, nuint length, int protection, int flags, SafeFileHandle fd, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int munmap(nint place, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint process_vm_readv(
        int process, IoVector* to, nuint toCount, IoVector* from, nuint fromCount, nuint flags);

    [LibraryImport("libc")]
    private static partial int getpid();
}
