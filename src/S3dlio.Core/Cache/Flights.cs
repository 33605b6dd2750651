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
/// <param name="locks">The file of the record locks.</param>
/// <param name="progress">Another number when anything came into the cache.</param>
sealed class Flights(SafeFileHandle locks, Func<long> progress)
{
    /// <summary>How long somebody waits for another's fetch, when nothing comes into the cache meanwhile; and at most.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1), MostPatience = TimeSpan.FromSeconds(8);

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
        var (since, whole) = (Stopwatch.StartNew(), Stopwatch.StartNew());
        long seen = progress();
        while (true)
        {
            if (since.Elapsed >= Patience)
            {
                // on a busy machine or a slow network a fetch takes longer, and a second one would make both slower
                long now = progress();
                if (now == seen || whole.Elapsed >= MostPatience)
                    return false;
                seen = now;
                since.Restart();
            }
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
    }

    /// <summary>Takes on several entries, as soon as nobody else has any of them.</summary>
    /// <returns>Ends them; null where the patience ended.</returns>
    public async ValueTask<IDisposable?> TakeAllAsync(IEnumerable<EntryId> ids, CancellationToken cancel)
    {
        var taken = new Taken();
        try
        {
            // in one order, so that no two wait for each other
            foreach (var id in ids.Distinct().OrderBy(Place).ThenBy(static id => (id.High, id.Low)))
            {
                while (true)
                {
                    if (TryBegin(id) is { } flight)
                    {
                        taken.Flights.Add(flight);
                        break;
                    }
                    if (!await WaitAsync(id, static () => false, cancel).ConfigureAwait(false))
                        return null;
                }
            }
            var all = taken;
            taken = null;
            return all;
        }
        finally
        {
            taken?.Dispose();
        }
    }

    sealed class Taken : IDisposable
    {
        public List<Flight> Flights { get; } = [];

        public void Dispose() => Flights.ForEach(static flight => flight.Dispose());
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
