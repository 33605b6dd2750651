using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>Copies between any two stores: inside one where it can, through a bounded buffer and checked otherwise.</summary>
public static class ObjectCopy
{
    /// <summary>Bytes of one window; there are two, so that one is written while the next is read.</summary>
    const int WindowLength = 16 << 20;

    public static async ValueTask<ObjectMeta> CopyAsync(
        ObjectStore from, string source, ObjectStore to, string destination, PutOptions options, ITransferProgress progress,
        CancellationToken cancel)
    {
        if (await from.IsSameObjectAsync(source, to, destination, moves: false, cancel).ConfigureAwait(false))
            return await to.OntoItselfAsync(destination, options, cancel).ConfigureAwait(false);
        if (to.IsSameAs(from))
            return await to.CopyAsync(source, destination, options, cancel).ConfigureAwait(false);
        var (meta, _) = await PumpAsync(from, source, to, destination, options, moves: false, progress, cancel).ConfigureAwait(false);
        return meta;
    }

    /// <summary>Copies through a buffer here.</summary>
    /// <returns>What was written, and where it moves what is to be deleted.</returns>
    static async ValueTask<(ObjectMeta Copied, Move? Move)> PumpAsync(
        ObjectStore from, string source, ObjectStore to, string destination, PutOptions options, bool moves, ITransferProgress progress,
        CancellationToken cancel)
    {
        var reader = await from.OpenReadAsync(source, ReadOptions.Default, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            var meta = reader.Meta;
            var move = moves ? new Move(from, meta, to, destination) : null;
            if (move is not null)
                await move.BeginAsync(cancel).ConfigureAwait(false);
            progress.Begin(meta.Size);
            var writer = await to.OpenWriteAsync(destination, options with
            {
                ContentType = options.ContentType ?? meta.ContentType,
                Metadata = options.Metadata ?? meta.Metadata,
                Attributes = ObjectAttributes.Copied(meta, options, to.WritableAttributes),
                Permissions = meta.Permissions,
            }, cancel).ConfigureAwait(false);
            await using (writer.ConfigureAwait(false))
            {
                var verification = ReadVerification.OfRecorded(reader, from.Root.Child(source));
                var found = await PumpAsync(reader, writer, verification, progress, cancel).ConfigureAwait(false);
                // before the destination appears: a damaged source must not become a well-recorded copy
                await verification.CompleteAsync(0, meta.Size, found, cancel).ConfigureAwait(false);
                return (await writer.CompleteAsync(cancel).ConfigureAwait(false), move);
            }
        }
    }

    /// <summary>Reads windows, each in parallel parts, while the one before is written.</summary>
    /// <returns>The CRC32C of what went through.</returns>
    static async ValueTask<Checksum> PumpAsync(
        ObjectReader reader, ObjectWriter writer, ReadVerification verification, ITransferProgress progress, CancellationToken cancel)
    {
        long size = reader.Meta.Size;
        int window = (int)Math.Min(WindowLength, Math.Max(1, size));
        var buffers = new byte[size > window ? 2 : 1][];
        for (int i = 0; i < buffers.Length; i++)
            buffers[i] = GC.AllocateUninitializedArray<byte>(window);
        Memory<byte> Window(long at) => buffers[(int)(at / window % buffers.Length)].AsMemory(0, (int)Math.Min(window, size - at));
        Task<Checksum> Read(long at) => Task.Run(
            () => ParallelRead.ReadAsync(reader, at, LargeMemory.From(Window(at)), verification, null, cancel).AsTask(),
            CancellationToken.None);

        var found = Checksum.Empty;
        if (size == 0)
            return found;
        var reading = Read(0);
        try
        {
            for (long at = 0; at < size; at += window)
            {
                var bytes = Window(at);
                found = Checksum.Combine(found, await reading.ConfigureAwait(false), bytes.Length);
                if (at + window < size)
                    reading = Read(at + window);
                await writer.WriteAsync(bytes, cancel).ConfigureAwait(false);
                progress.Report(bytes.Length);
            }
        }
        finally
        {
            // the reader is disposed next: nothing may still be reading
            await ((Task)reading).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        return found;
    }

    /// <summary>Moves an object; between stores it is copied, then deleted, so that a crash leaves two and never none.</summary>
    public static async ValueTask<ObjectMeta> RenameAsync(
        ObjectStore from, string source, ObjectStore to, string destination, PutOptions options, ITransferProgress progress,
        CancellationToken cancel)
    {
        if (await from.IsSameObjectAsync(source, to, destination, moves: true, cancel).ConfigureAwait(false))
            return await to.OntoItselfAsync(destination, options, cancel).ConfigureAwait(false);
        if (to.IsSameAs(from))
            return await to.RenameAsync(source, destination, options, cancel).ConfigureAwait(false);
        var (copied, move) = await PumpAsync(from, source, to, destination, options, moves: true, progress, cancel).ConfigureAwait(false);
        return await move!.EndAsync(copied, cancel).ConfigureAwait(false);
    }
}
