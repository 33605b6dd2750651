using S3dlio.Hashing;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

public sealed partial class LocalStore
{
    /// <summary>
    /// Bytes from which reserving the room pays: a full disk is known at once, blocks come in long runs, and writes cost a third less.
    /// </summary>
    const int ReserveFrom = 16 << 20;

    /// <summary>Bytes of a durable object after which the device is started on them, so that it works while the rest is copied.</summary>
    const int StartLength = 8 << 20;

    /// <summary>
    /// Bytes of a durable object written behind a program after which the device is waited for. With more under way its queue fills, and
    /// the kernel empties it on whatever core there is, the program's too: that took 4 to 7% of its time, and takes 2 so.
    /// </summary>
    const int PaceLength = 4 << 20;

    /// <summary>
    /// Bytes from which reading the directory for leftovers costs nothing beside the write; leftovers of this size are those that matter.
    /// </summary>
    const int SweepFrom = 64 << 20;

    string? _swept;

    public override ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel) =>
        // O_DIRECT's buffers are filled and emptied by the pool, and its waits are the device's anyway
        options.Background && !_direct
            ? new(Task.Run(() => BatchPriority.Do(() => WriteAsync(key, payload, options, progress, cancel)), CancellationToken.None))
            : WriteAsync(key, payload, options, progress, cancel);

    async ValueTask<ObjectMeta> WriteAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string path = _path.Object(key);
        string uri = Root.Child(key);
        _near.Learn(key);
        var target = WriteTarget.Inspect(uri, path, options);
        if (payload.Length >= SweepFrom)
            SweepOnce(LocalPath.Parent(target.Path));
        using var temporary = new TemporaryFile(target, IsDurable(options), cancel);
        bool direct = UseDirect(temporary.Handle, uri);
        // Reserved blocks also spare a replacement ext4's flush at the rename (auto_da_alloc), which makes it four times as slow. What that
        // flush is for, an old-or-new object after a power failure, is what durable asks for.
        if (payload.Length >= ReserveFrom)
            Reserve(temporary, payload.Length);
        var checksum = direct
            ? await WriteDirectAsync(temporary, payload, progress, cancel).ConfigureAwait(false)
            : await WriteCachedAsync(temporary, payload, !options.Background, progress, cancel).ConfigureAwait(false);
        cancel.ThrowIfCancellationRequested();
        return await temporary.CommitAsync(
            key, FileAttributeRecord.Of(checksum, payload.Length, options), options, LockPatience, cancel).ConfigureAwait(false);
    }

    public override ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string path = _path.Object(key);
        string uri = Root.Child(key);
        var temporary = new TemporaryFile(WriteTarget.Inspect(uri, path, options), IsDurable(options), cancel);
        try
        {
            return ValueTask.FromResult<ObjectWriter>(
                new LocalWriter(key, options, temporary, OpenSink(temporary, headLength: 0), LockPatience));
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
            TemporaryFiles.Sweep(directory, TemporaryFiles.Grace);
    }

    static void Reserve(TemporaryFile temporary, long length)
    {
        // a file system that cannot reserve may still have the room
        if (Interop.Reserve(temporary.Handle, length) is var errno && errno is Errno.ENOSPC or Errno.EDQUOT or Errno.EFBIG)
            throw LocalError.Error(errno, temporary.Uri, $"reserve {length} bytes");
    }

    FileSink OpenSink(TemporaryFile temporary, int headLength)
    {
        if (!UseDirect(temporary.Handle, temporary.Uri))
            return new CachedSink(temporary.Handle, temporary.Uri, headLength);
        return NewDirectSink(temporary, headLength);
    }

    static DirectSink NewDirectSink(TemporaryFile temporary, int headLength)
    {
        LocalError.Check(Interop.Status(temporary.Handle, out var status), temporary.Uri, "look at the file");
        return new DirectSink(temporary.Handle, temporary.Uri, status.DirectAlignment, headLength);
    }

    static async ValueTask<Checksum> WriteCachedAsync(
        TemporaryFile temporary, Payload payload, bool helped, IProgress<long>? progress, CancellationToken cancel)
    {
        long started = 0;
        var digest = await new HashedBlocks(payload, helped).WriteAsync(block =>
        {
            Write(temporary, block.Bytes.Span, block.Offset);
            progress?.Report(block.Bytes.Length);
            long end = block.Offset + block.Bytes.Length;
            if (!temporary.IsDurable || end - started < (helped ? StartLength : PaceLength))
                return;
            if (helped)
                // what goes wrong here is reported by the flush
                _ = Interop.StartWrite(temporary.Handle, started, end - started);
            else
                // an error that this reports is not reported again
                LocalError.Check(Interop.FinishWrite(temporary.Handle, started, end - started), temporary.Uri, "write to the device");
            started = end;
        }, cancel).ConfigureAwait(false);
        if (digest.Head.Length > 0)
        {
            Write(temporary, digest.Head.Span, 0);
            progress?.Report(digest.Head.Length);
        }
        return digest.Checksum;
    }

    static async ValueTask<Checksum> WriteDirectAsync(
        TemporaryFile temporary, Payload payload, IProgress<long>? progress, CancellationToken cancel)
    {
        // writes that make a file longer lock it, so that one waits for the other
        if (payload.Length >= ReserveFrom)
            LocalError.Check(Interop.SetLength(temporary.Handle, payload.Length), temporary.Uri, "set the file's length");
        var sink = NewDirectSink(temporary, payload.HeadLength);
        await using (sink.ConfigureAwait(false))
        {
            var digest = await WhileHashing(payload, async stop =>
            {
                foreach (var block in payload.Blocks(AlignedBuffer.BlockLength))
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

    /// <summary>
    /// Runs <paramref name="write"/> here while another thread hashes. A failed write stops the hashing, and both have ended on return: the
    /// memory is the caller's again.
    /// </summary>
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

    static void Write(TemporaryFile temporary, ReadOnlySpan<byte> data, long offset) =>
        LocalError.Check(Interop.Write(temporary.Handle, data, offset), temporary.Uri, "write");
}
