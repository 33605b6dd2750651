using System.Collections.Concurrent;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>
/// The writes to one place (a bucket, a container, a machine's files) that are acknowledged and not there yet: the journals of all
/// processes of this machine that share a cache, of which this process has one, and takes those of processes that died.
/// </summary>
sealed partial class WriteBack
{
    /// <summary>Journals of a place at once, and so processes that can write back.</summary>
    const int MostJournals = 256;

    const long SegmentSize = 8 << 20, LookAgain = TimeSpan.TicksPerSecond;

    readonly Lock _gate = new();
    readonly Disk _disk;
    readonly string _root, _place, _schema;
    readonly long _segmentSize;
    readonly Dictionary<int, WriteJournal> _journals = [];

    /// <summary>The writes of each object, oldest first. Read without the gate, so no array of it ever changes.</summary>
    readonly ConcurrentDictionary<string, PendingWrite[]> _byKey = new(StringComparer.Ordinal);
    readonly SortedDictionary<long, PendingWrite> _all = [];
    readonly SortedSet<long> _barriers = [];
    readonly HashSet<int> _unread = [];

    /// <summary>Journals that could not be taken over, as was told.</summary>
    readonly HashSet<int> _told = [];

    /// <summary>Writes that ended while no record could be written of it.</summary>
    readonly HashSet<long> _unrecorded = [];

    WriteJournal? _own;
    TaskCompletionSource _changed = NewChange();
    long _waitingBytes, _count, _listedStamp = -1, _adopted = long.MinValue, _files;
    bool _isRacy = true;

    /// <param name="disk">Where the journals lie.</param>
    /// <param name="root">The directory that has them.</param>
    /// <param name="store">The innermost store of the place.</param>
    /// <param name="segmentSize">Bytes of a file of the log.</param>
    /// <exception cref="StoreException">The directory cannot be used.</exception>
    public WriteBack(Disk disk, string root, ObjectStore store, long segmentSize = SegmentSize)
    {
        (_disk, _root, Store, _segmentSize) = (disk, root, store, segmentSize);
        _place = PlaceOf(store);
        _schema = JournalPlace.Write(store.Origin, store.Root.Child(""));
        try
        {
            disk.CreateDirectory(root);
        }
        catch (DiskException error)
        {
            throw WriteJournal.Translate(error, root);
        }
        lock (_gate)
            Refresh();
    }

    /// <summary>Those of this process, one of each directory and place.</summary>
    static readonly Dictionary<(CacheDirectory, string), WriteBack> Known = [];

    /// <summary>What the journals of a store's place are called.</summary>
    public static string PlaceOf(ObjectStore store) =>
        EntryId.OfMeta(ObjectVersion.IdentityOf(store.Origin, store.Root.Child(""))).ToString();

    /// <summary>The writes of a place through a cache.</summary>
    public static WriteBack Shared(CacheDirectory directory, string root, ObjectStore store)
    {
        string address = store.Root.Child("");
        lock (Known)
        {
            if (Known.TryGetValue((directory, $"{store.Origin} {address}"), out var known))
            {
                known.Store = store;
                return known;
            }
            foreach (var gone in Known.Where(static one => one.Key.Item1.IsDeleted).ToArray())
                Known.Remove(gone.Key);
            return Known[(directory, $"{store.Origin} {address}")] = new WriteBack(LocalDisk.Shared, root, store);
        }
    }

    /// <summary>The store that gets the writes: the one that was opened last, whose credentials are the newest.</summary>
    public ObjectStore Store { get; set; }

    public WriteBackCounters Counters { get; } = new();

    /// <summary>The newest write of an object that every process would see; null where the store has it.</summary>
    public PendingWrite? Find(string key) => Ask(() => NewestOf(key));

    PendingWrite? NewestOf(string key) =>
        _byKey.TryGetValue(key, out var writes) ? Array.FindLast(writes, static one => one.IsFlushed) : null;

    /// <summary>The newest write of each object whose key begins with a text, in the order of keys.</summary>
    public List<PendingWrite> FindAll(string prefix) => Ask(() =>
    {
        var found = new List<PendingWrite>();
        foreach (var (key, writes) in _byKey)
        {
            if (key.StartsWith(prefix, StringComparison.Ordinal)
                && Array.FindLast(writes, static one => one.IsFlushed) is { } newest)
                found.Add(newest);
        }
        found.Sort(static (one, other) => ObjectKey.Compare(one.Record.Key, other.Record.Key));
        return found;
    });

