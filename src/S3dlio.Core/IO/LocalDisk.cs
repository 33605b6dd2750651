using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace S3dlio.IO;

/// <summary>The machine's own file systems.</summary>
sealed class LocalDisk : Disk
{
    public static readonly LocalDisk Shared = new();

    /// <summary>
    /// The locks of this process. A record lock belongs to the process, so a second one of the same file would be granted; and closing any
    /// descriptor of the file frees it, so a file that is locked here is not opened again.
    /// </summary>
    static readonly ConcurrentDictionary<(ulong Device, ulong Inode), string> Held = new();
    static readonly Lock LockGate = new();

    ulong? _bootId;

    public override ulong BootId => _bootId ??= ReadBootId();

    public override bool IsLocal(string directory) => Interop.FileSystem(directory, out long type) == 0 && Interop.IsLocal(type);

    public override DiskFile Open(string path, DiskOpen mode)
    {
        int flags = mode switch
        {
            DiskOpen.Read => Interop.ReadOnly,
            DiskOpen.Write => Interop.ReadWrite,
            DiskOpen.Create => Interop.ReadWrite | Interop.Create | Interop.Exclusive,
            _ => Interop.ReadWrite | Interop.Create,
        };
        Check(Interop.Open(path, flags, out var handle), path, mode == DiskOpen.Create ? "create" : "open");
        return new LocalDiskFile(handle!, path);
    }

