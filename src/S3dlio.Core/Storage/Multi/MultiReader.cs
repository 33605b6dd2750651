using S3dlio.Hashing;

namespace S3dlio.Storage.Multi;

/// <summary>A reader that counts as under way at its endpoint until it is disposed.</summary>
sealed class MultiReader : DelegatingReader
{
    readonly Endpoint _home;
    int _ended;

    public MultiReader(Endpoint home, ObjectReader inner) : base(inner)
    {
        _home = home;
        home.Hold();
    }

    public override async ValueTask<BlockChecksums?> FindBlocksAsync(CancellationToken cancel)
    {
        try
        {
            return await base.FindBlocksAsync(cancel).ConfigureAwait(false);
        }
        catch (StoreException error)
        {
            _home.Failed(error);
            throw;
        }
    }

    public override async ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        try
        {
            await base.ReadAsync(offset, destination, cancel).ConfigureAwait(false);
            _home.Read(destination.Length);
        }
        catch (StoreException error)
        {
            _home.Failed(error);
            throw;
        }
    }

    public override async ValueTask ReadAsync(IReadOnlyList<Segment> segments, CancellationToken cancel)
    {
        try
        {
            await base.ReadAsync(segments, cancel).ConfigureAwait(false);
            _home.Read(segments.Sum(static segment => (long)segment.Target.Length));
        }
        catch (StoreException error)
        {
            _home.Failed(error);
            throw;
        }
    }

    public override ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _ended, 1) == 0)
            _home.End();
        return base.DisposeAsync();
    }
}
