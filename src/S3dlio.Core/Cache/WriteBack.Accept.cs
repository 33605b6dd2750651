using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

#pragma warning disable CA1001 // it lives as long as the process
sealed partial class WriteBack
#pragma warning restore CA1001
{
    /// <summary>Puts of more bytes go to the store itself.</summary>
    public const long MostJournaled = 128 << 20;

    /// <summary>Deletions that are accepted at once: each takes the turn of its object.</summary>
    const int MostTurns = 1000;

    /// <summary>How often free space is looked at.</summary>
    const long LookForRoom = 100;

    long _roomLooked = long.MinValue;
    bool _hasRoom = true;

    /// <summary>Bytes that stay free on the file system of the journals; more goes to the store itself.</summary>
    public Func<long, bool> HasRoom { get; set; } = static _ => true;

    /// <summary>Bytes of all that waits for the place beyond which writes go to the store itself; null for no such limit.</summary>
    public long? MostWaiting { get; set; }

    public ReplacedTags Tags { get; } = new();

    /// <summary>
    /// Gives the turn to write some objects to a journal: from before their stamps are given until they are durable, one process at a time
    /// has it. Else a write with the older stamp could become visible after the newer one was seen, sent and forgotten, and hide it. Null
    /// where whoever has the turn keeps it for too long.
    /// </summary>
    public Func<IReadOnlyList<string>, CancellationToken, ValueTask<IDisposable?>>? TakeTurn { get; set; }

    /// <summary>Has a put in the journal, durable when this ends.</summary>
    /// <param name="key">The object, as the innermost store calls it.</param>
    /// <param name="payload">At most <see cref="MostJournaled"/> bytes.</param>
    /// <param name="options">Content type, metadata and whether it is a barrier; nothing else can be kept.</param>
    /// <param name="hasStore">The store takes what the journal does not.</param>
    /// <param name="progress">Is told the bytes that were written.</param>
    /// <param name="cancel">Ends it before its record is written; from then on the put stands.</param>
    /// <returns>Null where the journal cannot take it: nothing was acknowledged.</returns>
    public async ValueTask<PendingWrite?> PutAsync(
        string key, Payload payload, PutOptions options, bool hasStore, IProgress<long>? progress, CancellationToken cancel)
    {
        if (Journal(payload.Length) is not { } journal)
            return null;
        var record = new JournalRecord(JournalKind.Put, 0)
        {
            Key = key,
            Time = DateTimeOffset.UtcNow,
            Size = payload.Length,
            ContentType = options.ContentType,
            Metadata = options.Metadata,
            IsBarrier = options.Barrier,
        };
        byte[] bytes;
        try
        {
            if (payload.Length <= WriteJournal.MostInline)
            {
                var copy = new byte[payload.Length];
                CopyTo(payload, copy, cancel);
                record = record with { Checksum = Checksum.Of(copy) };
                bytes = record.Write(copy);
            }
            else
            {
                record = WriteFile(journal, record, payload, cancel);
                bytes = record.Write([]);
            }
        }
        catch (DiskException error)
        {
            Failed(journal, WriteJournal.Translate(error, journal.Directory));
            return null;
        }
        progress?.Report(payload.Length);
        PendingWrite[]? accepted = null;
        try
        {
            accepted = await AcceptAsync(journal, [(record, bytes)], hasStore, cancel).ConfigureAwait(false);
        }
        finally
        {
            if (accepted is null && record.File != 0)
                PayloadFile.Remove(_disk, journal.Directory, record.File);
        }
        return accepted is [var one] ? one : null;
    }

    /// <summary>Has deletions in the journal, durable when this ends.</summary>
    /// <returns>False where the journal cannot take them all: those that it took may be done twice.</returns>
    public async ValueTask<bool> DeleteAsync(IReadOnlyList<string> keys, bool hasStore, CancellationToken cancel)
    {
        foreach (string[] some in keys.Chunk(MostTurns))
        {
            cancel.ThrowIfCancellationRequested();
            if (Journal(0) is not { } journal)
                return false;
            var time = DateTimeOffset.UtcNow;
            var records = some.Select(key => new JournalRecord(JournalKind.Delete, 0) { Key = key, Time = time });
            (JournalRecord, byte[])[] written = [.. records.Select(static record => (record, record.Write([])))];
            if (await AcceptAsync(journal, written, hasStore, cancel).ConfigureAwait(false) is null)
                return false;
        }
        return true;
    }

    /// <summary>The journal for so many bytes; null where there is none, or no room.</summary>
    WriteJournal? Journal(long length)
    {
        lock (_gate)
        {
            long now = Environment.TickCount64;
            if (length > WriteJournal.MostInline || _roomLooked == long.MinValue || now - _roomLooked > LookForRoom)
                (_hasRoom, _roomLooked) = (HasRoom(length), now);
            if (_hasRoom && (MostWaiting is not { } most || _waitingBytes + length <= most) && Ours() is { } journal)
                return journal;
            Counters.Bypassed++;
            return null;
        }
    }

    /// <summary>Appends records whose stamps are given now, and waits until they are durable.</summary>
    /// <returns>Null where they were not taken.</returns>
    async ValueTask<PendingWrite[]?> AcceptAsync(
        WriteJournal journal, (JournalRecord Record, byte[] Bytes)[] records, bool hasStore, CancellationToken cancel)
    {
        string[] keys = [.. records.Select(static one => one.Record.Key)];
        using var turn = TakeTurn is null ? null : await TakeTurn(keys, cancel).ConfigureAwait(false);
        // a process that was stopped in its turn: what it did not finish comes after what the store gets now
        if (TakeTurn is not null && turn is null && hasStore && Array.TrueForAll(keys, key => Find(key) is null))
        {
            lock (_gate)
                Counters.Bypassed++;
            return null;
        }
        cancel.ThrowIfCancellationRequested();
        var accepted = new List<PendingWrite>(records.Length);
        try
        {
            lock (_gate)
            {
                // what others acknowledged before this call comes before it
                Refresh();
                foreach (var (record, bytes) in records)
                {
                    long stamp = NextStamp(journal.Number);
                    JournalRecord.Stamped(bytes, stamp);
                    var write = new PendingWrite(journal, journal.Append(bytes), record with { Stamp = stamp });
                    accepted.Add(write);
                    Add(write);
                }
            }
            await journal.CommitAsync().ConfigureAwait(false);
        }
        catch (StoreException error)
        {
            Withdraw(journal, accepted);
            Failed(journal, error);
            return null;
        }
        lock (_gate)
        {
            foreach (var write in accepted)
                write.IsFlushed = true;
            Counters.Accepted += accepted.Count;
            Counters.AcceptedBytes += accepted.Sum(static one => one.Record.Size);
        }
        Wake();
        return [.. accepted];
    }

    /// <summary>
    /// Takes back what could not be made durable. It may be in the file all the same: nobody acknowledged it, and once its like went to the
    /// store itself it must not be sent any more.
    /// </summary>
    void Withdraw(WriteJournal journal, List<PendingWrite> writes)
    {
        lock (_gate)
        {
            foreach (var write in writes)
                End(write, null, isSuperseded: true);
            journal.NeedsCommit = true;
        }
    }

    void Failed(WriteJournal journal, StoreException error)
    {
        lock (_gate)
        {
            Counters.JournalFailures++;
            Counters.Bypassed++;
            _roomLooked = long.MinValue;
        }
        Events.Tell(EventLevel.Warning, $"{journal.Directory}: the journal takes no write, it goes to the store itself: {error.Detail}");
        Wake();
    }

    long NextStamp(int number)
    {
        // microseconds: a journal that could not be read does not make stamps repeat
        _count = Math.Max(_count + 1, (DateTime.UtcNow.Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond);
        return (_count << 8) | (uint)number;
    }

    JournalRecord WriteFile(WriteJournal journal, JournalRecord record, Payload payload, CancellationToken cancel)
    {
        long file;
        lock (_gate)
            file = _files = Math.Max(_files + 1, DateTime.UtcNow.Ticks);
        var digest = payload.HeadLength > 0 ? payload.Digest(cancel) : default;
        var parts = new List<ReadOnlyMemory<byte>>();
        if (payload.HeadLength > 0)
            parts.Add(digest.Head);
        foreach (var block in payload.Blocks(1 << 20))
            parts.Add(block.Bytes);
        uint[] pieces = PayloadFile.Write(_disk, journal.Directory, file, parts, cancel);
        var whole = Checksum.Empty;
        for (int i = 0; i < pieces.Length; i++)
        {
            long length = Math.Min(PayloadFile.PieceLength, record.Size - ((long)i * PayloadFile.PieceLength));
            whole = Checksum.Combine(whole, new Checksum(pieces[i]), length);
        }
        return record with { File = file, Pieces = pieces, Checksum = whole };
    }

    static void CopyTo(Payload payload, byte[] target, CancellationToken cancel)
    {
        if (payload.HeadLength > 0)
            payload.Digest(cancel).Head.CopyTo(target);
        foreach (var block in payload.Blocks(1 << 20))
            block.Bytes.CopyTo(target.AsMemory((int)block.Offset));
    }
}
