using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Tensors;

/// <summary>A <c>.npy</c> object in a store, open for reading: its header is read and checked, its data not yet.</summary>
public sealed class NpyObject : IAsyncDisposable
{
    readonly ObjectReader _reader;
    readonly string _uri;
    readonly byte[] _head;

    NpyObject(ObjectReader reader, string uri, NpyHeader header, byte[] head, bool isNear)
    {
        (_reader, _uri, Header, _head, IsNear) = (reader, uri, header, head, isNear);
    }

    public NpyHeader Header { get; }

    /// <summary>See <see cref="ObjectStore.IsQuickAt"/>.</summary>
    public bool IsNear { get; }

    public ObjectMeta Meta => _reader.Meta;

    /// <summary>Bytes behind the header.</summary>
    public long DataLength => Meta.Size - Header.DataOffset;

    /// <summary>Writes an array: the header, then the data straight from the caller's memory; with a level, compressed.</summary>
    /// <returns>The object as stored, and the checksum of header and data.</returns>
    public static ValueTask<(ObjectMeta Stored, Checksum Raw)> SaveAsync(
        ObjectStore store, string key, byte[] header, LargeMemory data, int? level, PutOptions options, ITransferProgress progress, CancellationToken cancel)
    {
        var payload = new Payload(header.Length, _ => header, [data]) { HeadNeedsChecksums = false };
        return ObjectForms.SaveAsync(store, key, level, payload, options, progress, cancel);
    }

    public static ValueTask<NpyObject> OpenAsync(ObjectStore store, string key, CancellationToken cancel) => HeadRead.OpenAsync(
        store, key, NpyHeader.PrefixLength, NpyHeader.RequiredLength,
        (reader, uri, head) => new NpyObject(reader, uri, NpyHeader.Parse(head, reader.Meta.Size, uri), head, store.IsQuickAt(key)), cancel);

    /// <summary>Reads the array's data into <paramref name="target"/>, which is as long as the array, and checks the whole object.</summary>
    public async ValueTask ReadAsync(LargeMemory target, Validation validation, ITransferProgress progress, CancellationToken cancel)
    {
        if (target.Length > DataLength)
            throw new StoreException(ErrorKind.InvalidData, _uri, $"the array needs {target.Length} bytes behind its header, the object has {DataLength}: it is truncated", Meta.Size);
        progress.Begin(target.Length);
        var check = await Proof.OfWholeAsync(_reader, validation, _uri, cancel).ConfigureAwait(false);
        bool hash = validation.Compares(Meta);
        var found = check?.Append(Checksum.Empty, 0, _head) ?? Checksum.Of(_head);
        var data = await ParallelRead.ReadAsync(_reader, Header.DataOffset, target, hash, check, progress, cancel).ConfigureAwait(false);
        long end = Header.DataOffset + target.Length;
        if (check is not null)
        {
            await check.ReadEdgesAsync(_reader, 0, end, edges: true, cancel).ConfigureAwait(false);
            check.Check(_uri);
        }
        if (!hash)
            return;
        found = Checksum.Combine(found, data, target.Length);
        // np.save can put several arrays into one file; the checksum is of them all
        found = await AppendTailAsync(found, end, cancel).ConfigureAwait(false);
        await validation.CheckAsync(_reader, _uri, found, cancel).ConfigureAwait(false);
    }

    async ValueTask<Checksum> AppendTailAsync(Checksum found, long from, CancellationToken cancel)
    {
        if (from == Meta.Size)
            return found;
        var buffer = new byte[(int)Math.Min(1 << 20, Meta.Size - from)];
        for (long at = from; at < Meta.Size;)
        {
            int length = (int)Math.Min(buffer.Length, Meta.Size - at);
            await _reader.ReadAsync(at, buffer.AsMemory(0, length), cancel).ConfigureAwait(false);
            found = found.Append(buffer.AsSpan(0, length));
            at += length;
        }
        return found;
    }

    public ValueTask DisposeAsync() => _reader.DisposeAsync();
}
