using S3dlio.Hashing;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

public sealed partial class S3Store
{
    /// <summary>The largest object that one copy request takes: S3's limit. Tests lower it.</summary>
    internal long MostCopied { get; init; } = 5L << 30;

    /// <summary>Bytes of one part of a larger copy; the server moves them, so they may be large.</summary>
    internal long CopyPart { get; init; } = 512L << 20;

    static readonly TimeSpan CopyPatience = TimeSpan.FromMinutes(10);

    /// <remarks>
    /// The server copies. A copy with a condition on its destination is made of parts, since completing an upload is atomic under a condition
    /// everywhere and a plain copy is not.
    /// </remarks>
    public override async ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel)
    {
        ObjectKey.Check(Root, source);
        ObjectKey.Check(Root, destination);
        if (source == destination && !options.Describes)
            return await OntoItselfAsync(destination, options, cancel).ConfigureAwait(false);
        return await CopySeenAsync(await FindAsync(source, cancel).ConfigureAwait(false), destination, options, cancel).ConfigureAwait(false);
    }

    protected override async ValueTask<ObjectMeta> CopySeenAsync(ObjectMeta origin, string destination, PutOptions options, CancellationToken cancel)
    {
        ObjectKey.Check(Root, destination);
        bool conditional = !options.Overwrite || options.IfMatch is not null;
        if (origin.Key == destination && conditional && options.IfMatch is null)
            throw new StoreException(ErrorKind.AlreadyExists, Root.Child(destination), "the object exists and overwrite is off");
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
            return await PutWholeAsync(destination, new PayloadPieces(default), Checksum.Empty, null, full, null, cancel).ConfigureAwait(false);
        return whole
            ? await CopyWholeAsync(origin, destination, described, full, cancel).ConfigureAwait(false)
            : await CopyPartsAsync(origin, destination, full, cancel).ConfigureAwait(false);
    }

    async ValueTask<ObjectMeta> CopyWholeAsync(ObjectMeta origin, string destination, bool described, PutOptions full, CancellationToken cancel)
    {
        // in its copy it is one piece, whose checksum nobody has told the server
        bool isOfParts = S3Meta.IsOfParts(origin.ETag);
        bool asks = isOfParts ? _client.Capabilities.SendsWithPut : _client.Capabilities.AsksCopies;
        var request = Request(HttpMethod.Put, destination, patience: CopyPatience)
            .Say("x-amz-copy-source", CopySource(origin.Key))
            .Say("x-amz-copy-source-if-match", origin.ETag is { } tag ? ETags.Quoted(tag) : null);
        if (described)
        {
            request.Say("x-amz-metadata-directive", "REPLACE");
            S3Meta.Write(request, full);
            request.Say("x-amz-tagging-directive", full.Tags is null ? null : "REPLACE");
            // replacing the metadata loses the checksum that some servers keep with it
            if (origin.Checksum is { } noted && _client.Options.Checksum != ChecksumMode.Off)
                request.Say(S3Meta.ChecksumName, noted.ToString());
            if (_client.Capabilities.NotesBlocks)
                S3Meta.WriteBlocks(request, full, origin.Blocks);
        }
        if (asks)
            request.Say("x-amz-checksum-algorithm", "CRC32C");
        var written = new Written(destination, origin.Size, origin.Checksum, origin.ETag);
        var found = await ConditionalAsync(written, full, (_, stop) => AttemptCopyAsync(request, stop), cancel).ConfigureAwait(false);
        if (asks && !isOfParts && origin.Checksum is { } expected && found.Checksum is { } made && made != expected)
        {
            // what this server computes itself is no CRC32C; of an object that was put in one piece it copies the value that it was given
            _client.Capabilities.SawWrongCopy();
            return await CopyWholeAsync(origin, destination, described, full, cancel).ConfigureAwait(false);
        }
        return origin with
        {
            Key = destination,
            LastModified = DateTimeOffset.UtcNow,
            ETag = found.ETag,
            Checksum = origin.Checksum ?? found.Checksum,
            ContentType = full.ContentType,
            Metadata = full.Metadata ?? ObjectMeta.NoMetadata,
            Attributes = full.Attributes ?? ObjectMeta.NoMetadata,
        };
    }

    async ValueTask<(string? ETag, Checksum? Checksum)> AttemptCopyAsync(S3Request request, CancellationToken cancel)
    {
        using var place = await _client.InFlight.EnterAsync(1, 0, cancel).ConfigureAwait(false);
        using var answer = await _client.AttemptAsync(request, cancel).ConfigureAwait(false);
        var text = await S3Upload.ReadResultAsync(_client, answer, request, cancel).ConfigureAwait(false);
        var result = S3Result.Parse(text, request.Subject);
        return (ETags.Bare(result.ETag), result.Whole);
    }

    async ValueTask<ObjectMeta> CopyPartsAsync(ObjectMeta origin, string destination, PutOptions full, CancellationToken cancel)
    {
        if (!full.Overwrite && full.IfMatch is null && await HeadOrNullAsync(destination, cancel).ConfigureAwait(false) is not null)
            throw new StoreException(ErrorKind.AlreadyExists, Root.Child(destination), "the object exists and overwrite is off");
        var upload = await S3Upload.BeginAsync(_client, _bucket, destination, Root.Child(destination), full, origin.Checksum, origin.Blocks, true, cancel).ConfigureAwait(false);
        try
        {
            long length = Math.Max(CopyPart, (origin.Size + S3Upload.MostParts - 1) / S3Upload.MostParts);
            // up to the limit of a single copy one part is enough, and it keeps the ETag's form simple
            if (origin.Size <= MostCopied)
                length = origin.Size;
            int count = (int)((origin.Size + length - 1) / length);
            // a part that the server works on is waited for when another fails, rather than dropped: dropped, it could come after the abort
            await Crew.RunAsync(count, PutConcurrency, (i, _) =>
            {
                long begin = i * length;
                return upload.CopyAsync(i + 1, CopySource(origin.Key), origin.ETag, begin, Math.Min(length, origin.Size - begin), cancel).AsTask();
            }, cancel).ConfigureAwait(false);
            if (upload.Whole is { } whole && origin.Checksum is { } expected && whole != expected)
                throw new StoreException(ErrorKind.ChecksumMismatch, Root.Child(origin.Key), $"checksum mismatch over {origin.Size} bytes: {expected} recorded when it was written, {whole} found by the server while copying");
            await CheckUnchangedAsync(origin, cancel).ConfigureAwait(false);
            return await CompleteCopyAsync(upload, origin, destination, full, cancel).ConfigureAwait(false);
        }
        catch
        {
            await upload.AbortAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Ceph copies parts whatever their condition says, so nobody else would notice that they are of two versions.</summary>
    async ValueTask CheckUnchangedAsync(ObjectMeta origin, CancellationToken cancel)
    {
        if (_client.Endpoint.IsAmazon)
            return;
        var now = await FindAsync(origin.Key, cancel).ConfigureAwait(false);
        if (now.ETag != origin.ETag || now.Size != origin.Size)
            throw new StoreException(ErrorKind.Precondition, Root.Child(origin.Key), $"the object was written while it was copied: its ETag was {origin.ETag}, now it is {now.ETag}; copy it again");
    }

    async ValueTask<ObjectMeta> CompleteCopyAsync(S3Upload upload, ObjectMeta origin, string destination, PutOptions full, CancellationToken cancel)
    {
        var found = await AssembleAsync(upload, new Written(destination, origin.Size, origin.Checksum, upload.ExpectedTag), full, cancel).ConfigureAwait(false);
        return origin with
        {
            Key = destination,
            LastModified = DateTimeOffset.UtcNow,
            ETag = found.ETag,
            Checksum = found.Checksum ?? origin.Checksum,
            ContentType = full.ContentType,
            Metadata = full.Metadata ?? ObjectMeta.NoMetadata,
            Attributes = full.Attributes ?? ObjectMeta.NoMetadata,
        };
    }

    string CopySource(string key) => $"/{PercentEncoding.Value(_bucket)}/{PercentEncoding.Path(key)}";
}