    public override void CreateDirectory(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DiskException(
                error is UnauthorizedAccessException ? Errno.EACCES : error.HResult & 0xffff, path, "create the directory");
        }
    }

    public override IReadOnlyList<string> List(string directory)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(directory).Select(entry => Path.GetFileName(entry))];
        }
        catch (DirectoryNotFoundException)
        {
            throw new DiskException(Errno.ENOENT, directory, "list the directory");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DiskException(error is UnauthorizedAccessException ? Errno.EACCES : Errno.EIO, directory, "list the directory");
        }
    }

    public override long DirectoryStamp(string directory)
    {
        Check(Interop.Status(directory, follow: true, out var status), directory, "look at");
        return status.LastModified.UtcTicks;
    }

    public override void Rename(string from, string to) => Check(Interop.Rename(from, to), to, "rename a file to it");

    public override void Unlink(string path) => Check(Interop.Unlink(path), path, "delete");

    public override void SyncDirectory(string path)
    {
        Check(Interop.Open(path, Interop.ReadOnly | Interop.Directory, out var handle), path, "open the directory");
        using (handle)
        {
            // some file systems have nothing to flush for a directory and say so
            int errno = Interop.Flush(handle!);
            if (errno != Errno.EINVAL)
                Check(errno, path, "flush the directory");
        }
    }

    public override long FreeSpace(string directory) => new DriveInfo(directory).AvailableFreeSpace;

    public override IDisposable? TryLock(string path, out string holder)
    {
        lock (LockGate)
        {
            if (Interop.Status(path, follow: true, out var known) == 0 && Held.TryGetValue(known.Identity, out string? here))
            {
                holder = here;
                return null;
            }
            Check(Interop.Open(path, Interop.ReadWrite | Interop.Create, out var handle), path, "open the lock file");
            int errno = Interop.Lock(handle!);
            if (errno is Errno.EAGAIN or Errno.EACCES)
            {
                holder = ReadHolder(handle!);
                handle!.Dispose();
                return null;
            }
            if (errno != 0)
            {
                handle!.Dispose();
                throw new DiskException(errno, path, "lock (the file system must have record locks)");
            }
            Check(Interop.Status(handle!, out var status), path, "look at");
            holder = string.Create(
                CultureInfo.InvariantCulture, $"process {Environment.ProcessId}, since {DateTime.UtcNow:yyyy-MM-dd HH:mm:ss} UTC");
            var text = Encoding.UTF8.GetBytes(holder + "\n");
            // only words for people: a full disk does not keep the lock from being taken
            _ = Interop.SetLength(handle!, 0);
            _ = Interop.Write(handle!, text, 0);
            Held[status.Identity] = holder;
            return new HeldLock(handle!, status.Identity);
        }
    }

    public override string? Holder(string path)
    {
        lock (LockGate)
        {
            int errno = Interop.Status(path, follow: true, out var known);
            if (errno == Errno.ENOENT)
                return null;
            // of a lock that this process holds no descriptor may be closed
            if (errno == 0 && Held.TryGetValue(known.Identity, out string? here))
                return here;
            Check(Interop.Open(path, Interop.ReadOnly, out var handle), path, "open the lock file");
            using (handle)
            {
                Check(Interop.IsLocked(handle!, out bool isLocked), path, "look at the lock of");
                return isLocked ? ReadHolder(handle!) : null;
            }
        }
    }

    static string ReadHolder(SafeFileHandle handle)
    {
        Span<byte> text = stackalloc byte[256];
        return Interop.Read(handle, text, 0, out int count) == 0 && count > 0
            ? Encoding.UTF8.GetString(text[..count]).Trim()
            : "another process";
    }

    static ulong ReadBootId()
    {
        try
        {
            return Guid.TryParse(File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim(), out var id)
                ? BitConverter.ToUInt64(id.ToByteArray())
                : 0;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    internal static void Check(int errno, string path, string operation)
    {
        if (errno != 0)
            throw new DiskException(errno, path, operation);
    }

    sealed class HeldLock(SafeFileHandle handle, (ulong, ulong) key) : IDisposable
    {
        public void Dispose()
        {
            lock (LockGate)
            {
                if (handle.IsClosed)
                    return;
                handle.Dispose();
                Held.TryRemove(key, out _);
            }
        }
    }
}

sealed class LocalDiskFile(SafeFileHandle handle, string path) : DiskFile
{
    readonly Lock _mapGate = new();
    FileMap[] _maps = [];
    bool _isUnmappable;

    public override string Path => path;

    public override long Length => Status().Size;

    public override long AllocatedLength => Status().AllocatedLength;

    public override int Read(Span<byte> buffer, long offset)
    {
        LocalDisk.Check(Interop.Read(handle, buffer, offset, out int count), path, "read");
        return count;
    }

    public override bool TryPlace(long offset, int length, out nint place)
    {
        var maps = Volatile.Read(ref _maps);
        if (maps.Length == 0 || maps[^1].Length < offset + length)
            maps = MapMore(offset + length);
        bool found = maps.Length > 0 && maps[^1].Length >= offset + length;
        place = found ? maps[^1].Place + (nint)offset : 0;
        return found;
    }

    /// <summary>Maps a file that has grown anew where it is at least twice as long; the maps before stay, they may be in use.</summary>
    FileMap[] MapMore(long end)
    {
        lock (_mapGate)
        {
            if (_isUnmappable || Length is var length && (length < end || _maps.Length > 0 && length < 2 * _maps[^1].Length)
                || handle.IsClosed)
                return _maps;
            if (Interop.Map(handle, length, out nint place) == 0)
                Volatile.Write(ref _maps, [.. _maps, new FileMap(place, length)]);
            else
                _isUnmappable = true;
            return _maps;
        }
    }

    public override void Write(ReadOnlySpan<byte> data, long offset) => LocalDisk.Check(Interop.Write(handle, data, offset), path, "write");

    public override void Write(IReadOnlyList<ReadOnlyMemory<byte>> pieces, long offset) =>
        LocalDisk.Check(Interop.Write(handle, pieces, offset), path, "write");

    public override void Flush() => LocalDisk.Check(Interop.FlushData(handle), path, "flush");

    public override void Allocate(long length)
    {
        long now = Length;
        if (length <= now)
            return;
        int errno = Interop.Allocate(handle, now, length - now);
        if (errno is not (Errno.EOPNOTSUPP or Errno.ENOSYS or Errno.EINVAL))
            LocalDisk.Check(errno, path, "reserve room");
    }

    public override void PunchHole(long offset, long length)
    {
        int errno = Interop.PunchHole(handle, offset, length);
        if (errno is not (Errno.EOPNOTSUPP or Errno.ENOSYS or Errno.EINVAL))
            LocalDisk.Check(errno, path, "give back room");
    }

    public override void SetLength(long length) => LocalDisk.Check(Interop.SetLength(handle, length), path, "set the length");

    public override void Dispose()
    {
        lock (_mapGate)
        {
            handle.Dispose();
            foreach (var map in _maps)
                map.Dispose();
            _maps = [];
        }
    }

    FileStatus Status()
    {
        LocalDisk.Check(Interop.Status(handle, out var status), path, "look at");
        return status;
    }
}
