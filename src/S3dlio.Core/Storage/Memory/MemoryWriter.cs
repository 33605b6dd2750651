using S3dlio.Hashing;

namespace S3dlio.Storage.Memory;

sealed class MemoryWriter(MemoryStore store, string key, PutOptions options) : ObjectWriter
{
    readonly MemoryStream _data = new();
    Checksum _checksum = Checksum.Empty;
    bool _ended;

    public override long Written => _data.Length;

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        CheckOpen();
        _data.Write(data.Span);
        _checksum = _checksum.Append(data.Span);
        return ValueTask.CompletedTask;
    }

    public override ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        CheckOpen();
        _ended = true;
        return ValueTask.FromResult(store.Commit(key, _data.ToArray(), _checksum, options));
    }

    public override ValueTask DisposeAsync()
    {
        _ended = true;
        return ValueTask.CompletedTask;
    }

    void CheckOpen()
    {
        if (_ended)
            throw new StoreException(ErrorKind.Closed, store.Root.Child(key), "the writer was completed or disposed");
    }
}
