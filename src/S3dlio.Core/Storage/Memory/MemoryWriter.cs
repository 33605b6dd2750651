using S3dlio.Hashing;

namespace S3dlio.Storage.Memory;

sealed class MemoryWriter(MemoryStore store, string key, PutOptions options) : ObjectWriter
{
    readonly MemoryStream _data = new();
    Checksum _checksum = Checksum.Empty;
    readonly WriterState _state = new(store.Root.Child(key));

    public override long Written => _data.Length;

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        _state.Begin(cancel);
        _data.Write(data.Span);
        _checksum = _checksum.Append(data.Span);
        _state.Wrote();
        return ValueTask.CompletedTask;
    }

    public override ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel)
    {
        _state.Begin(cancel);
        var meta = store.Commit(key, _data.ToArray(), _checksum, options);
        _state.End();
        return ValueTask.FromResult(meta);
    }

    public override ValueTask DisposeAsync()
    {
        _state.End();
        return ValueTask.CompletedTask;
    }
}
