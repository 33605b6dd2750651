using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>
/// An object that is in a journal and not at the store yet. It stays readable while it is open, also when it has been sent.
/// </summary>
sealed class JournalReader : ObjectReader
{
    readonly JournalRecord _record;
    readonly string _uri;
    readonly ReadOnlyMemory<byte> _bytes;
    readonly DiskFile? _file;
    long _read;

    JournalReader(ObjectMeta meta, JournalRecord record, string uri, ReadOnlyMemory<byte> bytes, DiskFile? file) =>
        (Meta, _record, _uri, _bytes, _file) = (meta, record, uri, bytes, file);

    public override ObjectMeta Meta { get; }

    public override long? CachedBytes => Volatile.Read(ref _read);

    public override TransferHints Hints => new(PartSize: 1 << 20, Concurrency: Math.Min(2, Environment.ProcessorCount));

    /// <summary>Null where the write was done meanwhile.</summary>
    /// <exception cref="StoreException">ChecksumMismatch: the journal's copy is damaged.</exception>
    public static JournalReader? TryOpen(PendingWrite write, string key, string uri)
    {
        var record = write.Record;
        if (record.File != 0)
            return write.Journal.TryOpen(record.File) is { } file ? new JournalReader(write.Meta(key), record, uri, default, file) : null;
        try
        {
            byte[] bytes = write.Journal.Read(write.Number);
            return new JournalReader(write.Meta(key), record, uri, record.PayloadOf(bytes, write.Journal.Directory), null);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.NotFound)
        {
            return null;
        }
    }

    public override ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (offset < 0 || offset > _record.Size - destination.Length)
            throw new StoreException(ErrorKind.InvalidArgument, _uri,
                $"bytes {offset}..{offset + destination.Length} were asked for, the object has {_record.Size}");
        Interlocked.Add(ref _read, destination.Length);
        if (_file is null)
        {
            _bytes.Slice((int)offset, destination.Length).CopyTo(destination);
            return ValueTask.CompletedTask;
        }
        try
        {
            PayloadFile.Read(_file, _record, offset, destination.Span);
        }
        catch (DiskException error)
        {
            throw WriteJournal.Translate(error, _file.Path);
        }
        return ValueTask.CompletedTask;
    }

    public override ValueTask DisposeAsync()
    {
        _file?.Dispose();
        return ValueTask.CompletedTask;
    }
}
