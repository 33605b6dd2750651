using S3dlio.Hashing;

namespace S3dlio.Storage.Local;

public sealed partial class LocalStore
{
    /// <summary>Bytes from which a second thread that hashes pays for its start.</summary>
    const int HashApartFrom = 1 << 20;

    /// <summary>Bytes of one write to the page cache.</summary>
    const int WriteLength = 1 << 20;

    public override async ValueTask<ObjectMeta> PutAsync(string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string path = _path.Object(key);
        string uri = Root.Child(key);
        var target = Target.Inspect(uri, path, options);
        using var temporary = new Temporary(target, IsDurable(options));
        var checksum = UseDirect(temporary.Handle, uri)
            ? await WriteDirectAsync(temporary, payload, progress, cancel).ConfigureAwait(false)
            : await WriteCachedAsync(temporary, payload, progress, cancel).ConfigureAwait(false);
        cancel.ThrowIfCancellationRequested();
        return temporary.Commit(key, new ObjectRecord(checksum, payload.Length, options.ContentType, options.Metadata ?? ObjectMeta.NoMetadata), options);
    }

    public override ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string path = _path.Object(key);
        string uri = Root.Child(key);
        var temporary = new Temporary(Target.Inspect(uri, path, options), IsDurable(options));
        try
        {
            return ValueTask.FromResult<ObjectWriter>(new LocalWriter(key, options, temporary, OpenSink(temporary, headLength: 0)));
        }
        catch
        {
            temporary.Dispose();
            throw;
        }
    }

    FileSink OpenSink(Temporary temporary, int headLength)
    {
        if (!UseDirect(temporary.Handle, temporary.Uri))
            return new CachedSink(temporary.Handle, temporary.Uri, headLength);
        return NewDirectSink(temporary, headLength);
    }

    static DirectSink NewDirectSink(Temporary temporary, int headLength)
    {
        Errno.Check(Libc.Status(temporary.Handle, out var status), temporary.Uri, "look at the file");
        return new DirectSink(temporary.Handle, temporary.Uri, status.DirectAlignment, headLength);
    }

    static async ValueTask<Checksum> WriteCachedAsync(Temporary temporary, Payload payload, IProgress<long>? progress, CancellationToken cancel)
    {
        if (payload.Length < HashApartFrom)
        {
            var segments = new Checksum[payload.Body.Count];
            foreach (var block in payload.Blocks(WriteLength))
            {
                cancel.ThrowIfCancellationRequested();
                Write(temporary, block.Bytes.Span, block.Offset);
                segments[block.Segment] = segments[block.Segment].Append(block.Bytes.Span);
                progress?.Report(block.Bytes.Length);
            }
            return WriteHead(temporary, payload.Digest(segments), progress);
        }
        var digest = await WhileHashing(payload, stop =>
        {
            foreach (var block in payload.Blocks(WriteLength))
            {
                stop.ThrowIfCancellationRequested();
                Write(temporary, block.Bytes.Span, block.Offset);
                progress?.Report(block.Bytes.Length);
            }
            return ValueTask.CompletedTask;
        }, cancel).ConfigureAwait(false);
        return WriteHead(temporary, digest, progress);
    }

    static async ValueTask<Checksum> WriteDirectAsync(Temporary temporary, Payload payload, IProgress<long>? progress, CancellationToken cancel)
    {
        var sink = NewDirectSink(temporary, payload.HeadLength);
        await using (sink.ConfigureAwait(false))
        {
            var digest = await WhileHashing(payload, async stop =>
            {
                foreach (var block in payload.Blocks(AlignedBuffer.PooledLength))
                {
                    await sink.WriteAsync(block.Bytes, stop).ConfigureAwait(false);
                    progress?.Report(block.Bytes.Length);
                }
            }, cancel).ConfigureAwait(false);
            await sink.FinishAsync(digest.Head, cancel).ConfigureAwait(false);
            if (digest.Head.Length > 0)
                progress?.Report(digest.Head.Length);
            return digest.Checksum;
        }
    }

    /// <summary>Runs <paramref name="write"/> here while another thread hashes. A failed write stops the hashing, and both have ended on return: the memory is the caller's again.</summary>
    static async ValueTask<PayloadDigest> WhileHashing(Payload payload, Func<CancellationToken, ValueTask> write, CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var hashing = Task.Run(() => payload.Digest(stop.Token), CancellationToken.None);
        try
        {
            await write(cancel).ConfigureAwait(false);
        }
        catch
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await ((Task)hashing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
        return await hashing.ConfigureAwait(false);
    }

    static Checksum WriteHead(Temporary temporary, in PayloadDigest digest, IProgress<long>? progress)
    {
        if (digest.Head.Length > 0)
        {
            Write(temporary, digest.Head.Span, 0);
            progress?.Report(digest.Head.Length);
        }
        return digest.Checksum;
    }

    static void Write(Temporary temporary, ReadOnlySpan<byte> data, long offset) =>
        Errno.Check(Libc.Write(temporary.Handle, data, offset), temporary.Uri, "write");
}
