using S3dlio.Hashing;

namespace S3dlio.Storage.Local;

public sealed partial class LocalStore
{
    // Measured on ext4, 256 MiB into a new file, two cores with a load of about 2.4 from others, medians of 10 in turns. First run: write(2)
    // alone 137 ms, hashing each block before its write 164 to 166, hashing on another thread 132 to 148 (4 MiB to 256 KiB a write), that
    // with the room reserved first 100, two threads that hash and write 131. Two more runs of some: write(2) alone 125 and 108, another
    // thread 110 and 110, with the room reserved 99 and 89. Under more load the second thread gains less. At 1 and 4 MiB it costs more
    // than it saves, and reserving slows small files several times.

    /// <summary>Bytes from which a second thread that hashes pays for its start.</summary>
    const int HashApartFrom = 8 << 20;

    /// <summary>Bytes of one write to the page cache: while hashing beside it, and while hashing in turn.</summary>
    const int WriteLength = 1 << 20, FusedLength = 1 << 18;

    /// <summary>Bytes from which reserving the room pays: a full disk is known at once, and blocks come in long runs.</summary>
    const int ReserveFrom = 16 << 20;

    /// <summary>Bytes from which reading the directory for leftovers costs nothing beside the write; leftovers of this size are those that matter.</summary>
    const int SweepFrom = 64 << 20;

    string? _swept;

    public override async ValueTask<ObjectMeta> PutAsync(string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string path = _path.Object(key);
        string uri = Root.Child(key);
        var target = Target.Inspect(uri, path, options);
        if (payload.Length >= SweepFrom)
            SweepOnce(LocalPath.Parent(target.Path));
        using var temporary = new Temporary(target, IsDurable(options));
        bool direct = UseDirect(temporary.Handle, uri);
        // Not for a replacement through the page cache: blocks that are not yet reserved make ext4 write the data before it commits the
        // rename (auto_da_alloc), so that even without flushes a crash leaves the old object or the new one, not an empty file.
        if (payload.Length >= ReserveFrom && (direct || target.Existing is null))
            Reserve(temporary, payload.Length);
        var checksum = direct
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

    void SweepOnce(string directory)
    {
        if (Interlocked.Exchange(ref _swept, directory) != directory)
            Temporaries.Sweep(directory, Temporaries.Grace);
    }

    static void Reserve(Temporary temporary, long length)
    {
        // a file system that cannot reserve may still have the room
        if (Libc.Allocate(temporary.Handle, length) is var errno && errno is Errno.ENOSPC or Errno.EDQUOT or Errno.EFBIG)
            throw Errno.Error(errno, temporary.Uri, $"reserve {length} bytes");
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
            foreach (var block in payload.Blocks(FusedLength))
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
