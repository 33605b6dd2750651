using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>The journals of this process: its own, and those of processes that died.</summary>
sealed partial class WriteBack
{
    /// <summary>Takes the journals whose processes died.</summary>
    void AdoptDead()
    {
        long now = Environment.TickCount64;
        if (_adopted != long.MinValue && now - _adopted < AdoptEvery)
            return;
        _adopted = now;
        foreach (var journal in _journals.Values.Where(static one => !one.IsOurs).ToArray())
        {
            if (_own is null || _all.Values.Any(one => one.Journal == journal))
                OwnIfPossible(journal.Number);
        }
    }

    void OwnIfPossible(int number)
    {
        try
        {
            if (Own(number))
                Counters.Adopted++;
        }
        catch (Exception error) when (error is StoreException or DiskException)
        {
            NotOwned(number, error);
        }
    }

    /// <summary>It is of a newer version, or damaged: the others go on.</summary>
    void NotOwned(int number, Exception error)
    {
        Counters.JournalFailures++;
        if (_told.Add(number))
            Events.Tell(EventLevel.Warning,
                $"{DirectoryOf(number)}: the journal cannot be taken over, what it holds is not sent: {error.Message}");
    }

    /// <summary>Takes a journal, where nobody else has it.</summary>
    /// <exception cref="StoreException">It cannot be made or read.</exception>
    bool Own(int number)
    {
        if (WriteJournal.TryOwn(_disk, DirectoryOf(number), number, _schema, _segmentSize) is not { } journal)
            return false;
        // what was followed is read again: the recovery may have found more
        if (_journals.TryGetValue(number, out var followed))
            Drop(followed);
        _journals[number] = journal;
        _unread.Remove(number);
        foreach (string damage in journal.Damage)
        {
            Counters.Damaged++;
            Events.Tell(EventLevel.Warning, $"{journal.Directory}: writes in the journal are damaged and cannot be sent: {damage}");
        }
        try
        {
            foreach (var (at, record) in journal.ReadNew())
                Apply(journal, at, record, isRecovered: true);
        }
        catch (StoreException)
        {
            Drop(journal);
            throw;
        }
        foreach (var write in _all.Values.Where(one => one.Journal == journal && _unrecorded.Contains(one.Stamp)).ToArray())
            End(write, null, isSuperseded: false);
        journal.RemoveFiles([.. _all.Values.Where(one => one.Journal == journal).Select(static one => one.Record.File)]);
        _own ??= journal;
        Changed();
        return true;
    }

    /// <summary>The journal for new writes; null where there can be none now.</summary>
    WriteJournal? Ours()
    {
        if (_own is { HasFailed: false })
            return _own;
        if (_own is not null && !Reopen())
            return null;
        if (_own is not null)
            return _own;
        try
        {
            AdoptDead();
            for (int number = 0; _own is null && number < MostJournals; number++)
            {
                if (_journals.ContainsKey(number))
                    continue;
                try
                {
                    Own(number);
                }
                catch (StoreException error) when (error.Kind is ErrorKind.InvalidData or ErrorKind.ChecksumMismatch
                    or ErrorKind.PermissionDenied)
                {
                    // somebody's that is damaged: the next number will do
                    NotOwned(number, error);
                }
            }
            return _own;
        }
        catch (Exception error) when (error is StoreException or DiskException)
        {
            Counters.JournalFailures++;
            return null;
        }
    }

    /// <summary>
    /// A journal that failed is opened again when all that it held was sent, which it can still be read for, or when it cannot.
    /// </summary>
    bool Reopen()
    {
        var failed = _own!;
        if (_all.Values.Any(one => one.Journal == failed && one.IsFlushed && one.Parked is null))
            return false;
        int number = failed.Number;
        Drop(failed);
        try
        {
            return Own(number);
        }
        catch (Exception error) when (error is StoreException or DiskException)
        {
            Counters.JournalFailures++;
            _unread.Add(number);
            return false;
        }
    }
}
