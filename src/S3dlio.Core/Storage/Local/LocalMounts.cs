namespace S3dlio.Storage.Local;

/// <summary>
/// Whether every file system that this process sees is one of this machine's, by the list of mounts. To read it waits for no file system.
/// </summary>
/// <param name="list">The list: /proc/self/mountinfo, see proc_pid_mountinfo(5).</param>
sealed class LocalMounts(string list)
{
    const long Milliseconds = 10_000;

    // what has a disk or memory below it, and what the kernel itself makes up
    static readonly HashSet<string> Local = new(StringComparer.Ordinal)
    {
        "ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "ramfs", "overlay", "zfs", "bcachefs", "f2fs", "jfs", "reiserfs", "nilfs2",
            "ntfs3", "vfat", "exfat",
        "iso9660", "squashfs", "erofs",
        "proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "securityfs", "debugfs", "tracefs", "mqueue", "hugetlbfs", "pstore",
        "bpf", "configfs",
        "fusectl", "binfmt_misc", "nsfs", "efivarfs", "selinuxfs",
    };

    long _until = long.MinValue;
    volatile bool _allAreLocal;

    /// <summary>That of this process.</summary>
    public static LocalMounts OfThisProcess { get; } = new("/proc/self/mountinfo");

    /// <summary>
    /// No mount is of a kind that may wait for a server or another process, as of the last 10 seconds. False where the list cannot be read.
    /// </summary>
    public bool AllAreLocal
    {
        get
        {
            long now = Environment.TickCount64;
            if (now >= Volatile.Read(ref _until))
            {
                _allAreLocal = Read();
                Volatile.Write(ref _until, now + Milliseconds);
            }
            return _allAreLocal;
        }
    }

    bool Read()
    {
        try
        {
            foreach (string line in File.ReadLines(list))
            {
                // optional fields end with a dash of its own, behind which the type stands
                int dash = line.IndexOf(" - ", StringComparison.Ordinal);
                string type = dash < 0 ? "" : line[(dash + 3)..].Split(' ')[0];
                if (!Local.Contains(type))
                    return false;
            }
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
