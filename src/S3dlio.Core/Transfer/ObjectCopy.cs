using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>Copies between any two stores: inside one where it can, through a bounded buffer and checked otherwise.</summary>
public static class ObjectCopy
{
    const int BufferLength = 8 << 20;

    public static async ValueTask<ObjectMeta> CopyAsync(
        ObjectStore from, string source, ObjectStore to, string destination, PutOptions options, ITransferProgress progress, CancellationToken cancel)
    {
        if (SameStore(from, to))
            return await to.CopyAsync(source, destination, options, cancel).ConfigureAwait(false);
        var reader = await from.OpenReadAsync(source, ReadOptions.Default, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            var meta = reader.Meta;
            progress.Begin(meta.Size);
            var writer = await to.OpenWriteAsync(destination, options with
            {
                ContentType = options.ContentType ?? meta.ContentType,
                Metadata = options.Metadata ?? meta.Metadata,
            }, cancel).ConfigureAwait(false);
            await using (writer.ConfigureAwait(false))
            {
                var buffer = GC.AllocateUninitializedArray<byte>((int)Math.Min(BufferLength, Math.Max(1, meta.Size)));
                var found = Checksum.Empty;
                for (long at = 0; at < meta.Size;)
                {
                    int length = (int)Math.Min(buffer.Length, meta.Size - at);
                    await reader.ReadAsync(at, buffer.AsMemory(0, length), cancel).ConfigureAwait(false);
                    found = found.Append(buffer.AsSpan(0, length));
                    await writer.WriteAsync(buffer.AsMemory(0, length), cancel).ConfigureAwait(false);
                    at += length;
                    progress.Report(length);
                }
                // before the destination appears: a damaged source must not become a well-recorded copy
                new Validation(null).Check(meta, from.Root.Child(source), found);
                return await writer.CompleteAsync(cancel).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Moves an object; between stores it is copied, then deleted, so that a crash leaves two and never none.</summary>
    public static async ValueTask<ObjectMeta> RenameAsync(
        ObjectStore from, string source, ObjectStore to, string destination, PutOptions options, ITransferProgress progress, CancellationToken cancel)
    {
        if (SameStore(from, to))
            return await to.RenameAsync(source, destination, options, cancel).ConfigureAwait(false);
        var meta = await CopyAsync(from, source, to, destination, options, progress, cancel).ConfigureAwait(false);
        foreach (var failure in await from.DeleteAsync([source], cancel).ConfigureAwait(false))
            throw failure.Error;
        return meta;
    }

    static bool SameStore(ObjectStore from, ObjectStore to) =>
        from == to || (from.Root == to.Root && from.GetType() == to.GetType());
}
