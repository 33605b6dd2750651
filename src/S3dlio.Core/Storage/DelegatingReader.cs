using S3dlio.Hashing;

namespace S3dlio.Storage;

/// <summary>A reader that forwards every call to another; see <see cref="DelegatingStore"/>.</summary>
public abstract class DelegatingReader(ObjectReader inner) : ObjectReader
{
    public override ObjectMeta Meta => inner.Meta;

    public override TransferHints Hints => inner.Hints;

    public override ValueTask<BlockChecksums?> FindBlocksAsync(CancellationToken cancel) => inner.FindBlocksAsync(cancel);

    public override ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel) =>
        inner.ReadAsync(offset, destination, cancel);

    public override void Distrust() => inner.Distrust();

    public override long? CachedBytes => inner.CachedBytes;

    public override bool ReadsManyAtOnce => inner.ReadsManyAtOnce;

    public override ValueTask ReadAsync(IReadOnlyList<ReadRange> segments, CancellationToken cancel) => inner.ReadAsync(segments, cancel);

    public override ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return inner.DisposeAsync();
    }
}
