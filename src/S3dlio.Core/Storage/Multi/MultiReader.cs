using S3dlio.Hashing;

namespace S3dlio.Storage.Multi;

/// <summary>A reader that counts as under way at its endpoint until it is disposed.</summary>
sealed class MultiReader : DelegatingReader
{
    readonly Endpoint _holder;
    int _ended;

    public MultiReader(Endpoint holder, ObjectReader inner) : base(inner)
    {
        _holder = holder;
        holder.Hold();
    }

    public override ValueTask<BlockChecksums?> FindBlocksAsync(CancellationToken cancel) =>
        _holder.NoteAsync(() => base.FindBlocksAsync(cancel));

    public override async ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        await _holder.NoteAsync(() => base.ReadAsync(offset, destination, cancel)).ConfigureAwait(false);
        _holder.Read(destination.Length);
    }

    public override async ValueTask ReadAsync(IReadOnlyList<ReadRange> segments, CancellationToken cancel)
    {
        await _holder.NoteAsync(() => base.ReadAsync(segments, cancel)).ConfigureAwait(false);
        _holder.Read(segments.Sum(static segment => (long)segment.Target.Length));
    }

    public override ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
            _holder.End();
        return base.DisposeAsync();
    }
}
