namespace S3dlio.Storage.Multi;

/// <summary>A reader that counts as under way at its endpoint until it is disposed.</summary>
sealed class MultiReader : ObjectReader
{
    readonly Endpoint _home;
    readonly ObjectReader _inner;
    int _ended;

    public MultiReader(Endpoint home, ObjectReader inner)
    {
        (_home, _inner) = (home, inner);
        home.Hold();
    }

    public override ObjectMeta Meta => _inner.Meta;

    public override TransferHints Hints => _inner.Hints;

    public override async ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        try
        {
            await _inner.ReadAsync(offset, destination, cancel).ConfigureAwait(false);
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
        return _inner.DisposeAsync();
    }
}

/// <summary>The same for a writer.</summary>
sealed class MultiWriter : ObjectWriter
{
    readonly Endpoint _home;
    readonly ObjectWriter _inner;
    int _ended;

    public MultiWriter(Endpoint home, ObjectWriter inner)
    {
        (_home, _inner) = (home, inner);
        home.Hold();
    }

    public override long Written => _inner.Written;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        try
        {
            await _inner.WriteAsync(data, cancel).ConfigureAwait(false);
        }
        catch (StoreException error)
        {
            _home.Failed(error);
            throw;
        }
    }

    public override async ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel)
    {
        try
        {
            return await _inner.CompleteAsync(cancel).ConfigureAwait(false);
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
        return _inner.DisposeAsync();
    }
}