    /// <summary>All that waits, oldest first, as every process would see it.</summary>
    public List<PendingWrite> Waiting(string prefix)
    {
        lock (_gate)
        {
            Refresh();
            return [.. _all.Values.Where(one => one.IsFlushed && one.Record.Key.StartsWith(prefix, StringComparison.Ordinal))];
        }
    }

    string DirectoryOf(int number) => $"{_root}/{JournalPlace.NameOf(_place, number)}";

    void Apply(WriteJournal journal, long number, JournalRecord record, bool isRecovered)
    {
        if ((int)(record.Stamp & 0xff) != journal.Number || record.Stamp < 0)
            throw Wrong(journal, number, "it is of another journal");
        _count = Math.Max(_count, record.Stamp >> 8);
        switch (record.Kind)
        {
            case JournalKind.Put or JournalKind.Delete:
                if (_all.TryGetValue(record.Stamp, out var known))
                {
                    // written anew, so that what lies before it can go
                    if (!known.Record.IsSameWrite(record))
                        throw Wrong(journal, number, "another write has the same stamp");
                    known.Number = number;
                }
                else
                    Add(new PendingWrite(journal, number, record) { IsFlushed = true, IsRecovered = isRecovered });
                break;
            case JournalKind.Done:
                if (_all.TryGetValue(record.Stamp, out var done))
                {
                    if (journal.IsOurs)
                        Remove(done, record.IsSuperseded ? null : record.Text);
                    else
                        _ended.Add((done, record.IsSuperseded ? null : record.Text));
                }
                break;
            case JournalKind.Parked:
                if (_all.TryGetValue(record.Stamp, out var parked))
                {
                    parked.Parked = new StoreException(record.Error, Store.Root.Child(parked.Record.Key), record.Text ?? "");
                    Changed();
                }
                break;
            case JournalKind.Retry:
                if (_all.TryGetValue(record.Stamp, out var again))
                    (again.Parked, again.NotBefore, again.Attempts) = (null, 0, 0);
                break;
        }
    }

    static StoreException Wrong(WriteJournal journal, long number, string what) => new(ErrorKind.InvalidData, journal.Directory,
        string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $"record {number} of the journal cannot be true: {what}. Nothing of it was sent"));

    void Add(PendingWrite write)
    {
        _all.Add(write.Stamp, write);
        _waitingBytes += write.Record.Size;
        if (write.Record.IsBarrier)
            _barriers.Add(write.Stamp);
        var writes = _byKey.GetValueOrDefault(write.Record.Key, []);
        int at = writes.Length;
        while (at > 0 && writes[at - 1].Stamp > write.Stamp)
            at--;
        _byKey[write.Record.Key] = [.. writes[..at], write, .. writes[at..]];
    }

    void Remove(PendingWrite write, string? tag)
    {
        if (!_all.Remove(write.Stamp))
            return;
        _waitingBytes -= write.Record.Size;
        _barriers.Remove(write.Stamp);
        PendingWrite[] left = [.. _byKey[write.Record.Key].Where(one => one != write)];
        if (left.Length > 0)
            _byKey[write.Record.Key] = left;
        else
            _byKey.TryRemove(write.Record.Key, out _);
        if (tag is not null && write.Record.Kind == JournalKind.Put)
            Tags.Note(write.Record.Key, write.Tag, tag);
        Changed();
    }

    void RemoveBefore(WriteJournal journal, long begin)
    {
        foreach (var write in _all.Values.Where(one => one.Journal == journal && one.Number < begin).ToArray())
            Remove(write, null);
    }

    /// <summary>Closes a journal, and forgets what it held until it is read anew.</summary>
    void Drop(WriteJournal journal)
    {
        Volatile.Write(ref _others, null);
        RemoveBefore(journal, long.MaxValue);
        // what is read anew of it are others, of the same stamps
        _ended.RemoveAll(one => one.Write.Journal == journal);
        _journals.Remove(journal.Number);
        journal.Dispose();
        if (_own == journal)
            _own = null;
    }

    void Changed()
    {
        _changed.TrySetResult();
        _changed = NewChange();
    }

    static TaskCompletionSource NewChange() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
