using S3dlio.Storage;

namespace S3dlio.Tests.Transfer;

/// <summary>Counts what it gets and keeps nothing.</summary>
sealed class CountingWriter : ObjectWriter
{
    long _length;

    public long FailsAfter { get; init; } = long.MaxValue;

    public Action? OnWrite { get; init; }

    public int Disposals { get; private set; }

    public override long Written => _length;

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        _length += data.Length;
        OnWrite?.Invoke();
        return _length > FailsAfter ? throw new IOException("the store is full") : ValueTask.CompletedTask;
    }

    public override ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel) =>
        ValueTask.FromResult(new ObjectMeta { Key = "x", Size = _length, LastModified = DateTimeOffset.UnixEpoch });

    public override ValueTask DisposeAsync()
    {
        Disposals++;
        return ValueTask.CompletedTask;
    }
}
