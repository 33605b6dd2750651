using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>What other processes wrote and sent: their journals, followed.</summary>
sealed partial class WriteBack
{
    /// <summary>How often a look at the journals begins anew, since others take them over or truncate them beside it.</summary>
    const int MostLooks = 5;

    /// <summary>The journals of others as they were followed: as long as they have nothing new a look needs no lock.</summary>
    /// <param name="Stamp">Of the directory of journals.</param>
    /// <param name="Journals">Those of other processes.</param>
    sealed record Others(long Stamp, WriteJournal[] Journals);

    /// <summary>
    /// Null: whoever looks has to take the gate and refresh. Another array of journals says that one was read anew, and what it holds was
    /// not there for a moment.
    /// </summary>
    Others? _others;

    /// <summary>
    /// What is asked of the writes by key, with all that any process acknowledged before. Where no other process has written anything it
    /// takes no lock: the sender holds the gate for as long as a device takes.
    /// </summary>
    T Ask<T>(Func<T> ask)
    {
        if (Volatile.Read(ref _others) is { } others && !HasNews(others))
        {
            var answer = ask();
            if (Volatile.Read(ref _others)?.Journals == others.Journals)
                return answer;
        }
        lock (_gate)
        {
            Refresh();
            return ask();
        }
    }

    bool HasNews(Others others)
    {
        try
        {
            return _disk.DirectoryStamp(_root) != others.Stamp || Array.Exists(others.Journals, static one => one.HasNews());
        }
        catch (Exception error) when (error is DiskException or ObjectDisposedException)
        {
            return true;
        }
    }

    /// <summary>Looks what other processes wrote and sent. Under the gate.</summary>
    void Refresh()
    {
        for (int i = 0; i < MostLooks; i++)
        {
            ListJournals();
            if (FollowAll())
                break;
        }
        if (_isRacy || _unread.Count > 0)
            Volatile.Write(ref _others, null);
        else if (_others is null || _others.Stamp != _listedStamp)
            Volatile.Write(ref _others,
                new Others(_listedStamp, _others?.Journals ?? [.. _journals.Values.Where(static one => !one.IsOurs)]));
    }

    /// <summary>Writes of other journals that ended and are not removed yet.</summary>
    readonly List<(PendingWrite Write, string? Tag)> _ended = [];

    /// <summary>
    /// A write that another one took the place of ends when the other is flushed, in a journal that may have been looked at before. So the
    /// journals are followed once more before it is removed: else neither would be there for a moment.
    /// </summary>
    /// <returns>False where it has to be done again.</returns>
    bool FollowAll()
    {
        int ended = _ended.Count;
        if (!FollowEach())
            return false;
        if (_ended.Count > ended)
        {
            ended = _ended.Count;
            if (!FollowEach())
                return false;
        }
        foreach (var (write, tag) in _ended[..ended])
            Remove(write, tag);
        _ended.RemoveRange(0, ended);
        return _ended.Count == 0;
    }

    /// <returns>False where a journal has to be read anew from its beginning.</returns>
    bool FollowEach()
    {
        foreach (var journal in _journals.Values)
        {
            if (journal.IsOurs)
                continue;
            try
            {
                Follow(journal);
            }
            catch (Exception error) when (error is StoreException or DiskException or ObjectDisposedException)
            {
                // taken over, truncated or damaged meanwhile
                Drop(journal);
                _unread.Add(journal.Number);
                Counters.Rereads++;
                return false;
            }
        }
        return true;
    }

    void Follow(WriteJournal journal)
    {
        long begin = journal.Begin;
        foreach (var (number, record) in journal.ReadNew())
            Apply(journal, number, record, isRecovered: false);
        if (journal.Begin > begin)
            _ended.AddRange(_all.Values.Where(one => one.Journal == journal && one.Number < journal.Begin)
                .Select(static one => (one, (string?)null)));
        journal.IsRead();
    }

    void ListJournals()
    {
        try
        {
            long stamp = _disk.DirectoryStamp(_root);
            if (stamp != _listedStamp || _isRacy)
            {
                // a directory's time may stand still for a moment after a change
                _isRacy = Math.Abs(DateTime.UtcNow.Ticks - stamp) < LookAgain;
                _listedStamp = stamp;
                foreach (string name in _disk.List(_root))
                {
                    if (JournalPlace.TryParse(name, _place, out int number) && !_journals.ContainsKey(number))
                        _unread.Add(number);
                }
            }
        }
        catch (Exception error) when (error is DiskException or StoreException)
        {
            // a device that cannot be read has nothing for this process; its own journal stays
            _isRacy = true;
        }
        foreach (int number in _unread.Count == 0 ? [] : _unread.ToArray())
        {
            try
            {
                var journal = _journals.GetValueOrDefault(number) ?? WriteJournal.TryFollow(_disk, DirectoryOf(number), number);
                if (journal is null)
                    continue;
                if (_journals.TryAdd(number, journal))
                    Volatile.Write(ref _others, null);
                _unread.Remove(number);
            }
            catch (Exception error) when (error is DiskException or StoreException)
            {
                // it is being made, or it is damaged: the others are read all the same
            }
        }
    }
}
