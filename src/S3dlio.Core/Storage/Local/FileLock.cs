using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>
/// The lock (flock) of the file or directory that has a name, at which writers with a condition, or those who delete beside, take turns. It
/// is held for microseconds. A process that is forked meanwhile gets a copy of it, which the kernel does not drop when this process closes
/// its own, so it is always ended explicitly, which ends it for all copies.
/// </summary>
sealed class FileLock : IDisposable
{
    /// <summary>
    /// How long a lock is waited for that another program has. Only a process that died just then and left a forked child, or a program
    /// that locks files for reasons of its own, keeps one longer.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(1);

    readonly string _path;
    readonly SafeFileHandle _handle;

    FileLock(string path, SafeFileHandle handle) => (_path, _handle) = (path, handle);

    /// <summary>True while the name is still that of the locked file.</summary>
    public bool IsCurrent =>
        Interop.Status(_path, follow: true, out var named) == 0 && Interop.Status(_handle, out var held) == 0 && named.IsSameFile(held);

    /// <summary>
    /// Locks the file that has the name once the lock is held. Where the file system has no locks it is as if it were held.
    /// </summary>
    /// <param name="uri">The file, as the user names it.</param>
    /// <param name="path">The file.</param>
    /// <param name="patience">How long it waits at most.</param>
    /// <param name="cancel">Is heard while it waits.</param>
    /// <returns>Null where there is no such file.</returns>
    /// <exception cref="StoreException">Unavailable when another has the lock for too long.</exception>
    public static async ValueTask<FileLock?> TakeAsync(string uri, string path, TimeSpan patience, CancellationToken cancel)
    {
        var since = Stopwatch.StartNew();
        int mode = Interop.ReadOnly;
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            int errno = Interop.Open(path, mode | Interop.NonBlocking | Interop.NoTerminal, 0, out var handle);
            if (errno is Errno.ENOENT or Errno.ENOTDIR)
                return null;
            LocalError.Check(errno, uri, "open the file to lock it");
            var taken = new FileLock(path, handle!);
            bool isHeld = false;
            try
            {
                errno = await taken.WaitAsync(uri, since, patience, cancel).ConfigureAwait(false);
                // NFS makes record locks of these, for which the file has to be open for writing
                bool tryWriting = errno == Errno.EBADF && mode == Interop.ReadOnly;
                if (tryWriting)
                    mode = Interop.ReadWrite;
                isHeld = !tryWriting && taken.IsCurrent;
                if (isHeld)
                    return taken;
            }
            finally
            {
                if (!isHeld)
                    taken.Dispose();
            }
        }
    }

    public void Dispose()
    {
        _ = Interop.Unlock(_handle);
        _handle.Dispose();
    }

    /// <returns>0 when it is held, or why this file system cannot lock.</returns>
    async ValueTask<int> WaitAsync(string uri, Stopwatch since, TimeSpan patience, CancellationToken cancel)
    {
        int errno;
        while ((errno = Interop.TryLock(_handle)) == Errno.EAGAIN)
        {
            if (since.Elapsed >= patience)
                throw Busy(uri, patience);
            await Task.Delay(Pause, cancel).ConfigureAwait(false);
        }
        return errno;
    }

    static StoreException Busy(string uri, TimeSpan patience) => new(ErrorKind.Unavailable, uri,
        $"another process has had the file, or its directory, locked (flock) for {patience.TotalSeconds:0} s, so it cannot be compared and "
        + "replaced in one step; nothing was changed. "
        + "Find who holds the lock (lslocks), perhaps a process forked by one that was killed, or write without if_match");
}
