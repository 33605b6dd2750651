using S3dlio.Checkpoint;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>What C holds as a writer. Calls on it take turns, in the order in which they began to wait.</summary>
sealed class WriterHandle(ObjectOutput output, string uri) : IAsyncDisposable
{
    readonly SemaphoreSlim _turn = new(1, 1);
    readonly CancellationTokenSource _closing = new();
    bool _closed;

    public (long Raw, long Stored) Counts => (output.RawLength, output.StoredLength);

    public string Key => output.Key;

    /// <summary>What it is of a checkpoint, where it is a shard.</summary>
    public ShardWrite? Shard { get; init; }

    public async Task RunAsync(Func<ObjectOutput, CancellationToken, Task> work, CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, _closing.Token);
        try
        {
            await _turn.WaitAsync(stop.Token).ConfigureAwait(false);
            try
            {
                if (_closed)
                    throw Closed();
                await work(output, stop.Token).ConfigureAwait(false);
            }
            finally
            {
                _turn.Release();
            }
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested && !cancel.IsCancellationRequested)
        {
            throw Closed();
        }
    }

    /// <summary>
    /// Takes the next bytes. After one that failed or was cancelled, be it while it waited for its turn, the writer can only be closed.
    /// </summary>
    public async Task WriteAsync(LargeMemory data, IProgress<long> progress, CancellationToken cancel)
    {
        try
        {
            await RunAsync((target, stop) => target.WriteAsync(data, progress, stop).AsTask(), cancel).ConfigureAwait(false);
        }
        catch
        {
            output.Tear();
            throw;
        }
    }

    /// <summary>What runs on it is cancelled and waited for.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync().ConfigureAwait(false);
        await _turn.WaitAsync().ConfigureAwait(false);
        _closed = true;
        _turn.Release();
        await output.DisposeAsync().ConfigureAwait(false);
    }

    StoreException Closed() => new(ErrorKind.Closed, uri, "the writer was closed");
}

/// <summary>What C holds as a file that was opened for reading.</summary>
sealed class ReaderHandle(ObjectReader reader, string uri) : IAsyncDisposable
{
    int _reading;
    int _closed;

    public ObjectReader Reader => reader;

    public string Uri => uri;

    public async Task RunAsync(Func<ObjectReader, Task> work)
    {
        Interlocked.Increment(ref _reading);
        try
        {
            if (Volatile.Read(ref _closed) != 0)
                throw new StoreException(ErrorKind.Closed, uri, "the file was closed");
            await work(reader).ConfigureAwait(false);
        }
        finally
        {
            await LeaveAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Reads under way finish; the last of them closes the object.</summary>
    public async ValueTask DisposeAsync()
    {
        Interlocked.Increment(ref _reading);
        Volatile.Write(ref _closed, 1);
        await LeaveAsync().ConfigureAwait(false);
    }

    async ValueTask LeaveAsync()
    {
        if (Interlocked.Decrement(ref _reading) == 0 && Interlocked.CompareExchange(ref _closed, 2, 1) == 1)
            await reader.DisposeAsync().ConfigureAwait(false);
    }
}

/// <summary>The operations on streams.</summary>
static class StreamJobs
{
    public static Job OpenWriter(ObjectStore store, string key, int? level, PutOptions options) => async (operation, cancel) =>
    {
        var output = await ObjectOutput.OpenAsync(store, key, level, options, cancel).ConfigureAwait(false);
        ulong number = operation.OwnOpened(new WriterHandle(output, store.Root.Child(output.Key)));
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("writer", number);
            json.WriteString("key", output.Key);
            json.WriteEndObject();
        }));
    };

    public static Job Write(WriterHandle writer, LargeMemory data) => async (operation, cancel) =>
    {
        ((ITransferProgress)operation).Begin(data.Length);
        await writer.WriteAsync(data, operation, cancel).ConfigureAwait(false);
    };

    public static Job Complete(WriterHandle writer) => async (operation, cancel) =>
    {
        OutputSummary? done = null;
        await writer.RunAsync(
            async (output, stop) => done = await output.CompleteAsync(stop).ConfigureAwait(false), cancel).ConfigureAwait(false);
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("raw_size", done!.RawLength);
            if (done.RawChecksum is { } raw)
                json.WriteString("raw_checksum", raw.ToString());
            json.WriteString("compression", done.Level is null ? "none" : "zstd");
            if (done.Level is { } level)
                json.WriteNumber("level", level);
            json.WritePropertyName("object");
            MetaJson.Append(json, done.Object);
            if (writer.Shard is { } shard)
            {
                json.WritePropertyName("shard");
                ShardJson.WriteForCoordinator(json, shard.Describe(done));
            }
            json.WriteEndObject();
        }));
    };

    public static Job OpenReader(ObjectStore store, string key, Decompress mode) => async (operation, cancel) =>
    {
        var reader = await ObjectInput.OpenStreamAsync(store, key, mode, ReadOptions.Default, cancel).ConfigureAwait(false);
        ulong number = operation.OwnOpened(new OpenFile(new ReaderHandle(reader, store.Root.Child(reader.Meta.Key))));
        var stored = (reader as CompressedReader)?.StoredMeta ?? (reader as SequentialReader)?.StoredMeta;
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("file", number);
            json.WriteNumber("size", reader.Meta.Size);
            if (reader.Meta.Checksum is { } checksum)
                json.WriteString("checksum", checksum.ToString());
            json.WriteString("compression", stored is null ? "none" : "zstd");
            json.WritePropertyName("meta");
            MetaJson.Append(json, stored ?? reader.Meta);
            json.WriteEndObject();
        }));
    };

    public static Job Read(ReaderHandle file, long offset, LargeMemory target) => async (operation, cancel) =>
    {
        ((ITransferProgress)operation).Begin(target.Length);
        await file.RunAsync(async reader =>
        {
            if (reader is SequentialReader sequential)
                operation.SetJson(await SomeAsync(sequential, file.Uri, offset, target, operation, cancel).ConfigureAwait(false));
            else
                await ExactlyAsync(reader, file.Uri, offset, target, operation, cancel).ConfigureAwait(false);
        }).ConfigureAwait(false);
    };

    static async Task ExactlyAsync(
        ObjectReader reader, string uri, long offset, LargeMemory target, Operation operation, CancellationToken cancel)
    {
        if (offset < 0 || offset > reader.Meta.Size - target.Length)
            throw new StoreException(
                ErrorKind.InvalidArgument, uri,
                $"bytes {offset}..{(decimal)offset + target.Length} were asked for, the object has {reader.Meta.Size}");
        await ObjectRead.OfOpenAsync(reader, uri, offset, target, operation, cancel).ConfigureAwait(false);
    }

    /// <summary>Of an object whose length shows at its end: how many bytes there were, and its size once it is known.</summary>
    static async Task<byte[]> SomeAsync(
        SequentialReader reader, string uri, long offset, LargeMemory target, Operation operation, CancellationToken cancel)
    {
        const int pieceLength = 64 << 20;
        if (offset < 0)
            throw new StoreException(ErrorKind.InvalidArgument, uri, $"offset {offset} must not be negative");
        long done = 0;
        do
        {
            var piece = target.Slice(done, (int)Math.Min(pieceLength, target.Length - done));
            int count = await reader.ReadSomeAsync(offset + done, piece, cancel).ConfigureAwait(false);
            ((IProgress<long>)operation).Report(count);
            done += count;
            if (count < piece.Length)
                break;
        }
        while (done < target.Length);
        return MetaJson.Write(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("read", done);
            json.WriteNumber("size", reader.Meta.Size);
            json.WriteEndObject();
        });
    }
}
