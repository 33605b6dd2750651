namespace S3dlio.Storage.Memory;

sealed class MemoryReader(string uri, MemoryItem item) : ObjectReader
{
    public override ObjectMeta Meta => item.Meta;

    public override TransferHints Hints => new(PartSize: 1 << 20, Concurrency: Math.Min(2, Environment.ProcessorCount));

    public override ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (offset < 0 || offset > item.Data.Length - destination.Length)
            throw StoreException.OutsideObject(uri, offset, destination.Length, item.Data.Length);
        item.Data.Slice((int)offset, destination.Length).CopyTo(destination);
        return ValueTask.CompletedTask;
    }

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
