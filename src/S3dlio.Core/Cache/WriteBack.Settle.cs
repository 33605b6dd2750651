using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>What ended: noted in the journals, durable there, and its room given back.</summary>
sealed partial class WriteBack
{
    /// <summary>A write needs nothing more. Under the gate.</summary>
    void End(PendingWrite write, string? tag, bool isSuperseded)
    {
        var journal = write.Journal;
        var record = new JournalRecord(JournalKind.Done, write.Stamp) { Text = tag, IsSuperseded = isSuperseded };
        try
        {
            journal.Append(record.Write([]));
            journal.NeedsCommit = true;
            _unrecorded.Remove(write.Stamp);
        }
        catch (StoreException)
        {
            _unrecorded.Add(write.Stamp);
            journal.NeedsCommit = true;
        }
        journal.Ended++;
        if (write.Record.File != 0)
            journal.Unneeded.Add(write.Record.File);
        Remove(write, tag);
    }

    /// <summary>Notes what ended while the disk was full. Under the gate.</summary>
    void RecordLate()
    {
        foreach (long stamp in _unrecorded.ToArray())
        {
            if (!_journals.TryGetValue((int)(stamp & 0xff), out var journal) || !journal.IsOurs || journal.HasFailed)
                continue;
            try
            {
                journal.Append(new JournalRecord(JournalKind.Done, stamp) { IsSuperseded = true }.Write([]));
                journal.NeedsCommit = true;
                _unrecorded.Remove(stamp);
            }
            catch (StoreException)
            {
                // a log of which nothing is needed becomes empty in place, on a full disk too
                if (!_all.Values.Any(one => one.Journal == journal) && Empty(journal))
                    _unrecorded.RemoveWhere(one => (int)(one & 0xff) == journal.Number);
            }
        }
    }

    static bool Empty(WriteJournal journal)
    {
        try
        {
            journal.Truncate(journal.End);
            return journal.Begin == journal.End;
        }
        catch (StoreException)
        {
            return false;
        }
    }

    static bool IsUnsettled(WriteJournal journal) => journal is { IsOurs: true, NeedsCommit: true, HasFailed: false };

    /// <summary>Has what ended on the device, then frees its room.</summary>
    void Settle()
    {
        WriteJournal[] journals;
        lock (_gate)
            journals = [.. _journals.Values.Where(IsUnsettled)];
        foreach (var journal in journals)
        {
            long[] unneeded;
            lock (_gate)
            {
                journal.NeedsCommit = false;
                unneeded = [.. journal.Unneeded];
            }
            try
            {
                journal.Commit();
                foreach (long file in unneeded)
                    PayloadFile.Remove(_disk, journal.Directory, file);
                lock (_gate)
                    journal.Unneeded.RemoveAll(unneeded.Contains);
                if (journal.Ended >= EndedBeforeTruncation)
                    Truncate(journal);
            }
            catch (StoreException)
            {
                lock (_gate)
                    journal.NeedsCommit = true;
                Counters.JournalFailures++;
            }
        }
    }

    /// <summary>Gives back the room of what ended. It waits for the device, so not under the gate while others may look.</summary>
    void Truncate(WriteJournal journal)
    {
        long first, bytes = journal.DiskBytes;
        bool isRewritten;
        lock (_gate)
        {
            var left = _all.Values.Where(one => one.Journal == journal).ToArray();
            journal.Ended = 0;
            first = left.Length == 0 ? journal.End : left.Min(static one => one.Number);
            long useful = left.Sum(static one => one.Record.File == 0 ? one.Record.Size + 256 : 256);
            isRewritten = left.Length > 0 && bytes >= (LeastRewritten * _segmentSize) + (4 * useful);
            if (isRewritten)
                first = Rewrite(journal, left);
        }
        if (isRewritten)
            journal.Commit();
        journal.Truncate(first);
    }

    /// <summary>Appends anew what waits: one write that waits for long would keep all that came after it. Under the gate.</summary>
    /// <returns>The number before which nothing is needed once that is durable.</returns>
    static long Rewrite(WriteJournal journal, PendingWrite[] left)
    {
        long first = journal.End;
        foreach (var write in left.OrderBy(static one => one.Stamp))
        {
            if (!write.IsFlushed)
                continue;
            write.Number = journal.Append(journal.Read(write.Number));
            if (write.Parked is { } error)
                journal.Append(new JournalRecord(JournalKind.Parked, write.Stamp) { Error = error.Kind, Text = error.Detail }.Write([]));
        }
        return Math.Min(first, left.Min(static one => one.Number));
    }

    /// <summary>Nothing waits: the journals give their room back. Under the gate.</summary>
    void Rest()
    {
        foreach (var journal in _journals.Values.Where(static one => one is { IsOurs: true, HasFailed: false, Ended: > 0 }))
        {
            try
            {
                Truncate(journal);
            }
            catch (StoreException)
            {
                Counters.JournalFailures++;
            }
        }
    }
}
