using S3dlio.Hashing;

namespace S3dlio.Storage;

/// <summary>Counts what is asked of a store near by, where no request is sent that could be counted.</summary>
sealed class TalliedStore(ObjectStore inner) : DelegatingStore
{
    readonly Tally _tally = Tally.Of(inner.Root);

    protected override ObjectStore Inner => inner;

    protected override (ObjectStore Store, string Key) Innermost(string key) => (inner, key);

    public override ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel)
    {
        _tally.Request();
        var opening = inner.OpenReadAsync(key, options, cancel);
        return opening.IsCompletedSuccessfully ? new(new Reader(opening.Result, _tally)) : OpenedAsync(opening);
    }

    async ValueTask<ObjectReader> OpenedAsync(ValueTask<ObjectReader> opening) => new Reader(await opening.ConfigureAwait(false), _tally);

    public override ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        _tally.Request();
        _tally.Wrote(payload.Length);
        return inner.PutAsync(key, payload, options, progress, cancel);
    }

    public override async ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel)
    {
        _tally.Request();
        return new Writer(await inner.OpenWriteAsync(key, options, cancel).ConfigureAwait(false), _tally);
    }

    public override ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel)
    {
        _tally.Request();
        return inner.HeadAsync(key, cancel);
    }

    public override IAsyncEnumerable<ListPage> ListAsync(string prefix, ListOptions options, CancellationToken cancel)
    {
        _tally.Request();
        return inner.ListAsync(prefix, options, cancel);
    }

    public override ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        _tally.Request();
        return inner.DeleteAsync(keys, cancel);
    }

    public override ValueTask<TreeDelete?> DeleteTreeAsync(string path, IProgress<long> progress, CancellationToken cancel)
    {
        _tally.Request();
        return inner.DeleteTreeAsync(path, progress, cancel);
    }

    public override ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel)
    {
        _tally.Request();
        return inner.CopyAsync(source, destination, options, cancel);
    }

    public override ValueTask<ObjectMeta> RenameAsync(string source, string destination, PutOptions options, CancellationToken cancel)
    {
        _tally.Request();
        return inner.RenameAsync(source, destination, options, cancel);
    }

    sealed class Reader(ObjectReader reader, Tally tally) : DelegatingReader(reader)
    {
        readonly ObjectReader _reader = reader;

        public override ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
        {
            tally.Read(destination.Length);
            return _reader.ReadAsync(offset, destination, cancel);
        }

        public override ValueTask ReadAsync(IReadOnlyList<ReadRange> segments, CancellationToken cancel)
        {
            foreach (var range in segments)
                tally.Read(range.Target.Length);
            return _reader.ReadAsync(segments, cancel);
        }
    }

    sealed class Writer(ObjectWriter writer, Tally tally) : DelegatingWriter(writer)
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
        {
            tally.Wrote(data.Length);
            return base.WriteAsync(data, cancel);
        }

        public override ValueTask WriteAsync(IReadOnlyList<ReadOnlyMemory<byte>> pieces, Checksum checksum, CancellationToken cancel)
        {
            foreach (var piece in pieces)
                tally.Wrote(piece.Length);
            return base.WriteAsync(pieces, checksum, cancel);
        }
    }
}
