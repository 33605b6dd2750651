using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.OpLog;

/// <summary>An object in the making, which becomes a row when it is complete or given up.</summary>
sealed class RecordedWriter(ObjectWriter inner, RecordedStore store, string key, long start) : DelegatingWriter(inner)
{
    Exception? _error;
    int _told;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        try
        {
            await base.WriteAsync(data, cancel).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            _error ??= error;
            throw;
        }
    }

    public override async ValueTask WriteAsync(IReadOnlyList<ReadOnlyMemory<byte>> pieces, Checksum checksum, CancellationToken cancel)
    {
        try
        {
            await base.WriteAsync(pieces, checksum, cancel).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            _error ??= error;
            throw;
        }
    }

    public override async ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel)
    {
        try
        {
            var meta = await base.CompleteAsync(cancel).ConfigureAwait(false);
            Tell(null);
            return meta;
        }
        catch (Exception error)
        {
            _error ??= error;
            throw;
        }
    }

    public override async ValueTask DisposeAsync()
    {
        Tell(_error ?? new OperationCanceledException());
        await base.DisposeAsync().ConfigureAwait(false);
    }

    void Tell(Exception? error)
    {
        if (Interlocked.Exchange(ref _told, 1) == 0)
            store.Record(OpName.Put, key, start, bytes: Written, error: error);
    }
}
