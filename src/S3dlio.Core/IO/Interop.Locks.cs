using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace S3dlio.IO;

/// <summary>Locks of open files: record locks are the process's, the others the open file's.</summary>
static partial class Interop
{
    const int GetLock = 5, SetLockNow = 6, LockExclusive = 2, LockNonBlocking = 4, Unlocked = 8;
    const short WriteLock = 1, NoLock = 2;

    /// <summary>Takes the record lock of the whole file for this process; EAGAIN or EACCES when another process has it.</summary>
    public static int Lock(SafeFileHandle handle)
    {
        var range = new RecordLock { Type = WriteLock };
        return Result(fcntl(handle, SetLockNow, ref range));
    }

    /// <summary>Whether another process has the record lock of the file. Locks of this process are not seen.</summary>
    public static int IsLocked(SafeFileHandle handle, out bool isLocked)
    {
        var range = new RecordLock { Type = WriteLock };
        int errno = Result(fcntl(handle, GetLock, ref range));
        isLocked = errno == 0 && range.Type != NoLock;
        return errno;
    }

    /// <summary>
    /// Takes the record lock of one byte for this process, which may lie behind the file's end; EAGAIN or EACCES when another process has
    /// it.
    /// </summary>
    public static int LockByte(SafeFileHandle handle, long at)
    {
        var range = new RecordLock { Type = WriteLock, Start = at, Length = 1 };
        return Result(fcntl(handle, SetLockNow, ref range));
    }

    public static int UnlockByte(SafeFileHandle handle, long at)
    {
        var range = new RecordLock { Type = NoLock, Start = at, Length = 1 };
        return Result(fcntl(handle, SetLockNow, ref range));
    }

    /// <summary>
    /// Takes the advisory lock of the open file; EAGAIN when another has it. Nothing here waits for one in the kernel, where no cancel is
    /// heard.
    /// </summary>
    public static int TryLock(SafeFileHandle handle) => Repeat(() => flock(handle, LockExclusive | LockNonBlocking));

    public static int Unlock(SafeFileHandle handle) => Result(flock(handle, Unlocked));

    /// <summary>struct flock on 64 bits.</summary>
    struct RecordLock
    {
        public short Type, Whence;
        public long Start, Length;
        public int Process;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle fd, int command, ref RecordLock range);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle fd, int operation);
}
