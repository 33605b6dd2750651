using S3dlio.Compression;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>Writes a payload as one object, as it is or compressed.</summary>
static class PayloadOutput
{
    /// <param name="store">The store.</param>
    /// <param name="key">The object's key; <c>.zst</c> is appended where it is compressed, unless it ends so.</param>
    /// <param name="level">1 to 22; null for a compressed object where the key ends in <c>.zst</c>, else for a plain one.</param>
    /// <param name="payload">The data.</param>
    /// <param name="options">Options of the write.</param>
    /// <param name="progress">Receives the number of raw bytes.</param>
    /// <returns>The object as stored, and the CRC32C of the raw bytes.</returns>
    public static async ValueTask<(ObjectMeta Stored, Checksum Raw)> SaveAsync(
        ObjectStore store, string key, int? level, Payload payload, PutOptions options, ITransferProgress progress,
        CancellationToken cancel)
    {
        progress.Begin(payload.Length);
        if ((level ?? (CompressedName.IsOne(key) ? SeekableFormat.DefaultLevel : null)) is { } chosen)
        {
            var done = await CompressAsync(store, key, chosen, payload, options, progress, cancel).ConfigureAwait(false);
            return (done.Object, done.RawChecksum!.Value);
        }
        if (!options.Overwrite)
            await CompressedName.CheckUnusedAsync(store, key, cancel).ConfigureAwait(false);
        var meta = await store.PutAsync(key, payload, options, progress, cancel).ConfigureAwait(false);
        return (meta, meta.Checksum!.Value);
    }

    /// <summary>A stream is written from its begin, so a head that holds checksums of the body waits until all of it is hashed.</summary>
    public static async ValueTask<OutputSummary> CompressAsync(
        ObjectStore store, string key, int level, Payload payload, PutOptions options, ITransferProgress progress,
        CancellationToken cancel)
    {
        await ThreadSwitch.ToPoolAsync();
        var output = await ObjectOutput.OpenAsync(store, key, level, options, cancel).ConfigureAwait(false);
        await using (output.ConfigureAwait(false))
        {
            var body = payload.HeadNeedsChecksums ? await BodyAsync(payload, options.Background, cancel).ConfigureAwait(false) : default;
            await output.WriteAsync(LargeMemory.From(payload.BuildHead(body)), progress, cancel).ConfigureAwait(false);
            foreach (var segment in payload.Body)
                await output.WriteAsync(segment, progress, cancel).ConfigureAwait(false);
            return await output.CompleteAsync(cancel).ConfigureAwait(false);
        }
    }

    /// <summary>The checksum of each segment.</summary>
    static async ValueTask<ReadOnlyMemory<Checksum>> BodyAsync(Payload payload, bool background, CancellationToken cancel)
    {
        const int blockLength = 4 << 20;
        var blocks = payload.Blocks(blockLength).ToArray();
        var found = new Checksum[blocks.Length];
        await ParallelWork.ForAsync(blocks.Length, background ? 1 : Environment.ProcessorCount, (i, _) =>
        {
            found[i] = Checksum.Of(blocks[i].Bytes.Span);
            return ValueTask.CompletedTask;
        }, cancel).ConfigureAwait(false);
        var segments = new Checksum[payload.Body.Count];
        for (int i = 0; i < blocks.Length; i++)
            segments[blocks[i].Segment] = Checksum.Combine(segments[blocks[i].Segment], found[i], blocks[i].Bytes.Length);
        return segments;
    }
}
