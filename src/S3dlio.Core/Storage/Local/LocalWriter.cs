using S3dlio.Hashing;

namespace S3dlio.Storage.Local;

/// <summary>An object of unknown length, hashed as it comes.</summary>
sealed class LocalWriter(string key, PutOptions options, TemporaryFile temporary, FileSink sink, TimeSpan lockPatience) : ObjectWriter
{
    Checksum _checksum = Checksum.Empty;
    long _written;
    bool _ended;
    bool _failed;

    public override long Written => _written;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        Begin(cancel);
        await sink.WriteAsync(data, cancel).ConfigureAwait(false);
        End(_checksum.Append(data.Span), data.Length);
    }

    public override async ValueTask WriteAsync(IReadOnlyList<ReadOnlyMemory<byte>> pieces, Checksum checksum, CancellationToken cancel)
    {
        Begin(cancel);
        long length = 0;
        foreach (var piece in pieces)
            length += piece.Length;
        await sink.WriteAsync(pieces, cancel).ConfigureAwait(false);
        End(Checksum.Combine(_checksum, checksum, length), length);
    }

    public override async ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel)
    {
        CheckOpen();
        _failed = true;
        cancel.ThrowIfCancellationRequested();
        await sink.FinishAsync(default, cancel).ConfigureAwait(false);
        var meta = await temporary.CommitAsync(
            key, FileAttributeRecord.Of(_checksum, _written, options), options, lockPatience, cancel).ConfigureAwait(false);
        await DisposeAsync().ConfigureAwait(false);
        return meta;
    }

    public override async ValueTask DisposeAsync()
    {
        if (_ended)
            return;
        _ended = true;
        await sink.DisposeAsync().ConfigureAwait(false);
        temporary.Dispose();
    }

    void Begin(CancellationToken cancel)
    {
        CheckOpen();
        // after a failure or a cancel it is not known what the file holds; only a write that went through clears this
        _failed = true;
        cancel.ThrowIfCancellationRequested();
    }

    void End(Checksum checksum, long length)
    {
        _checksum = checksum;
        _written += length;
        _failed = false;
    }

    void CheckOpen()
    {
        if (_ended)
            throw new StoreException(ErrorKind.Closed, temporary.Uri, "the writer was completed or disposed");
        if (_failed)
            throw new StoreException(ErrorKind.Closed, temporary.Uri, "an earlier write failed; dispose of the writer and begin again");
    }
}
