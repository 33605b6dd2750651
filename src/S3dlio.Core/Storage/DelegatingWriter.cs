using S3dlio.Hashing;

namespace S3dlio.Storage;

/// <summary>A writer that forwards every call to another; see <see cref="DelegatingStore"/>.</summary>
public abstract class DelegatingWriter(ObjectWriter inner) : ObjectWriter
{
    public override long Written => inner.Written;

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel) => inner.WriteAsync(data, cancel);

    public override ValueTask WriteAsync(IReadOnlyList<ReadOnlyMemory<byte>> pieces, Checksum checksum, CancellationToken cancel) =>
        inner.WriteAsync(pieces, checksum, cancel);

    public override ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel) => inner.CompleteAsync(cancel);

    public override ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return inner.DisposeAsync();
    }
}
