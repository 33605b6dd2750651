using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>
/// The calls of libc that .NET lacks or wraps too thickly. Each repeats after EINTR and returns an errno, 0 for success;
/// <see cref="Errno"/> turns that into words.
/// </summary>
static unsafe partial class Libc
{
    public const int ReadOnly = 0, ReadWrite = 2, Create = 0x40, Exclusive = 0x80, NoTerminal = 0x100, PathOnly = 0x200000, NonBlocking = 0x800, CloseOnExec = 0x80000;

    // the two flags whose value the architecture decides
    public static readonly int DirectIo = RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 ? 0x10000 : 0x4000;
    public static readonly int Directory = RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 ? 0x4000 : 0x10000;

    static readonly int NoFollow = RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 ? 0x8000 : 0x20000;

    const int AtRemoveDirectory = 0x200;
    const int AtCurrentDirectory = -100, AtEmptyPath = 0x1000, AtNoFollow = 0x100, AtEffectiveAccess = 0x200;
    const uint StatxBasic = 0x7ff, StatxDirect = 0x2000;
    const uint RenameNoReplace = 1;
    const int LockExclusive = 2, LockNonBlocking = 4, Unlocked = 8;

    const int MadviseHugePage = 14;
    const int SetStatusFlags = 4, DuplicateCloseOnExec = 1030;
    const int KeepSize = 1;
    const uint StartOfWrite = 2, WholeWrite = 1 | 2 | 4;
    const int WriteAccess = 2;

