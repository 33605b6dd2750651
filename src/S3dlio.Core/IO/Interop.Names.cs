using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace S3dlio.IO;

/// <summary>Names: files by their path, directories, attributes.</summary>
static unsafe partial class Interop
{
    const int AtRemoveDirectory = 0x200;
    const int AtCurrentDirectory = -100, AtEmptyPath = 0x1000, AtNoFollow = 0x100, AtEffectiveAccess = 0x200;
    const uint StatxBasic = 0x7ff, StatxDirect = 0x2000;
    const uint RenameNoReplace = 1;
    const int WriteAccess = 2;

    /// <summary>The type of the file system of a path (linux/magic.h).</summary>
    public static int FileSystem(string path, out long type)
    {
        // struct statfs has 120 bytes on 64 bits, the type first
        var raw = stackalloc long[32];
        int errno = Result(statfs(path, raw));
        type = errno == 0 ? raw[0] : 0;
        return errno;
    }

    /// <summary>
    /// Whether a file system of that type lies on this machine, by the numbers of linux/magic.h. Those that are not here are networks'
    /// (NFS, SMB, Lustre, Ceph, GPFS, 9p, AFS), FUSE, or not known.
    /// </summary>
    public static bool IsLocal(long type) => (uint)type is
        0xef53 or 0x58465342 or 0x9123683e or 0x01021994 or 0x858458f6 // ext2 to ext4, XFS, Btrfs, tmpfs, ramfs
        or 0x794c7630 or 0x2fc12fc1 or 0xca451a4e or 0xf2f52010 // overlayfs, ZFS, bcachefs, F2FS
        or 0x3153464a or 0x52654973 or 0x3434 or 0x7366746e // JFS, ReiserFS, NILFS, NTFS
        or 0x4d44 or 0x2011bab0 or 0x9660 or 0x73717368 or 0xe0f5e1e2; // FAT, exFAT, ISO 9660, SquashFS, EROFS

    /// <summary>What is free on the file system of a path, for ordinary users.</summary>
    /// <param name="path">Any on it.</param>
    /// <param name="size">Bytes of the whole file system.</param>
    /// <param name="free">Bytes left.</param>
    /// <param name="freeFiles">Files that can still be made; the greatest number where there is no limit.</param>
    public static int Room(string path, out long size, out long free, out long freeFiles)
    {
        // struct statfs on 64 bits: type, block size, blocks, free blocks, those free for users, files, free files, …
        var raw = stackalloc long[32];
        int errno = Result(statfs(path, raw));
        (size, free) = errno == 0 ? (raw[1] * raw[2], raw[1] * raw[4]) : (0, 0);
        freeFiles = errno != 0 ? 0 : raw[5] == 0 ? long.MaxValue : raw[6];
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

    public static int MakeDirectory(string path) => MakeDirectory(path, 0x1ff);

    /// <param name="path">The directory.</param>
    /// <param name="mode">Its permissions, less the umask.</param>
    public static int MakeDirectory(string path, uint mode) => Result(mkdir(path, mode));

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

    /// <summary>The text of a symbolic link.</summary>
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
        while (fd < 0 && Interrupted());
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
    public static int UnlinkAt(SafeFileHandle directory, string name, bool isDirectory) =>
        Result(unlinkat(directory, name, isDirectory ? AtRemoveDirectory : 0));

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
        [FieldOffset(48)] public ulong Blocks;
        [FieldOffset(112)] public long ModifiedSeconds;
        [FieldOffset(120)] public uint ModifiedNanoseconds;
        [FieldOffset(136)] public uint DeviceMajor;
        [FieldOffset(140)] public uint DeviceMinor;
        [FieldOffset(152)] public uint DirectMemoryAlignment;
        [FieldOffset(156)] public uint DirectOffsetAlignment;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int closedir(nint stream);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int faccessat(int directory, string path, int mode, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint fdopendir(int fd);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial nint fgetxattr(SafeFileHandle fd, string name, ref byte value, nuint size);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int fremovexattr(SafeFileHandle fd, string name);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int fsetxattr(SafeFileHandle fd, string name, ref byte value, nuint size, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial nint lgetxattr(string path, string name, ref byte value, nuint size);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int link(string from, string to);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int mkdir(string path, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int open(string path, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int openat(SafeFileHandle directory, string path, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial nint opendir(string path);

    [LibraryImport("libc", SetLastError = true)]
    private static partial byte* readdir(nint stream);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial nint readlink(string path, ref byte buffer, nuint size);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int rename(string from, string to);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int renameat2(int fromDirectory, string from, int toDirectory, string to, uint flags);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int statfs(string path, long* status);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int statx(SafeFileHandle directory, string path, int flags, uint mask, Statx* status);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int statx(int directory, string path, int flags, uint mask, Statx* status);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int unlink(string path);

    [LibraryImport("libc", SetLastError = true, StringMarshallingCustomType = typeof(PathText.Marshaller))]
    private static partial int unlinkat(SafeFileHandle directory, string path, int flags);
}

/// <summary>d_type of a directory entry; 0 where the file system does not say.</summary>
enum EntryType : byte
{
    Unknown = 0,
    Directory = 4,
    File = 8,
    Link = 10,
}
