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
        ObjectStore store, string key, byte[] header, LargeMemory data, int? level, PutOptions options, ITransferProgress progress,
        CancellationToken cancel)
    {
        var payload = new Payload(header.Length, _ => header, [data]) { HeadNeedsChecksums = false };
        return PayloadOutput.SaveAsync(store, key, level, payload, options, progress, cancel);
    }

    public static ValueTask<NpyObject> OpenAsync(ObjectStore store, string key, CancellationToken cancel) => HeadRead.OpenAsync(
        store, key, NpyHeader.PrefixLength, NpyHeader.RequiredLength,
        (reader, uri, head) => new NpyObject(reader, uri, NpyHeader.Parse(head, reader.Meta.Size, uri), head, store.IsQuickAt(key)),
        cancel);

    /// <summary>
    /// Reads the array's data into <paramref name="target"/>, which is as long as the array, and checks the whole object.
    /// </summary>
    public async ValueTask ReadAsync(LargeMemory target, Validation validation, ITransferProgress progress, CancellationToken cancel)
    {
        if (target.Length > DataLength)
            throw StoreException.InvalidData(_uri,
                $"the array needs {target.Length} bytes behind its header, the object has {DataLength}: it is truncated", Meta.Size);
        progress.Begin(target.Length);
        var verification = await ReadVerification.OfWholeAsync(_reader, validation, _uri, cancel).ConfigureAwait(false);
        var head = verification.Append(Checksum.Empty, 0, _head);
        var data = await ParallelRead.ReadAsync(_reader, Header.DataOffset, target, verification, progress, cancel).ConfigureAwait(false);
        var found = Checksum.Combine(head, data, target.Length);
        await verification.CompleteAsync(0, Header.DataOffset + target.Length, found, cancel).ConfigureAwait(false);
    }

    public ValueTask DisposeAsync() => _reader.DisposeAsync();
}
