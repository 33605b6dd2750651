using System.Buffers;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>One write on its way to the store, and what comes of it.</summary>
sealed partial class WriteBack
{
    async Task SendAsync(PendingWrite write)
    {
        try
        {
            Sent sent;
            Forget?.Invoke(write.Record.Key);
            try
            {
                sent = write.Record.Kind == JournalKind.Put ? await SendPutAsync(write).ConfigureAwait(false)
                    : await SendDeleteAsync(write).ConfigureAwait(false);
            }
            finally
            {
                Forget?.Invoke(write.Record.Key);
            }
            // before the write ends: who cannot ask the store finds it in the journal or in the cache
            if (sent.Meta is { } meta && sent.Bytes is { } bytes)
                Keep?.Invoke(write.Record.Key, meta, bytes);
            // only here: after an error something may still read of it
            if (sent.Rented is { } rented)
                ArrayPool<byte>.Shared.Return(rented);
            lock (_gate)
            {
                Counters.Sent++;
                Counters.SentBytes += write.Record.Size;
                End(write, sent.Meta?.ETag, isSuperseded: false);
            }
        }
        catch (StoreException error)
        {
            NotSent(write, error);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            NotSent(write, StoreException.Unforeseen(error, Store.Root.Child(write.Record.Key)));
        }
        finally
        {
            lock (_gate)
            {
                write.IsSending = false;
                _sendingCount--;
                _sendingBytes -= write.Record.Size;
            }
            Wake();
        }
    }

    /// <summary>What the store has now; the bytes where they were at hand, and the array of the pool in which they lie.</summary>
    readonly record struct Sent(ObjectMeta? Meta, ReadOnlyMemory<byte>? Bytes, byte[]? Rented);

    async Task<Sent> SendDeleteAsync(PendingWrite write)
    {
        foreach (var failure in await Store.DeleteAsync([write.Record.Key], CancellationToken.None).ConfigureAwait(false))
            throw failure.Error;
        return default;
    }

    async Task<Sent> SendPutAsync(PendingWrite write)
    {
        var record = write.Record;
        // an attempt whose answer was lost may have written it
        if ((write.IsRecovered || write.Attempts > 0) && await FindSentAsync(record).ConfigureAwait(false) is { } found)
        {
            Counters.FoundSent++;
            return new Sent(found, null, null);
        }
        // the journal lets go of what the store has, so a store of files has it on the device
        var options = PutOptions.Default with { ContentType = record.ContentType, Metadata = record.Metadata, Durable = true };
        var bytes = Bytes(write, out byte[]? rented);
        var written = await Store.PutAsync(record.Key, new Payload(bytes), options, null, CancellationToken.None).ConfigureAwait(false);
        if (written.Size != record.Size || (written.Checksum is { } sum && sum != record.Checksum))
            throw new StoreException(ErrorKind.ChecksumMismatch, Store.Root.Child(record.Key),
                $"{record.Size} bytes with {record.Checksum} were sent, the store has {written.Size} with {written.Checksum}");
        return new Sent(written, bytes, rented);
    }

    async Task<ObjectMeta?> FindSentAsync(JournalRecord record)
    {
        if (await Store.HeadOrNullAsync(record.Key, CancellationToken.None).ConfigureAwait(false) is not { } found
            || found.Size != record.Size || found.Checksum != record.Checksum
            || (record.ContentType is { } type && found.ContentType != type))
            return null;
        var metadata = record.Metadata ?? ObjectMeta.NoMetadata;
        return metadata.Count == found.Metadata.Count && !metadata.Except(found.Metadata).Any() ? found : null;
    }

    /// <summary>The payload, compared with its checksums.</summary>
    static ReadOnlyMemory<byte> Bytes(PendingWrite write, out byte[]? rented)
    {
        var record = write.Record;
        rented = null;
        if (record.File == 0)
            return record.PayloadOf(write.Journal.Read(write.Number), write.Journal.Directory).ToArray();
        using var file = write.Journal.TryOpen(record.File) ?? throw new StoreException(ErrorKind.InvalidData, write.Journal.Directory,
            $"the payload of '{record.Key}' is not there: {PayloadFile.Path(write.Journal.Directory, record.File)} was deleted");
        // new memory for each would cost as much as sending it
        rented = ArrayPool<byte>.Shared.Rent((int)record.Size);
        var bytes = rented.AsMemory(0, (int)record.Size);
        PayloadFile.Read(file, record, 0, bytes.Span);
        return bytes;
    }

    void NotSent(PendingWrite write, StoreException error)
    {
        bool isFinal = IsFinal(error, write.Journal.Directory);
        lock (_gate)
        {
            Counters.SendFailures++;
            write.LastError = error;
            if (isFinal)
                Park(write, error);
            else
            {
                long pause = Math.Min((long)FirstRetry << Math.Min(write.Attempts, 16), LongestPause);
                write.NotBefore = Environment.TickCount64 + (long)(pause * (0.5 + Random.Shared.NextDouble()));
            }
            write.Attempts++;
            Changed();
        }
        if (isFinal || write.Attempts == 1)
        {
            string next = isFinal ? "it is parked: 's3dlio cache parked' tells of it and tries it again" : "it is tried again";
            Events.Tell(EventLevel.Warning,
                $"{Store.Root.Child(write.Record.Key)}: a write that was acknowledged could not be sent, {next}: {error.Detail}");
        }
    }

    /// <summary>Whether it comes to the same however often it is tried.</summary>
    static bool IsFinal(StoreException error, string journal) => error.Kind switch
    {
        ErrorKind.PermissionDenied or ErrorKind.Precondition or ErrorKind.AlreadyExists or ErrorKind.InvalidArgument
            or ErrorKind.InvalidData or ErrorKind.NotFound or ErrorKind.IsDirectory or ErrorKind.NotDirectory => true,
        // on the way it is sent again; in the journal it stays damaged
        ErrorKind.ChecksumMismatch => error.Uri.StartsWith(journal, StringComparison.Ordinal),
        _ => false,
    };

    void Park(PendingWrite write, StoreException error)
    {
        Counters.Parked++;
        write.Parked = error;
        var record = new JournalRecord(JournalKind.Parked, write.Stamp) { Error = error.Kind, Text = error.Detail };
        try
        {
            write.Journal.Append(record.Write([]));
            write.Journal.NeedsCommit = true;
        }
        catch (StoreException)
        {
            // the next process tries it once more, and parks it
        }
    }
}
