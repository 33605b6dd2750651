using S3dlio.Hashing;

namespace S3dlio.Storage.Multi;

public sealed partial class MultiStore
{
    // one window of a copy between two endpoints
    const int CopyLength = 8 << 20;

    public override ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel) =>
        WriteAsync(key, options, async (endpoint, store) =>
        {
            var put = await store.PutAsync(key, payload, options, progress, cancel).ConfigureAwait(false);
            endpoint.Wrote(payload.Length);
            return put;
        }, cancel);

    /// <remarks>Begun at one endpoint, it ends there: what was written of it is not kept for another.</remarks>
    public override async ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel)
    {
        Endpoint? holder = null;
        var writer = await WriteAsync(key, options, (endpoint, store) =>
        {
            holder = endpoint;
            return store.OpenWriteAsync(key, options, cancel);
        }, cancel).ConfigureAwait(false);
        return new MultiWriter(holder!, writer);
    }

    public override async ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel)
    {
        CheckIsKey(source);
        if (_options.Replicas)
            return await WriteAsync(
                destination, options, (_, store) => store.CopyAsync(source, destination, options, cancel), cancel).ConfigureAwait(false);
        CheckIsKey(destination);
        var (from, to) = await PlacesAsync(source, destination, cancel).ConfigureAwait(false);
        var copied = from == to
            ? await to.RunAsync(store => store.CopyAsync(source, destination, options, cancel)).ConfigureAwait(false)
            : await PumpAsync(from, source, to, destination, options, cancel).ConfigureAwait(false);
        _locations.Set(destination, to);
        return copied;
    }

    public override async ValueTask<ObjectMeta> RenameAsync(string source, string destination, PutOptions options, CancellationToken cancel)
    {
        CheckIsKey(source);
        if (_options.Replicas)
            return await WriteAsync(
                destination, options, (_, store) => store.RenameAsync(source, destination, options, cancel), cancel).ConfigureAwait(false);
        CheckIsKey(destination);
        var (from, to) = await PlacesAsync(source, destination, cancel).ConfigureAwait(false);
        if (from != to)
            return await CopyThenDeleteAsync(source, destination, options, cancel).ConfigureAwait(false);
        var moved = await to.RunAsync(store => store.RenameAsync(source, destination, options, cancel)).ConfigureAwait(false);
        if (source != destination)
            _locations.Forget(source);
        _locations.Set(destination, to);
        return moved;
    }

    /// <summary>Where a source is, and where its copy goes: to the object that it replaces, else beside the source.</summary>
    async ValueTask<(Endpoint From, Endpoint To)> PlacesAsync(string source, string destination, CancellationToken cancel)
    {
        var from = _locations.Find(source) ?? await FindAsync(source, cancel).ConfigureAwait(false) ?? _endpoints[0];
        var to = source == destination ? from : _locations.Find(destination) ?? await FindAsync(destination, cancel).ConfigureAwait(false)
            ?? from;
        return (from, to);
    }

    /// <summary>Runs a call that makes an object: where one of that key is, else at the endpoint whose turn it is.</summary>
    /// <remarks>
    /// One without conditions goes on to the next endpoint when the first is down; a later read finds the newer. A conditional one does
    /// not: its condition is about an object that only that endpoint knows, or its outcome there is.
    /// </remarks>
    async ValueTask<T> WriteAsync<T>(
        string key, PutOptions options, Func<Endpoint, ObjectStore, ValueTask<T>> call, CancellationToken cancel)
    {
        CheckIsKey(key);
        bool conditional = !options.Overwrite || options.IfMatch is not null;
        Endpoint[] order = Order();
        if (!_options.Replicas)
        {
            var holder = await ClaimAsync(key, conditional, order[0], cancel).ConfigureAwait(false);
            order = [holder, .. order.Where(endpoint => endpoint != holder)];
        }
        return await RunFirstAsync(order, async (endpoint, store) =>
        {
            var result = await call(endpoint, store).ConfigureAwait(false);
            if (!_options.Replicas)
                _locations.Set(key, endpoint);
            return result;
        }, passesOn: !conditional).ConfigureAwait(false);
    }

    /// <summary>
    /// The endpoint that has the key or, from now on, is to have it. Concurrent writes of a new key go to the same endpoint; a
    /// conditional write to one that follows from the key, so that writers in other processes meet there too and one wins.
    /// </summary>
    async ValueTask<Endpoint> ClaimAsync(string key, bool conditional, Endpoint next, CancellationToken cancel)
    {
        if (_locations.Find(key) is { } known)
            return known;
        var gate = _claims[Place(key, _claims.Length)];
        await gate.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            if (_locations.Find(key) is { } meanwhile)
                return meanwhile;
            Endpoint? holder = null;
            try
            {
                holder = await FindAsync(key, cancel).ConfigureAwait(false);
            }
            catch (StoreException error) when (!conditional && Endpoint.IsDown(error))
            {
                // if it has an object of that key, that one is older than what is written now
            }
            holder ??= conditional ? _endpoints[Place(key, _endpoints.Length)] : next;
            _locations.Set(key, holder);
            return holder;
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>
    /// A number below <paramref name="count"/> that is the same for a key in every process: FNV-1a over its UTF-16 units.
    /// </summary>
    static int Place(string key, int count)
    {
        ulong hash = 14695981039346656037;
        foreach (char c in key)
            hash = (hash ^ c) * 1099511628211;
        return (int)(hash % (ulong)count);
    }

    static async ValueTask<ObjectMeta> PumpAsync(
        Endpoint from, string source, Endpoint to, string destination, PutOptions options, CancellationToken cancel)
    {
        var reader = new MultiReader(
            from, await from.RunAsync(store => store.OpenReadAsync(source, ReadOptions.Default, cancel)).ConfigureAwait(false));
        await using (reader.ConfigureAwait(false))
        {
            var meta = reader.Meta;
            var full = options with
            {
                ContentType = options.ContentType ?? meta.ContentType,
                Metadata = options.Metadata ?? meta.Metadata,
                Attributes = ObjectAttributes.Copied(meta, options, to.Store.WritableAttributes),
            };
            var writer = new MultiWriter(
                to, await to.RunAsync(store => store.OpenWriteAsync(destination, full, cancel)).ConfigureAwait(false));
            await using (writer.ConfigureAwait(false))
            {
                var buffer = new byte[Math.Min(CopyLength, meta.Size)];
                var found = Checksum.Empty;
                for (long at = 0; at < meta.Size; at += buffer.Length)
                {
                    var piece = buffer.AsMemory(0, (int)Math.Min(buffer.Length, meta.Size - at));
                    await reader.ReadAsync(at, piece, cancel).ConfigureAwait(false);
                    found = found.Append(piece.Span);
                    await writer.WriteAsync(piece, cancel).ConfigureAwait(false);
                }
                string uri = from.Store.Root.Child(source);
                if (meta.Checksum is { } expected && expected != found
                        && !await MislabelledCrc32.IsCrc32Async(reader, meta, found, uri, cancel).ConfigureAwait(false))
                    throw StoreException.ChecksumMismatch(uri,
                        $"checksum mismatch over {meta.Size} bytes: {expected} recorded when it was written, {found} found while copying");
                return await writer.CompleteAsync(cancel).ConfigureAwait(false);
            }
        }
    }
}
