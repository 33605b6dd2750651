using System.Diagnostics;
using S3dlio.Storage;

namespace S3dlio.Cache;

sealed partial class WriteBack
{
    /// <summary>Milliseconds after which a waiter looks at other processes' journals again.</summary>
    const int WaiterLooks = 20;

    /// <summary>Attempts after which who waits for one object is told why it does not come.</summary>
    const int PatientAttempts = 3;

    /// <summary>Waits until the store has all that was acknowledged for some objects, and the journal knows that it has.</summary>
    /// <param name="concerns">Which.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="StoreException">What it waits for is parked, or failed repeatedly.</exception>
    public async ValueTask SettleAsync(Func<PendingWrite, bool> concerns, CancellationToken cancel)
    {
        while (true)
        {
            PendingWrite? waited;
            Task changed;
            lock (_gate)
            {
                Refresh();
                waited = _all.Values.FirstOrDefault(concerns);
                changed = _changed.Task;
            }
            if (waited is null)
                break;
            if (!_mayRun)
                throw new StoreException(ErrorKind.Unavailable, Store.Root.Child(waited.Record.Key),
                    "a write that waits has to be sent first, and the cache's mode is \"offline\"");
            if ((waited.Parked ?? (waited.Attempts >= PatientAttempts ? waited.LastError : null)) is { } error)
                throw new StoreException(error.Kind, error.Uri,
                    $"an earlier write of it was acknowledged and could not be sent: {error.Detail}", cause: error)
                {
                    Reason = error.Reason,
                };
            Hurry();
            await WaitAsync(changed, cancel).ConfigureAwait(false);
        }
        await RecordedAsync().ConfigureAwait(false);
    }

    /// <summary>The same of one object.</summary>
    public ValueTask SettleAsync(string key, CancellationToken cancel) =>
        Find(key) is null && !IsUnrecorded() ? ValueTask.CompletedTask : SettleAsync(one => one.Record.Key == key, cancel);

    /// <summary>What has to be at the store before a barrier that does not go through the journal.</summary>
    public ValueTask SettleBeforeAsync(string key, CancellationToken cancel)
    {
        string directory = key[..(key.LastIndexOf('/') + 1)];
        long now;
        lock (_gate)
        {
            Refresh();
            now = NextStamp(0);
        }
        return SettleAsync(one => one.Stamp < now && (one.Journal == _own || one.Record.Key == key
            || one.Record.Key.StartsWith(directory, StringComparison.Ordinal)), cancel);
    }

    /// <summary>
    /// Waits until all that was acknowledged before is at the store, parked, or the time is over. Others' journals are waited for, too.
    /// </summary>
    /// <returns>What is left.</returns>
    public async ValueTask<List<PendingWrite>> FlushAsync(string prefix, TimeSpan? timeout, Action<long>? left, CancellationToken cancel)
    {
        var since = Stopwatch.StartNew();
        long now;
        lock (_gate)
        {
            Refresh();
            now = NextStamp(0);
        }
        while (true)
        {
            List<PendingWrite> waiting;
            Task changed;
            lock (_gate)
            {
                Refresh();
                waiting = [.. _all.Values.TakeWhile(one => one.Stamp < now)
                    .Where(one => one.Record.Key.StartsWith(prefix, StringComparison.Ordinal))];
                changed = _changed.Task;
            }
            left?.Invoke(waiting.Count);
            if (waiting.TrueForAll(static one => one.Parked is not null) || !_mayRun || (timeout is { } most && since.Elapsed >= most))
            {
                await RecordedAsync().ConfigureAwait(false);
                return waiting;
            }
            Hurry();
            await WaitAsync(changed, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>Parked writes are tried again, or given up; those of other processes stay.</summary>
    /// <param name="prefix">Of their keys.</param>
    /// <param name="isGivenUp">They are dropped, and what they were to write is lost.</param>
    public async ValueTask<List<PendingWrite>> UnparkAsync(string prefix, bool isGivenUp)
    {
        List<PendingWrite> parked;
        lock (_gate)
        {
            Refresh();
            AdoptNow();
            parked = [.. _all.Values.Where(one => one.Parked is not null && one.Journal.IsOurs
                && one.Record.Key.StartsWith(prefix, StringComparison.Ordinal))];
            foreach (var write in parked)
            {
                if (isGivenUp)
                    End(write, null, isSuperseded: true);
                else
                {
                    write.Journal.Append(new JournalRecord(JournalKind.Retry, write.Stamp).Write([]));
                    write.Journal.NeedsCommit = true;
                    (write.Parked, write.NotBefore, write.Attempts) = (null, 0, 0);
                }
            }
        }
        await RecordedAsync().ConfigureAwait(false);
        Wake();
        return parked;
    }

    /// <summary>Takes what dead processes left, without waiting for the next round.</summary>
    public void AdoptNow()
    {
        lock (_gate)
        {
            Refresh();
            _adopted = long.MinValue;
            AdoptDead();
        }
        Wake();
    }

    /// <summary>Ends the use of the journals, as the end of the process would. Tests are several processes with it.</summary>
    internal void Leave()
    {
        lock (_gate)
        {
            _mayRun = false;
            foreach (var journal in _journals.Values)
                journal.Dispose();
            _journals.Clear();
            _all.Clear();
            _byKey.Clear();
            _barriers.Clear();
            _ended.Clear();
            _own = null;
        }
    }

    bool IsUnrecorded()
    {
        lock (_gate)
            return _unrecorded.Count > 0 || _journals.Values.Any(static one => one.IsOurs && !one.IsDurable);
    }

    /// <summary>
    /// Has on the device what ended: a write that goes to the store itself would otherwise be undone by a second sending.
    /// </summary>
    async ValueTask RecordedAsync()
    {
        WriteJournal[] journals;
        lock (_gate)
        {
            RecordLate();
            // the sender may be about to do so, and has not done it
            journals = [.. _journals.Values.Where(static one => one.IsOurs && !one.IsDurable && !one.HasFailed)];
        }
        foreach (var journal in journals)
        {
            try
            {
                await journal.CommitAsync().ConfigureAwait(false);
            }
            catch (StoreException)
            {
                Counters.JournalFailures++;
            }
        }
    }

    static async ValueTask WaitAsync(Task changed, CancellationToken cancel)
    {
        try
        {
            await changed.WaitAsync(TimeSpan.FromMilliseconds(WaiterLooks), cancel).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // time to look at the others
        }
    }
}
