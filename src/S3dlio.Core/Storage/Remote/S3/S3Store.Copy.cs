using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

sealed partial class S3Store
{
    /// <summary>The largest object that one copy request takes: S3's limit. Tests lower it.</summary>
    internal long MostCopied { get; init; } = 5L << 30;

    /// <summary>Bytes of one part of a larger copy; the server moves them, so they may be large.</summary>
    internal long CopyPart { get; init; } = 512L << 20;

    /// <remarks>
    /// The server copies. A copy with a condition on its destination is made of parts, since completing an upload is atomic under a
    /// condition everywhere and a plain copy is not.
    /// </remarks>
    protected override async ValueTask<ObjectMeta> CopySeenAsync(
        ObjectMeta origin, string destination, PutOptions options, CancellationToken cancel)
    {
        ObjectKey.Check(Root, destination);
        bool conditional = !options.Overwrite || options.IfMatch is not null;
        if (origin.Key == destination && conditional && options.IfMatch is null)
            throw StoreException.Exists(Root.Child(destination));
        // Ceph takes new tags only together with a new description
        bool described = options.Describes;
        var full = options with
        {
            ContentType = options.ContentType ?? origin.ContentType,
            Metadata = options.Metadata ?? origin.Metadata,
            Attributes = ObjectAttributes.Copied(origin, options, WritableAttributes),
        };
        bool whole = !conditional && origin.Size <= MostCopied;
        if (options.Tags is null && (!whole || (described && !_client.Endpoint.IsAmazon)))
            full = full with { Tags = await TagsToCopyAsync(origin, cancel).ConfigureAwait(false) };
        if (origin.Size == 0 && conditional)
            return await PutWholeAsync(
                destination, new PayloadPart(default), Checksum.Empty, null, full, null, cancel).ConfigureAwait(false);
        return whole
            ? await CopyWholeAsync(origin, destination, described, full, cancel).ConfigureAwait(false)
            : await CopyPartsAsync(origin, destination, full, cancel).ConfigureAwait(false);
    }

    async ValueTask<ObjectMeta> CopyWholeAsync(
        ObjectMeta origin, string destination, bool described, PutOptions full, CancellationToken cancel)
    {
        // the copy is one piece, and the server has no checksum of it
        bool isOfParts = S3Meta.IsOfParts(origin.ETag);
        bool asks = isOfParts ? _client.Capabilities.SendsWithPut : _client.Capabilities.AsksCopies;
        var request = Request(HttpMethod.Put, destination, patience: ServerWork);
        WriteSource(request, origin);
        if (described)
        {
            request.WithHeader("x-amz-metadata-directive", "REPLACE");
            S3Meta.Write(request, full);
            request.WithHeader("x-amz-tagging-directive", full.Tags is null ? null : "REPLACE");
            // replacing the metadata loses the checksum that some servers keep with it
            if (origin.Checksum is { } noted && _client.Options.Checksum != ChecksumMode.Off)
                request.WithHeader(S3Meta.ChecksumName, noted.ToString());
            if (_client.Capabilities.NotesBlocks)
                S3Meta.WriteBlocks(request, full, origin.Blocks);
        }
        if (asks)
            request.WithHeader("x-amz-checksum-algorithm", "CRC32C");
        var found = await MakeAsync(destination, full, stop => _client.OnceAsync(request, async (answer, end) =>
        {
            var result = await _client.ReadResultAsync(answer, request, end).ConfigureAwait(false);
            return new Written(ETags.Bare(result.ETag), result.Whole);
        }, stop), there => IsWritten(there.Meta, origin.Size, origin.Checksum, origin.ETag), cancel).ConfigureAwait(false);
        if (asks && !isOfParts && origin.Checksum is { } expected && found.Checksum is { } made && made != expected)
        {
            // what this server computes itself is no CRC32C; of an object that was put in one piece it copies the value that it was given
            _client.Capabilities.SawWrongCopy();
            return await CopyWholeAsync(origin, destination, described, full, cancel).ConfigureAwait(false);
        }
        return Stored(destination, origin.Size, origin.Checksum ?? found.Checksum, full, found);
    }

    async ValueTask<ObjectMeta> CopyPartsAsync(ObjectMeta origin, string destination, PutOptions full, CancellationToken cancel)
    {
        await RefuseEarlyAsync(destination, full, cancel).ConfigureAwait(false);
        var upload = await BeginAsync(destination, full, origin.Checksum, origin.Blocks, isCopy: true, cancel).ConfigureAwait(false);
        try
        {
            long length = Math.Max(CopyPart, (origin.Size + S3Upload.MostParts - 1) / S3Upload.MostParts);
            // up to the limit of a single copy one part is enough, and it keeps the ETag's form simple
            if (origin.Size <= MostCopied)
                length = origin.Size;
            int count = (int)((origin.Size + length - 1) / length);
            // a part that the server works on is waited for when another fails, rather than dropped: dropped, it could come after the abort
            await ParallelWork.ForAsync(count, PutConcurrency, (i, _) =>
            {
                long begin = i * length;
                return upload.CopyAsync(i + 1, origin, begin, Math.Min(length, origin.Size - begin), cancel);
            }, cancel, WorkerThreads.Pool).ConfigureAwait(false);
            if (upload.Whole is { } whole && origin.Checksum is { } expected && whole != expected)
                throw StoreException.ChecksumMismatch(Root.Child(origin.Key),
                    $"checksum mismatch over {origin.Size} bytes: {expected} recorded when it was written, {whole} found by the server "
                    + "while copying");
            await CheckUnchangedAsync(origin, cancel).ConfigureAwait(false);
            var found = await upload.AssembleAsync(full, origin.Checksum, cancel).ConfigureAwait(false);
            return Stored(destination, origin.Size, found.Checksum ?? origin.Checksum, full, found);
        }
        catch
        {
            await upload.AbortAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ceph ignores the condition of a part copy, so only this comparison finds parts of two versions.</summary>
    async ValueTask CheckUnchangedAsync(ObjectMeta origin, CancellationToken cancel)
    {
        if (_client.Endpoint.IsAmazon)
            return;
        var now = await HeadAsync(origin.Key, cancel).ConfigureAwait(false);
        if (now.ETag != origin.ETag || now.Size != origin.Size)
            throw StoreException.Precondition(Root.Child(origin.Key),
                $"the object was written while it was copied: its ETag was {origin.ETag}, now it is {now.ETag}; copy it again");
    }

    /// <summary>Names what is copied, and the version that was seen of it.</summary>
    void WriteSource(RemoteRequest request, ObjectMeta origin) => request
        .WithHeader("x-amz-copy-source", $"/{PercentEncoding.Value(Container)}/{PercentEncoding.Path(origin.Key)}")
        .WithHeader("x-amz-copy-source-if-match", origin.ETag is { } tag ? ETags.Quoted(tag) : null);
}
