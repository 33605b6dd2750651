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
            return Interop.IsLocal(type);
        }
        catch (StoreException)
        {
            // a key that is refused wherever it is used
            return false;
        }
    }

    sealed record Verdict(bool IsNear, long Until);
}
