using S3dlio.Hashing;

namespace S3dlio.Storage.Local;

/// <summary>An object of unknown length, hashed as it comes.</summary>
sealed class LocalWriter(string key, PutOptions options, TemporaryFile temporary, FileSink sink, TimeSpan lockPatience) : ObjectWriter
{
    readonly WriterState _state = new(temporary.Uri);
    Checksum _checksum = Checksum.Empty;
    long _written;

    public override long Written => _written;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        _state.Begin(cancel);
        await sink.WriteAsync(data, cancel).ConfigureAwait(false);
        End(_checksum.Append(data.Span), data.Length);
    }

    public override async ValueTask WriteAsync(IReadOnlyList<ReadOnlyMemory<byte>> pieces, Checksum checksum, CancellationToken cancel)
    {
        _state.Begin(cancel);
        long length = 0;
        foreach (var piece in pieces)
            length += piece.Length;
        await sink.WriteAsync(pieces, cancel).ConfigureAwait(false);
        End(Checksum.Combine(_checksum, checksum, length), length);
    }

    public override async ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel)
    {
        _state.Begin(cancel);
        await sink.FinishAsync(default, cancel).ConfigureAwait(false);
        var meta = await temporary.CommitAsync(
            key, FileAttributeRecord.Of(_checksum, _written, options), options, lockPatience, cancel).ConfigureAwait(false);
        await DisposeAsync().ConfigureAwait(false);
        return meta;
    }

    public override async ValueTask DisposeAsync()
    {
        if (!_state.End())
            return;
        await sink.DisposeAsync().ConfigureAwait(false);
        temporary.Dispose();
    }

    void End(Checksum checksum, long length)
    {
        _checksum = checksum;
        _written += length;
        _state.Wrote();
    }
}