    public static int Open(string path, int flags, uint mode, out SafeFileHandle? handle)
    {
        int fd;
        do
            fd = open(path, flags | CloseOnExec, mode);
        while (fd < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
        handle = fd < 0 ? null : new SafeFileHandle(fd, ownsHandle: true);
        return fd < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>Turns O_DIRECT on; EINVAL where the file system has no such thing.</summary>
    public static int SetDirect(SafeFileHandle handle) => Result(fcntl(handle, SetStatusFlags, DirectIo));

    /// <summary>Reads once; at the end of the file <paramref name="count"/> is 0.</summary>
    public static int Read(SafeFileHandle handle, Span<byte> buffer, long offset, out int count)
    {
        nint got;
        do
            got = pread(handle, ref MemoryMarshal.GetReference(buffer), (nuint)buffer.Length, offset);
        while (got < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
        count = (int)Math.Max(got, 0);
        return got < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>Writes all of <paramref name="data"/>.</summary>
    public static int Write(SafeFileHandle handle, ReadOnlySpan<byte> data, long offset)
    {
        while (data.Length > 0)
        {
            nint done = pwrite(handle, ref MemoryMarshal.GetReference(data), (nuint)data.Length, offset);
            if (done < 0)
            {
                int errno = Marshal.GetLastPInvokeError();
                if (errno != Errno.EINTR)
                    return errno;
                continue;
            }
            if (done == 0)
                return Errno.EIO;
            data = data[(int)done..];
            offset += done;
        }
        return 0;
    }

    /// <summary>Asks for huge pages, which systems may not give.</summary>
    public static void UseHugePages(byte* start, nuint length) => _ = madvise(start, length, MadviseHugePage);

    /// <summary>Sleeps, shorter than <see cref="Thread.Sleep(int)"/> can; a signal ends it early.</summary>
    public static void Nap(int nanoseconds)
    {
        Timespec length = new() { Nanoseconds = nanoseconds };
        _ = nanosleep(ref length, 0);
    }

    /// <summary>Writes all of the pieces, one behind the other.</summary>
    public static int Write(SafeFileHandle handle, IReadOnlyList<ReadOnlyMemory<byte>> pieces, long offset)
    {
        const int most = 128;
        var vectors = stackalloc IoVector[most];
        var pins = new MemoryHandle[Math.Min(pieces.Count, most)];
        for (int first = 0; first < pieces.Count; first += most)
        {
            int count = 0;
            try
            {
                for (int i = first; i < Math.Min(first + most, pieces.Count); i++)
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
                int errno = Marshal.GetLastPInvokeError();
                if (errno != Errno.EINTR)
                    return errno;
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

    /// <summary>Copies within the kernel, as a shared extent where the file system can; <paramref name="count"/> is 0 at the end of the source.</summary>
    public static int CopyRange(SafeFileHandle source, SafeFileHandle destination, long offset, long length, out long count)
    {
        long from = offset, to = offset;
        nint done;
        do
            done = copy_file_range(source, ref from, destination, ref to, (nuint)length, 0);
        while (done < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
        count = Math.Max(done, 0);
        return done < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    public static int Sync(SafeFileHandle handle) => Repeat(handle, static file => fsync(file));

    public static int Truncate(SafeFileHandle handle, long length)
    {
        int result;
        do
            result = ftruncate(handle, length);
        while (result < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
        return Result(result);
    }

    /// <summary>Reserves room without changing the file's length.</summary>
    public static int Allocate(SafeFileHandle handle, long length)
    {
        int result;
        do
            result = fallocate(handle, KeepSize, 0, length);
        while (result < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
        return Result(result);
    }

    /// <summary>Starts the device on what of the range lies in the page cache, without waiting for it or promising anything.</summary>
    public static int StartWrite(SafeFileHandle handle, long offset, long length) => Result(sync_file_range(handle, offset, length, StartOfWrite));

    /// <summary>
    /// Waits until the device has the range's bytes, which is not to say that it keeps them: its cache and the file's size and blocks are left
    /// to a flush. 0 where the file system has no such call.
    /// </summary>
    public static int FinishWrite(SafeFileHandle handle, long offset, long length) =>
        Result(sync_file_range(handle, offset, length, WholeWrite)) is var errno && errno is Errno.EINVAL or Errno.ENOSYS or Errno.EOPNOTSUPP ? 0 : errno;

    public static int Chmod(SafeFileHandle handle, uint mode) => Result(fchmod(handle, mode));

    public static int Chown(SafeFileHandle handle, uint user, uint group) => Result(fchown(handle, user, group));

    /// <summary>Sets the modification time, to the nanosecond; leaves the access time.</summary>
    public static int SetModified(SafeFileHandle handle, long seconds, long nanoseconds)
    {
        const long omit = 0x3ffffffe;
        var times = stackalloc long[4] { 0, omit, seconds, nanoseconds };
        return Result(futimens(handle, times));
    }

    /// <summary>Takes the advisory lock of the open file; EAGAIN when another has it. Nothing here waits for one in the kernel, where no cancel is heard.</summary>
    public static int TryLock(SafeFileHandle handle) => Repeat(handle, static file => flock(file, LockExclusive | LockNonBlocking));

    public static int Unlock(SafeFileHandle handle) => Result(flock(handle, Unlocked));

    /// <summary>Closes a second descriptor of the file: network file systems report the errors of delayed writes at a close.</summary>
    public static int CloseCopy(SafeFileHandle handle)
    {
        int copy = dup(handle);
        return copy < 0 ? Marshal.GetLastPInvokeError() : Result(close(copy)) is var errno && errno == Errno.EINTR ? 0 : errno;
    }

    /// <summary>Of which type the file system of a path is (linux/magic.h).</summary>
    public static int FileSystem(string path, out long type)
    {
        // struct statfs has 120 bytes on 64 bits, the type first
        var raw = stackalloc long[32];
        int errno = Result(statfs(path, raw));
        type = errno == 0 ? raw[0] : 0;
        return errno;
    }

    public static int Status(SafeFileHandle handle, out FileStatus status)
    {
        Statx raw;
        int errno = Result(statx(handle, "", AtEmptyPath, StatxBasic | StatxDirect, &raw));
        status = errno == 0 ? new FileStatus(raw) : default;
        return errno;
    }

    public static int Status(string path, bool follow, out FileStatus status)
    {
        Statx raw;
        int errno = Result(statx(AtCurrentDirectory, path, follow ? 0 : AtNoFollow, StatxBasic, &raw));
        status = errno == 0 ? new FileStatus(raw) : default;
        return errno;
    }

    /// <summary>May this process write to the file's bytes, as the kernel would judge an open?</summary>
    public static int CheckWritable(string path) => Result(faccessat(AtCurrentDirectory, path, WriteAccess, AtEffectiveAccess));

    public static int MakeDirectory(string path) => Result(mkdir(path, 0x1ff));

    public static int RemoveDirectory(string path) => Result(rmdir(path));

    public static int Unlink(string path) => Result(unlink(path));

    public static int Rename(string from, string to) => Result(rename(from, to));

    /// <summary>Renames unless there is a file already: EEXIST.</summary>
    public static int RenameNew(string from, string to)
    {
        int errno = Result(renameat2(AtCurrentDirectory, from, AtCurrentDirectory, to, RenameNoReplace));
        if (errno is not (Errno.EINVAL or Errno.ENOSYS))
            return errno;
        // file systems without the flag: a second name that must be new, then the first one goes
        errno = Result(link(from, to));
        return errno != 0 ? errno : Unlink(from);
    }

    /// <summary>Where a symbolic link points, as written in it.</summary>
    public static int ReadLink(string path, out string target)
    {
        Span<byte> buffer = stackalloc byte[4096];
        nint length = readlink(path, ref MemoryMarshal.GetReference(buffer), (nuint)buffer.Length);
        target = length < 0 ? "" : PathText.Decode(buffer[..(int)length]);
        return length < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>Reads an extended attribute; its length may be more than the buffer's, then errno is ERANGE.</summary>
    public static int GetAttribute(SafeFileHandle handle, string name, Span<byte> buffer, out int length)
    {
        nint got = fgetxattr(handle, name, ref MemoryMarshal.GetReference(buffer), (nuint)buffer.Length);
        length = (int)Math.Max(got, 0);
        return got < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>The same of the file that has a name; a link is not followed.</summary>
    public static int GetAttribute(string path, string name, Span<byte> buffer, out int length)
    {
        nint got = lgetxattr(path, name, ref MemoryMarshal.GetReference(buffer), (nuint)buffer.Length);
        length = (int)Math.Max(got, 0);
        return got < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    public static int RemoveAttribute(SafeFileHandle handle, string name) => Result(fremovexattr(handle, name));

    public static int SetAttribute(SafeFileHandle handle, string name, ReadOnlySpan<byte> value) =>
        Result(fsetxattr(handle, name, ref MemoryMarshal.GetReference(value), (nuint)value.Length, 0));

    /// <summary>Reads a directory: every name but <c>.</c> and <c>..</c>.</summary>
    public static int ReadDirectory(string path, out List<(string Name, EntryType Type)> entries)
    {
        entries = [];
        nint stream = opendir(path);
        return stream == 0 ? Marshal.GetLastPInvokeError() : ReadDirectory(stream, entries);
    }

    /// <summary>The same of an open one, once.</summary>
    public static int ReadDirectory(SafeFileHandle directory, out List<(string Name, EntryType Type)> entries)
    {
        entries = [];
        // the stream closes what it was given
        int copy = fcntl(directory, DuplicateCloseOnExec, 0);
        if (copy < 0)
            return Marshal.GetLastPInvokeError();
        nint stream = fdopendir(copy);
        if (stream != 0)
            return ReadDirectory(stream, entries);
        int errno = Marshal.GetLastPInvokeError();
        _ = close(copy);
        return errno;
    }

    static int ReadDirectory(nint stream, List<(string Name, EntryType Type)> entries)
    {
        try
        {
            while (true)
            {
                byte* entry = readdir(stream);
                if (entry == null)
                    return Marshal.GetLastPInvokeError();
                // struct dirent of glibc and musl on 64 bits: inode 8, offset 8, record length 2, type 1, name
                var name = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(entry + 19);
                if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                    entries.Add((PathText.Decode(name), (EntryType)entry[18]));
            }
        }
        finally
        {
            _ = closedir(stream);
        }
    }

    /// <summary>Opens a file of an open directory; links are not followed.</summary>
    public static int OpenAt(SafeFileHandle directory, string name, int flags, out SafeFileHandle? handle)
    {
        int fd;
        do
            fd = openat(directory, name, flags | NoFollow | CloseOnExec);
        while (fd < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
        handle = fd < 0 ? null : new SafeFileHandle(fd, ownsHandle: true);
        return fd < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>Opens a directory of an open directory; ENOTDIR or ELOOP for a link.</summary>
    public static int OpenDirectoryAt(SafeFileHandle directory, string name, out SafeFileHandle? handle) =>
        OpenAt(directory, name, ReadOnly | Directory | NonBlocking, out handle);

    /// <summary>Looks at a file of an open directory; a link is the link itself.</summary>
    public static int StatusAt(SafeFileHandle directory, string name, out FileStatus status)
    {
        Statx raw;
        int errno = Result(statx(directory, name, AtNoFollow, StatxBasic, &raw));
        status = errno == 0 ? new FileStatus(raw) : default;
        return errno;
    }

    /// <summary>Removes a name of an open directory.</summary>
    public static int UnlinkAt(SafeFileHandle directory, string name, bool isDirectory) => Result(unlinkat(directory, name, isDirectory ? AtRemoveDirectory : 0));

    static int Result(int result) => result < 0 ? Marshal.GetLastPInvokeError() : 0;

    static int Repeat(SafeFileHandle handle, Func<SafeFileHandle, int> call)
    {
        int result;
        do
            result = call(handle);
        while (result < 0 && Marshal.GetLastPInvokeError() == Errno.EINTR);
        return Result(result);
    }

    /// <summary>struct statx, the same on every architecture (linux/stat.h).</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct Statx
    {
        [FieldOffset(16)] public uint Links;
        [FieldOffset(20)] public uint User;
        [FieldOffset(24)] public uint Group;
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(32)] public ulong Inode;
        [FieldOffset(40)] public long Size;
        [FieldOffset(112)] public long ModifiedSeconds;
        [FieldOffset(120)] public uint ModifiedNanoseconds;
        [FieldOffset(136)] public uint DeviceMajor;
        [FieldOffset(140)] public uint DeviceMinor;
        [FieldOffset(152)] public uint DirectMemoryAlignment;
        [FieldOffset(156)] public uint DirectOffsetAlignment;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int open(string path, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle fd, int command, int argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pread(SafeFileHandle fd, ref byte buffer, nuint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pwrite(SafeFileHandle fd, ref byte buffer, nuint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pwritev(SafeFileHandle fd, IoVector* vectors, int count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint copy_file_range(SafeFileHandle source, ref long from, SafeFileHandle destination, ref long to, nuint count, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(SafeFileHandle fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ftruncate(SafeFileHandle fd, long length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fallocate(SafeFileHandle fd, int mode, long offset, long length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sync_file_range(SafeFileHandle fd, long offset, long length, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchmod(SafeFileHandle fd, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fchown(SafeFileHandle fd, uint user, uint group);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int futimens(SafeFileHandle fd, long* times);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle fd, int operation);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int dup(SafeFileHandle fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int statx(SafeFileHandle directory, string path, int flags, uint mask, Statx* status);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int statx(int directory, string path, int flags, uint mask, Statx* status);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int faccessat(int directory, string path, int mode, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int mkdir(string path, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int rmdir(string path);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int unlink(string path);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int rename(string from, string to);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int renameat2(int fromDirectory, string from, int toDirectory, string to, uint flags);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int link(string from, string to);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial nint readlink(string path, ref byte buffer, nuint size);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial nint fgetxattr(SafeFileHandle fd, string name, ref byte value, nuint size);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial nint lgetxattr(string path, string name, ref byte value, nuint size);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int fremovexattr(SafeFileHandle fd, string name);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int fsetxattr(SafeFileHandle fd, string name, ref byte value, nuint size, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int statfs(string path, long* status);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int openat(SafeFileHandle directory, string path, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int unlinkat(SafeFileHandle directory, string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint fdopendir(int fd);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial nint opendir(string path);

    [LibraryImport("libc")]
    private static partial int madvise(byte* start, nuint length, int advice);

    [LibraryImport("libc")]
    private static partial int nanosleep(ref Timespec length, nint remaining);

    [LibraryImport("libc", SetLastError = true)]
    private static partial byte* readdir(nint stream);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int closedir(nint stream);

    // struct iovec
    struct IoVector
    {
        public byte* Start;
        public nint Length;
    }
}

struct Timespec
{
    public long Seconds;
    public long Nanoseconds;
}

/// <summary>d_type of a directory entry; 0 where the file system does not say.</summary>
enum EntryType : byte
{
    Unknown = 0,
    Directory = 4,
    File = 8,
    Link = 10,
}
