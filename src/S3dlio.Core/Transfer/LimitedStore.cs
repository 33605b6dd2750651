using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// A store through which bytes go at a bounded rate, all else as the store that it stands before. What the store copies or moves within
/// itself does not come by here and is not bounded.
/// </summary>
/// <param name="inner">The store.</param>
/// <param name="reads">Bounds what is read, of all stores that share it.</param>
/// <param name="writes">The same for what is written.</param>
public sealed class LimitedStore(ObjectStore inner, Bandwidth reads, Bandwidth writes) : DelegatingStore
{
    protected override ObjectStore Inner => inner;

    protected override (ObjectStore Store, string Key) Innermost(string key) => inner.InnermostOf(key);

    /// <remarks>Nothing that waits for its turn is quick.</remarks>
    public override bool IsQuickAt(string key) => false;

    public override async ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel) =>
        new Reader(await inner.OpenReadAsync(key, options, cancel).ConfigureAwait(false), reads);

    public override async ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        await writes.TakeAsync(payload.Length, cancel).ConfigureAwait(false);
        return await inner.PutAsync(key, payload, options, progress, cancel).ConfigureAwait(false);
    }

    public override async ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel) =>
        new Writer(await inner.OpenWriteAsync(key, options, cancel).ConfigureAwait(false), writes);

    sealed class Reader(ObjectReader inner, Bandwidth limit) : DelegatingReader(inner)
    {
        readonly ObjectReader _inner = inner;

        public override async ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
        {
            do
            {
                var piece = destination[..Math.Min(destination.Length, limit.PieceLength)];
                await limit.TakeAsync(piece.Length, cancel).ConfigureAwait(false);
                await _inner.ReadAsync(offset, piece, cancel).ConfigureAwait(false);
                (offset, destination) = (offset + piece.Length, destination[piece.Length..]);
            }
            while (destination.Length > 0);
        }

        public override async ValueTask ReadAsync(IReadOnlyList<ReadRange> segments, CancellationToken cancel)
        {
            await limit.TakeAsync(segments.Sum(static one => (long)one.Target.Length), cancel).ConfigureAwait(false);
            await _inner.ReadAsync(segments, cancel).ConfigureAwait(false);
        }
    }

    sealed class Writer(ObjectWriter inner, Bandwidth limit) : DelegatingWriter(inner)
    {
        readonly ObjectWriter _inner = inner;

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
        {
            do
            {
                var piece = data[..Math.Min(data.Length, limit.PieceLength)];
                await limit.TakeAsync(piece.Length, cancel).ConfigureAwait(false);
                await _inner.WriteAsync(piece, cancel).ConfigureAwait(false);
                data = data[piece.Length..];
            }
            while (data.Length > 0);
        }

        public override async ValueTask WriteAsync(IReadOnlyList<ReadOnlyMemory<byte>> pieces, Checksum checksum, CancellationToken cancel)
        {
            await limit.TakeAsync(pieces.Sum(static piece => (long)piece.Length), cancel).ConfigureAwait(false);
            await _inner.WriteAsync(pieces, checksum, cancel).ConfigureAwait(false);
        }
    }
}
