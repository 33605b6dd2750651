using S3dlio.Compression;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>What a finished stream wrote.</summary>
/// <param name="Object">The object as stored.</param>
/// <param name="RawLength">Bytes that were written to the stream.</param>
/// <param name="RawChecksum">CRC32C of those.</param>
/// <param name="Level">The compression's level; null for none.</param>
public sealed record OutputSummary(ObjectMeta Object, long RawLength, Checksum? RawChecksum, int? Level);

/// <summary>One object, written as a stream to any store, compressed or not; it appears when it is completed, or never.</summary>
public sealed class ObjectOutput : IAsyncDisposable
{
    readonly ObjectWriter _writer;
    readonly string _uri;
    readonly int? _level;
    readonly (ObjectStore Store, string Key)? _plain;
    volatile bool _torn;

    ObjectOutput(string key, ObjectWriter writer, string uri, int? level, (ObjectStore Store, string Key)? plain)
    {
        (Key, _writer, _uri, _level, _plain) = (key, writer, uri, level, plain);
    }

    /// <summary>The object's key: compressed ones end in <c>.zst</c>.</summary>
    public string Key { get; }

    public long RawLength => _writer.Written;

    /// <summary>Bytes handed to the store so far.</summary>
    public long StoredLength => _writer is CompressedWriter compressed ? compressed.Stored : _writer.Written;

    /// <param name="store">The store.</param>
    /// <param name="key">The object's key; with a level, <c>.zst</c> is appended unless it ends so.</param>
    /// <param name="level">1 to 22; null writes the bytes as they are.</param>
    /// <param name="options">Options of the write.</param>
    /// <exception cref="StoreException">AlreadyExists: <c>.zst</c> was appended, and there is an object of the key without it.</exception>
    public static async ValueTask<ObjectOutput> OpenAsync(
        ObjectStore store, string key, int? level, PutOptions options, CancellationToken cancel)
    {
        if (level is not { } chosen)
            return new ObjectOutput(
                key, await store.OpenWriteAsync(key, options, cancel).ConfigureAwait(false), store.Root.Child(key), null, null);
        string name = SeekableFormat.Name(key);
        string uri = store.Root.Child(name);
        if (chosen is < 1 or > 22)
            throw StoreException.InvalidArgument(uri, $"compression levels are 1 to 22, found {chosen}");
        (ObjectStore, string)? plain = name == key ? null : (store, key);
        if (plain is not null)
            await CompressedName.CheckBeforeAsync(store, key, cancel).ConfigureAwait(false);
        var inner = await store.OpenWriteAsync(name, options, cancel).ConfigureAwait(false);
        return new ObjectOutput(name, new CompressedWriter(inner, chosen, uri, options.Background), uri, chosen, plain);
    }

    /// <summary>Takes the next bytes; the memory is the caller's again when the task is done.</summary>
    /// <remarks>After one that failed or was cancelled nothing more is written and nothing can be completed.</remarks>
    public async ValueTask WriteAsync(LargeMemory data, IProgress<long>? progress, CancellationToken cancel)
    {
        CheckWhole();
        try
        {
            await WritePiecesAsync(data, progress, cancel).ConfigureAwait(false);
        }
        catch
        {
            Tear();
            throw;
        }
    }

    /// <summary>Some of the bytes are missing, or may be: the object can no longer be completed.</summary>
    public void Tear() => _torn = true;

    async ValueTask WritePiecesAsync(LargeMemory data, IProgress<long>? progress, CancellationToken cancel)
    {
        const int pieceLength = 64 << 20;
        if (_writer is CompressedWriter compressed)
        {
            await compressed.WriteAsync(data, progress, cancel).ConfigureAwait(false);
            return;
        }
        for (long at = 0; at < data.Length; at += pieceLength)
        {
            var piece = data.Slice(at, (int)Math.Min(pieceLength, data.Length - at));
            await _writer.WriteAsync(piece, cancel).ConfigureAwait(false);
            progress?.Report(piece.Length);
        }
    }

    /// <exception cref="StoreException">
    /// Closed after a write that failed or was cancelled. AlreadyExists: the object is written, and one of its key without the appended
    /// <c>.zst</c> was written meanwhile.
    /// </exception>
    public async ValueTask<OutputSummary> CompleteAsync(CancellationToken cancel)
    {
        CheckWhole();
        var meta = await _writer.CompleteAsync(cancel).ConfigureAwait(false);
        if (_plain is var (store, key))
            await CompressedName.CheckAfterAsync(store, key, cancel).ConfigureAwait(false);
        return new OutputSummary(
            meta, _writer.Written, _writer is CompressedWriter compressed ? compressed.RawChecksum : meta.Checksum, _level);
    }

    /// <summary>Unless it was completed, nothing is left behind.</summary>
    public ValueTask DisposeAsync() => _writer.DisposeAsync();

    void CheckWhole()
    {
        if (_torn)
            throw new StoreException(
                ErrorKind.Closed, _uri,
                "an earlier write failed or was cancelled, so the object would not be whole; dispose of the writer and begin again");
    }
}
