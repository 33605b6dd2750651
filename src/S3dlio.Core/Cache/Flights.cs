using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Cache;

/// <summary>
/// Who fetches what: one of all threads and processes for each entry. Between processes it is a record lock of one byte of a file, which
/// the
/// kernel frees when its holder dies and a forked child does not inherit. Whoever waits too long fetches for itself: a holder that hangs
/// holds nobody up.
/// </summary>
sealed class Flights(SafeFileHandle locks)
{
    /// <summary>How long somebody waits for another's fetch, when nothing comes of it.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(2);

    readonly ConcurrentDictionary<EntryId, TaskCompletionSource> _here = new();

    /// <summary>Takes it on to fetch an entry.</summary>
    /// <returns>Ends it; null when another does it already.</returns>
    public Flight? TryBegin(EntryId id)
    {
        var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_here.TryAdd(id, mine))
            return null;
        int errno = Interop.LockByte(locks, Place(id));
        // where there are no such locks several processes fetch the same, no more
        if (errno is not (Errno.EAGAIN or Errno.EACCES))
            return new Flight(this, id, mine);
        _here.TryRemove(id, out _);
        mine.SetResult();
        return null;
    }

    /// <summary>Waits until an entry is not being fetched any more, or for too long.</summary>
    /// <param name="id">The entry.</param>
    /// <param name="isThere">Whether it came.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>False where the patience ended.</returns>
    public async ValueTask<bool> WaitAsync(EntryId id, Func<bool> isThere, CancellationToken cancel)
    {
        var since = Stopwatch.StartNew();
        while (since.Elapsed < Patience)
        {
            if (isThere())
                return true;
            if (_here.TryGetValue(id, out var flight))
            {
                await Task.WhenAny(flight.Task,
                    Task.Delay(Patience - since.Elapsed is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero,
                        cancel)).ConfigureAwait(false);
                cancel.ThrowIfCancellationRequested();
                continue;
            }
            if (IsFree(id))
                return true;
            await Task.Delay(Look, cancel).ConfigureAwait(false);
        }
        return false;
    }

    bool IsFree(EntryId id)
    {
        if (TryBegin(id) is not { } mine)
            return false;
        mine.Dispose();
        return true;
    }

    static long Place(EntryId id) => (long)(id.Low >> 1);

    internal sealed class Flight(Flights flights, EntryId id, TaskCompletionSource mine) : IDisposable
    {
        int _ended;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _ended, 1) != 0)
                return;
            _ = Interop.UnlockByte(flights.Locks, Place(id));
            flights._here.TryRemove(id, out _);
            mine.SetResult();
        }
    }

    SafeFileHandle Locks => locks;
}
