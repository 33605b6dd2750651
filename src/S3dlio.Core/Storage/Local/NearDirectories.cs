using System.Collections.Concurrent;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>
/// Which directories lie on file systems of this machine, where small things are done in microseconds. Network file systems and FUSE may
/// not answer for minutes, so nothing is done there on a thread that has a deadline or signals to look after. Where only file systems of
/// this machine are mounted every directory is near. Elsewhere a directory counts as far until an operation, which may wait, has asked its
/// file system.
/// </summary>
/// <param name="path">The path of a directory by its key.</param>
/// <param name="mounts">What is mounted.</param>
sealed class NearDirectories(Func<string, string> path, LocalMounts mounts)
{
    /// <summary>After which a directory is asked once more: something else may have been mounted there.</summary>
    const long Milliseconds = 10_000;

    const int MostDirectories = 10_000;

    readonly ConcurrentDictionary<string, Verdict> _known = new(StringComparer.Ordinal);

    /// <summary>
    /// Whether what a key names is known to lie on a file system of this machine, judged by its directory. Never waits for a file system.
    /// </summary>
    public bool Holds(string key) =>
        mounts.AllAreLocal
        || (_known.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(Directory(key), out var verdict) && verdict is { IsNear: true }
                && Environment.TickCount64 < verdict.Until);

    /// <summary>Asks the file system of the key's directory, where that is not known. May wait as long as the file system does.</summary>
    public void Learn(string key)
    {
        if (mounts.AllAreLocal)
            return;
        var directory = Directory(key);
        if (_known.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(directory, out var verdict)
                && Environment.TickCount64 < verdict.Until)
            return;
        if (_known.Count >= MostDirectories)
            _known.Clear();
        string name = directory.ToString();
        _known[name] = new Verdict(Query(name), Environment.TickCount64 + Milliseconds);
    }

    static ReadOnlySpan<char> Directory(string key) => key.AsSpan(0, Math.Max(0, key.AsSpan().TrimEnd('/').LastIndexOf('/')));

    bool Query(string key)
    {
        try
        {
            string directory = path(key);
            long type;
            // what is not there yet lies where its parent does
            while (Interop.FileSystem(directory, out type) is Errno.ENOENT or Errno.ENOTDIR && directory != "/")
                directory = LocalPath.Parent(directory);
            return IsLocal(type);
        }
        catch (StoreException)
        {
            // a key that is refused wherever it is used
            return false;
        }
    }

    /// <summary>
    /// By the numbers of linux/magic.h. Those that are not here are networks' (NFS, SMB, Lustre, Ceph, GPFS, 9p, AFS), FUSE, or not known.
    /// </summary>
    internal static bool IsLocal(long type) => (uint)type is
        0xef53 or 0x58465342 or 0x9123683e or 0x01021994 or 0x858458f6 // ext2 to ext4, XFS, Btrfs, tmpfs, ramfs
        or 0x794c7630 or 0x2fc12fc1 or 0xca451a4e or 0xf2f52010 // overlayfs, ZFS, bcachefs, F2FS
        or 0x3153464a or 0x52654973 or 0x3434 or 0x7366746e // JFS, ReiserFS, NILFS, NTFS
        or 0x4d44 or 0x2011bab0 or 0x9660 or 0x73717368 or 0xe0f5e1e2; // FAT, exFAT, ISO 9660, SquashFS, EROFS

    sealed record Verdict(bool IsNear, long Until);
}
