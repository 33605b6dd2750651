using Microsoft.Win32.SafeHandles;

namespace S3dlio.Storage.Local;

/// <summary>
/// Two files, each under its lock: the same lock at which writers with a condition take turns. The first by name is locked first, so two that
/// want both never wait for each other. Twice the same file is locked once.
/// </summary>
sealed class PairLock : IDisposable
{
    /// <summary>
    /// A lock is held for microseconds. A process that was forked just then keeps a copy of it for as long as it lives, so nobody waits for
    /// ever: what comes after is as safe as on file systems without locks.
    /// </summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    readonly SafeFileHandle? _first, _second;

    PairLock(SafeFileHandle? first, SafeFileHandle? second) => (_first, _second) = (first, second);

    /// <summary>Locks the files that have these names.</summary>
    /// <returns>Null where one of them is not there.</returns>
    public static PairLock? Take(string one, string other, CancellationToken cancel)
    {
        var (first, second) = string.CompareOrdinal(one, other) < 0 ? (one, other) : (other, one);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        while (true)
        {
            if (!TryTake(first, watch, cancel, out var held))
                return null;
            if (first == second)
                return new PairLock(held, null);
            if (!TryTake(second, watch, cancel, out var beside))
            {
                held?.Dispose();
                return null;
            }
            var both = new PairLock(held, beside);
            // the first may have been replaced while the second was waited for
            if (held is null || IsStill(first, held))
                return both;
            both.Dispose();
        }
    }

    public void Dispose()
    {
        // not left to the closing, which does not end it while a forked process has a copy
        if (_second is not null)
            _ = Libc.Unlock(_second);
        _second?.Dispose();
        if (_first is not null)
            _ = Libc.Unlock(_first);
        _first?.Dispose();
    }

    /// <summary>Locks the file that has the name once the lock is held.</summary>
    /// <returns>False where there is none. The handle is null where the file cannot be opened.</returns>
    static bool TryTake(string path, System.Diagnostics.Stopwatch watch, CancellationToken cancel, out SafeFileHandle? handle)
    {
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            int errno = Libc.Open(path, Libc.ReadOnly | Libc.NonBlocking | Libc.NoTerminal, 0, out handle);
            if (errno is Errno.ENOENT or Errno.ENOTDIR)
                return false;
            if (errno != 0)
                return true;
            while (Libc.Lock(handle!, wait: false) == Errno.EAGAIN && watch.Elapsed < Patience)
            {
                cancel.ThrowIfCancellationRequested();
                Thread.Sleep(TimeSpan.FromMilliseconds(0.2));
            }
            if (IsStill(path, handle!))
                return true;
            handle!.Dispose();
        }
    }

    static bool IsStill(string path, SafeFileHandle handle) =>
        Libc.Status(path, follow: true, out var named) == 0 && Libc.Status(handle, out var held) == 0 && named.IsSameFile(held);
}
