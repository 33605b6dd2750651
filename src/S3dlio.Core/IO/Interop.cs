using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace S3dlio.IO;

/// <summary>
/// The calls of libc that .NET lacks or wraps too thickly, in one place. Each repeats after EINTR and returns an errno, 0 for success. This
/// part: open files.
/// </summary>
static unsafe partial class Interop
{
    public const int ReadOnly = 0, ReadWrite = 2, Create = 0x40, Exclusive = 0x80, NoTerminal = 0x100, AtEnd = 0x400, PathOnly = 0x200000,
        NonBlocking = 0x800, CloseOnExec = 0x80000;

    // the two flags whose value the architecture decides
    public static readonly int DirectIo = RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64
        ? 0x10000
        : 0x4000;
    public static readonly int Directory = RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64
        ? 0x4000
        : 0x10000;

    public static readonly int NoFollow = RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 ? 0x8000
        : 0x20000;

    const int KeepSize = 1, HolePunch = 2, MostPieces = 512;
    const int SetStatusFlags = 4, DuplicateCloseOnExec = 1030;
    const uint StartOfWrite = 2, WholeWrite = 1 | 2 | 4;
    const int MadviseHugePage = 14, MadvisePopulateRead = 22, MadvisePopulateWrite = 23;

    public static string Describe(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    public static int Open(string path, int flags, uint mode, out SafeFileHandle? handle)
    {
        int fd;
        do
            fd = open(path, flags | CloseOnExec, mode);
        while (fd < 0 && Interrupted());
        handle = fd < 0 ? null : new SafeFileHandle(fd, ownsHandle: true);
        return fd < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>The same for files that anybody may use, less the umask.</summary>
    public static int Open(string path, int flags, out SafeFileHandle? handle) => Open(path, flags, 0x1b6, out handle);

    /// <summary>Turns O_DIRECT on; EINVAL where the file system has no such thing.</summary>
    public static int SetDirect(SafeFileHandle handle) => Result(fcntl(handle, SetStatusFlags, DirectIo));

    /// <summary>Reads once; at the end of the file <paramref name="count"/> is 0.</summary>
    public static int ReadOnce(SafeFileHandle handle, Span<byte> buffer, long offset, out int count)
    {
        nint got;
        do
            got = pread(handle, ref MemoryMarshal.GetReference(buffer), (nuint)buffer.Length, offset);
        while (got < 0 && Interrupted());
        count = (int)Math.Max(got, 0);
        return got < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>Fills the buffer as far as the file goes.</summary>
    public static int Read(SafeFileHandle handle, Span<byte> buffer, long offset, out int count)
    {
        int errno, got;
        for (count = 0; (errno = ReadOnce(handle, buffer[count..], offset + count, out got)) == 0 && got > 0; count += got)
        {
            if (got == buffer.Length - count)
            {
                count += got;
                break;
            }
        }
        return errno;
    }

    /// <summary>Writes all of the bytes.</summary>
    public static int Write(SafeFileHandle handle, ReadOnlySpan<byte> data, long offset)
    {
        while (data.Length > 0)
        {
            nint done = pwrite(handle, ref MemoryMarshal.GetReference(data), (nuint)data.Length, offset);
            if (done < 0 && !Interrupted())
                return Marshal.GetLastPInvokeError();
            if (done == 0)
                return Errno.EIO;
            data = data[(int)Math.Max(done, 0)..];
            offset += Math.Max(done, 0);
        }
        return 0;
    }

    /// <summary>Writes all of the pieces, one behind the other.</summary>
    public static int Write(SafeFileHandle handle, IReadOnlyList<ReadOnlyMemory<byte>> pieces, long offset)
    {
        var vectors = stackalloc IoVector[MostPieces];
        var pins = new System.Buffers.MemoryHandle[Math.Min(pieces.Count, MostPieces)];
        for (int first = 0; first < pieces.Count; first += MostPieces)
        {
            int count = 0;
            try
            {
                for (int i = first; i < Math.Min(first + MostPieces, pieces.Count); i++)
                {
                    if (pieces[i].Length == 0)
                        continue;
                    pins[count] = pieces[i].Pin();
                    vectors[count] = new IoVector { Start = (byte*)pins[count].Pointer, Length = pieces[i].Length };
                    count++;
                }
                if (Write(handle, vectors, count, ref offset) is not 0 and var errno)
                    return errno;
            }
            finally
            {
                foreach (ref var pin in pins.AsSpan(0, count))
                    pin.Dispose();
            }
        }
        return 0;
    }

    static int Write(SafeFileHandle handle, IoVector* vectors, int count, ref long offset)
    {
        while (count > 0)
        {
            nint done = pwritev(handle, vectors, count, offset);
            if (done < 0)
            {
                if (!Interrupted())
                    return Marshal.GetLastPInvokeError();
                continue;
            }
            if (done == 0)
                return Errno.EIO;
            offset += done;
            for (; count > 0 && done >= vectors->Length; vectors++, count--)
                done -= vectors->Length;
            if (count > 0)
                *vectors = new IoVector { Start = vectors->Start + done, Length = vectors->Length - done };
        }
        return 0;
    }

    /// <summary>fdatasync: the bytes, and the length where it changed.</summary>
    public static int FlushData(SafeFileHandle handle) => Repeat(() => fdatasync(handle));

    public static int Flush(SafeFileHandle handle) => Repeat(() => fsync(handle));

    public static int SetLength(SafeFileHandle handle, long length) => Repeat(() => ftruncate(handle, length));

    /// <summary>Reserves the range and extends the file to its end.</summary>
    public static int Allocate(SafeFileHandle handle, long offset, long length) => Allocate(handle, 0, offset, length);

    public static int PunchHole(SafeFileHandle handle, long offset, long length) => Allocate(handle, KeepSize | HolePunch, offset, length);

    static int Allocate(SafeFileHandle handle, int mode, long offset, long length) =>
        Repeat(() => fallocate(handle, mode, offset, length));

    /// <summary>Reserves room without changing the file's length.</summary>
    public static int Reserve(SafeFileHandle handle, long length) => Allocate(handle, KeepSize, 0, length);

    /// <summary>
    /// Copies within the kernel, as a shared extent where the file system can; <paramref name="count"/> is 0 at the end of the source.
    /// </summary>
    public static int CopyRange(SafeFileHandle source, SafeFileHandle destination, long offset, long length, out long count)
    {
        long from = offset, to = offset;
        nint done;
        do
            done = copy_file_range(source, ref from, destination, ref to, (nuint)length, 0);
        while (done < 0 && Interrupted());
        count = Math.Max(done, 0);
        return done < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>Starts the device on what of the range lies in the page cache, without waiting for it or promising anything.</summary>
    public static int StartWrite(SafeFileHandle handle, long offset, long length) =>
        Result(sync_file_range(handle, offset, length, StartOfWrite));

    /// <summary>
    /// Waits until the device has the range's bytes, which is not to say that it keeps them: its cache and the file's size and blocks are
    /// left to a flush. 0 where the file system has no such call.
    /// </summary>
    public static int FinishWrite(SafeFileHandle handle, long offset, long length) =>
        Result(sync_file_range(handle, offset, length, WholeWrite)) is var errno
            && errno is Errno.EINVAL or Errno.ENOSYS or Errno.EOPNOTSUPP ? 0 : errno;

    public static int Chmod(SafeFileHandle handle, uint mode) => Result(fchmod(handle, mode));

    public static int Chown(SafeFileHandle handle, uint user, uint group) => Result(fchown(handle, user, group));

    /// <summary>Sets the modification time, to the nanosecond; leaves the access time.</summary>
    public static int SetModified(SafeFileHandle handle, long seconds, long nanoseconds)
    {
        const long omit = 0x3ffffffe;
        var times = stackalloc long[4] { 0, omit, seconds, nanoseconds };
        return Result(futimens(handle, times));
    }

    /// <summary>Closes a second descriptor of the file: network file systems report the errors of delayed writes at a close.</summary>
    public static int CloseCopy(SafeFileHandle handle)
    {
        int copy = dup(handle);
        return copy < 0 ? Marshal.GetLastPInvokeError() : Result(close(copy)) is var errno && errno == Errno.EINTR ? 0 : errno;
    }

    /// <summary>Asks for huge pages, which systems may not give.</summary>
    public static void UseHugePages(byte* start, nuint length) => _ = madvise(start, length, MadviseHugePage);

    /// <summary>
    /// Has the system give memory to a range now instead of at the first write to each of its pages; what is there stays. Older systems
    /// (Linux before 5.14) do nothing.
    /// </summary>
    public static void Populate(byte* start, nuint length) => _ = madvise(start, length, MadvisePopulateWrite);

    /// <summary>
    /// Has mapped memory read and ready now instead of at the first look at each page. Older systems (Linux before 5.14) do nothing.
    /// </summary>
    /// <returns>Not 0 where a look would end the process: a mapped file was cut short, or its device fails.</returns>
    public static int PopulateRead(ReadOnlySpan<byte> memory)
    {
        fixed (byte* start = memory)
        {
            nuint past = (nuint)start % (nuint)Environment.SystemPageSize;
            int errno = Result(madvise(start - past, (nuint)memory.Length + past, MadvisePopulateRead));
            return errno is Errno.EFAULT or Errno.EHWPOISON ? errno : 0;
        }
    }

    /// <summary>Sleeps, shorter than <see cref="Thread.Sleep(int)"/> can; a signal ends it early.</summary>
    public static void Nap(int nanoseconds)
    {
        Timespec length = new() { Nanoseconds = nanoseconds };
        _ = nanosleep(ref length, 0);
    }

    /// <summary>Calls until no signal interrupts it.</summary>
    static int Repeat(Func<int> call)
    {
        int result;
        do
            result = call();
        while (result < 0 && Interrupted());
        return Result(result);
    }

    static bool Interrupted() => Marshal.GetLastPInvokeError() == Errno.EINTR;

    static int Result(int result) => result < 0 ? Marshal.GetLastPInvokeError() : 0;

    struct IoVector
    {
        public byte* Start;
        public nint Length;
    }

    struct Timespec
    {
        public long Seconds, Nanoseconds;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint copy_file_range(
        SafeFileHandle source, ref long from, SafeFileHandle destination, ref long to, nuint count, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int dup(SafeFileHandle fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fallocate(SafeFileHandle fd, int mode, long offset, long length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchmod(SafeFileHandle fd, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchown(SafeFileHandle fd, uint user, uint group);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle fd, int command, int argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fdatasync(SafeFileHandle fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(SafeFileHandle fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ftruncate(SafeFileHandle fd, long length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int futimens(SafeFileHandle fd, long* times);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int madvise(byte* start, nuint length, int advice);

    [LibraryImport("libc")]
    private static partial int nanosleep(ref Timespec length, nint remaining);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pread(SafeFileHandle fd, ref byte buffer, nuint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pwrite(SafeFileHandle fd, ref byte buffer, nuint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pwritev(SafeFileHandle fd, IoVector* vectors, int count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sync_file_range(SafeFileHandle fd, long offset, long length, uint flags);
}
