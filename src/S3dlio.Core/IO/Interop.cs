using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace S3dlio.IO;

/// <summary>The system calls of this floor. Each repeats after EINTR and returns an errno, 0 for success.</summary>
static unsafe partial class Interop
{
    public const int ENOENT = 2, EIO = 5, EAGAIN = 11, EACCES = 13, EEXIST = 17, EINVAL = 22, EFBIG = 27, ENOSPC = 28, ENOLCK = 37,
        ENOSYS = 38, EOPNOTSUPP = 95, EDQUOT = 122;

    public const int ReadOnly = 0, ReadWrite = 2, Create = 0x40, Exclusive = 0x80;

    public static readonly int Directory = RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 ? 0x4000 : 0x10000;

    const int CloseOnExec = 0x80000, KeepSize = 1, HolePunch = 2, SetLockNow = 6, AtEmptyPath = 0x1000, AtCurrentDirectory = -100, MostPieces = 512;
    const uint StatxBasic = 0x7ff;
    const short WriteLock = 1;

    public static string Describe(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    public static int Open(string path, int flags, out SafeFileHandle? handle)
    {
        int fd;
        do
            fd = open(path, flags | CloseOnExec, 0x1b6);
        while (fd < 0 && Interrupted());
        handle = fd < 0 ? null : new SafeFileHandle(fd, ownsHandle: true);
        return fd < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>Fills the buffer as far as the file goes.</summary>
    public static int Read(SafeFileHandle handle, Span<byte> buffer, long offset, out int count)
    {
        count = 0;
        while (count < buffer.Length)
        {
            var rest = buffer[count..];
            nint got = pread(handle, ref MemoryMarshal.GetReference(rest), (nuint)rest.Length, offset + count);
            if (got < 0 && !Interrupted())
                return Marshal.GetLastPInvokeError();
            if (got == 0)
                return 0;
            count += (int)Math.Max(got, 0);
        }
        return 0;
    }

    public static int Write(SafeFileHandle handle, ReadOnlySpan<byte> data, long offset)
    {
        while (data.Length > 0)
        {
            nint done = pwrite(handle, ref MemoryMarshal.GetReference(data), (nuint)data.Length, offset);
            if (done < 0 && !Interrupted())
                return Marshal.GetLastPInvokeError();
            if (done == 0)
                return EIO;
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
                return EIO;
            offset += done;
            for (; count > 0 && done >= vectors->Length; vectors++, count--)
                done -= vectors->Length;
            if (count > 0)
                *vectors = new IoVector { Start = vectors->Start + done, Length = vectors->Length - done };
        }
        return 0;
    }

    /// <summary>fdatasync: the bytes, and the length where it changed.</summary>
    public static int FlushData(SafeFileHandle handle)
    {
        int result;
        do
            result = fdatasync(handle);
        while (result < 0 && Interrupted());
        return Result(result);
    }

    public static int Flush(SafeFileHandle handle)
    {
        int result;
        do
            result = fsync(handle);
        while (result < 0 && Interrupted());
        return Result(result);
    }

    public static int SetLength(SafeFileHandle handle, long length)
    {
        int result;
        do
            result = ftruncate(handle, length);
        while (result < 0 && Interrupted());
        return Result(result);
    }

    /// <summary>Reserves the range and extends the file to its end.</summary>
    public static int Allocate(SafeFileHandle handle, long offset, long length) => Allocate(handle, 0, offset, length);

    public static int PunchHole(SafeFileHandle handle, long offset, long length) => Allocate(handle, KeepSize | HolePunch, offset, length);

    static int Allocate(SafeFileHandle handle, int mode, long offset, long length)
    {
        int result;
        do
            result = fallocate(handle, mode, offset, length);
        while (result < 0 && Interrupted());
        return Result(result);
    }

    /// <summary>Takes the record lock of the whole file for this process; EAGAIN or EACCES when another process has it.</summary>
    public static int Lock(SafeFileHandle handle)
    {
        var range = new FileLock { Type = WriteLock };
        return Result(fcntl(handle, SetLockNow, ref range));
    }

    public static int Status(SafeFileHandle handle, out FileIdentity status) => Status(handle, null, out status);

    public static int Status(string path, out FileIdentity status) => Status(null, path, out status);

    static int Status(SafeFileHandle? handle, string? path, out FileIdentity status)
    {
        Statx raw;
        int result = handle is not null ? statx(handle, "", AtEmptyPath, StatxBasic, &raw) : statx(AtCurrentDirectory, path!, 0, StatxBasic, &raw);
        status = result == 0
            ? new FileIdentity(((ulong)raw.DeviceMajor << 32) | raw.DeviceMinor, raw.Inode, raw.Size, (long)raw.Blocks * 512)
            : default;
        return Result(result);
    }

    public static int Rename(string from, string to) => Result(rename(from, to));

    public static int Unlink(string path) => Result(unlink(path));

    /// <summary>Sleeps, shorter than <see cref="Thread.Sleep(int)"/> can; a signal ends it early.</summary>
    public static void Nap(int nanoseconds)
    {
        Timespec length = new() { Nanoseconds = nanoseconds };
        _ = nanosleep(ref length, 0);
    }

    static bool Interrupted() => Marshal.GetLastPInvokeError() == 4;

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

    /// <summary>struct flock on 64 bits.</summary>
    struct FileLock
    {
        public short Type, Whence;
        public long Start, Length;
        public int Process;
    }

    /// <summary>struct statx, the same on every architecture (linux/stat.h).</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    struct Statx
    {
        [FieldOffset(32)] public ulong Inode;
        [FieldOffset(40)] public long Size;
        [FieldOffset(48)] public ulong Blocks;
        [FieldOffset(136)] public uint DeviceMajor;
        [FieldOffset(140)] public uint DeviceMinor;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int open(string path, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pread(SafeFileHandle fd, ref byte buffer, nuint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pwrite(SafeFileHandle fd, ref byte buffer, nuint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pwritev(SafeFileHandle fd, IoVector* vectors, int count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fdatasync(SafeFileHandle fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(SafeFileHandle fd);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ftruncate(SafeFileHandle fd, long length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fallocate(SafeFileHandle fd, int mode, long offset, long length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle fd, int command, ref FileLock range);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int statx(SafeFileHandle directory, string path, int flags, uint mask, Statx* status);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int statx(int directory, string path, int flags, uint mask, Statx* status);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int rename(string from, string to);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int unlink(string path);

    [LibraryImport("libc")]
    private static partial int nanosleep(ref Timespec length, nint rest);
}

/// <summary>Which file it is, and its sizes.</summary>
readonly record struct FileIdentity(ulong Device, ulong Inode, long Length, long AllocatedLength);
