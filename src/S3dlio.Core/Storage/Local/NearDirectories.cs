using System.Collections.Concurrent;

namespace S3dlio.Storage.Local;

/// <summary>
/// Which directories lie on file systems of this machine, where small things are done in microseconds. Network file systems and FUSE may not
/// answer for minutes, so nothing is done there on a thread that has a deadline or signals to look after. To find out may take as long: a
/// thread of the pool asks, and until it knows a directory counts as far.
/// </summary>
sealed class NearDirectories
{
    /// <summary>After which it is asked once more, beside the work: something else may have been mounted there.</summary>
    const long Milliseconds = 10_000;

    const int MostDirectories = 10_000;

    readonly ConcurrentDictionary<string, Verdict> _known = new(StringComparer.Ordinal);
    readonly ConcurrentDictionary<string, Verdict>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    readonly Func<string, string> _path;

    /// <param name="path">The path of a directory by its key.</param>
    public NearDirectories(Func<string, string> path)
    {
        _path = path;
        _lookup = _known.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Whether what a key names is known to lie on a file system of this machine, judged by its directory. Never waits.</summary>
    public bool Holds(string key)
    {
        var directory = key.AsSpan(0, Math.Max(0, key.AsSpan().TrimEnd('/').LastIndexOf('/')));
        if (!_lookup.TryGetValue(directory, out var verdict))
        {
            if (_known.Count >= MostDirectories)
                _known.Clear();
            verdict = _known.GetOrAdd(directory.ToString(), static _ => new Verdict());
        }
        long now = Environment.TickCount64;
        long until = Volatile.Read(ref verdict.Until);
        if (now >= until && Interlocked.CompareExchange(ref verdict.Until, long.MaxValue, until) == until)
        {
            string name = directory.ToString();
            ThreadPool.UnsafeQueueUserWorkItem(_ => Ask(verdict, name), null);
        }
        return verdict.IsNear;
    }

    void Ask(Verdict verdict, string key)
    {
        bool isNear = false;
        try
        {
            string path = _path(key);
            long type;
            // what is not there yet lies where its parent does
            while (Libc.FileSystem(path, out type) is Errno.ENOENT or Errno.ENOTDIR && path != "/")
                path = LocalPath.Parent(path);
            isNear = IsLocal(type);
        }
        catch (StoreException)
        {
            // a key that is refused wherever it is used
        }
        verdict.IsNear = isNear;
        Volatile.Write(ref verdict.Until, Environment.TickCount64 + Milliseconds);
    }

    /// <summary>By the numbers of linux/magic.h. Those that are not here are networks' (NFS, SMB, Lustre, Ceph, GPFS, 9p, AFS), FUSE, or not known.</summary>
    internal static bool IsLocal(long type) => (uint)type is
        0xef53 or 0x58465342 or 0x9123683e or 0x01021994 or 0x858458f6 // ext2 to ext4, XFS, Btrfs, tmpfs, ramfs
        or 0x794c7630 or 0x2fc12fc1 or 0xca451a4e or 0xf2f52010 // overlayfs, ZFS, bcachefs, F2FS
        or 0x3153464a or 0x52654973 or 0x3434 or 0x7366746e // JFS, ReiserFS, NILFS, NTFS
        or 0x4d44 or 0x2011bab0 or 0x9660 or 0x73717368 or 0xe0f5e1e2; // FAT, exFAT, ISO 9660, SquashFS, EROFS

    sealed class Verdict
    {
        public long Until = long.MinValue;
        public volatile bool IsNear;
    }
}
