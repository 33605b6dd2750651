using S3dlio.Hashing;

namespace S3dlio.Storage.Multi;

/// <summary>A writer that counts as under way at its endpoint until it is disposed.</summary>
sealed class MultiWriter : DelegatingWriter
{
    readonly Endpoint _holder;
    int _ended;

    public MultiWriter(Endpoint holder, ObjectWriter inner) : base(inner)
    {
        _holder = holder;
        holder.Hold();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        await _holder.NoteAsync(() => base.WriteAsync(data, cancel)).ConfigureAwait(false);
        _holder.Wrote(data.Length);
    }

    public override async ValueTask WriteAsync(IReadOnlyList<ReadOnlyMemory<byte>> pieces, Checksum checksum, CancellationToken cancel)
    {
        await _holder.NoteAsync(() => base.WriteAsync(pieces, checksum, cancel)).ConfigureAwait(false);
        _holder.Wrote(pieces.Sum(static piece => (long)piece.Length));
    }

    public override ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel) => _holder.NoteAsync(() => base.CompleteAsync(cancel));

    public override ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
            _holder.End();
        return base.DisposeAsync();
    }
}
