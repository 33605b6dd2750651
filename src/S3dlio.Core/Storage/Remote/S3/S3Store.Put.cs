using S3dlio.Hashing;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

public sealed partial class S3Store
{
    /// <summary>
    /// Up to this many parts go as one PUT: a multipart upload takes two more round trips and pays only when parts run side by side.
    /// </summary>
    const int SinglePutParts = 2;

    public override async ValueTask<ObjectMeta> PutAsync(string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        ObjectKey.Check(Root, key);
        cancel.ThrowIfCancellationRequested();
        if (payload.Length > (long)SinglePutParts * _client.Options.Http.PartSize)
            return await PutPartsAsync(key, payload, options, progress, cancel).ConfigureAwait(false);
        var (digest, blocks) = payload.DigestBlocks(cancel);
        var pieces = new PayloadPieces(payload, digest.Head, 0, payload.Length);
        return await PutWholeAsync(key, pieces, digest.Checksum, blocks, options, progress, cancel).ConfigureAwait(false);
    }

    /// <summary>One PUT.</summary>
    internal async ValueTask<ObjectMeta> PutWholeAsync(
        string key, PayloadPieces pieces, Checksum checksum, BlockChecksums? blocks, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        var can = _client.Capabilities;
        bool native = can.SendsWithPut;
        string? hash = _client.SignsPayload && pieces.Length > 0 ? pieces.Hash(sign: true, cancel).Sha256 : null;
        var request = Request(HttpMethod.Put, key, new HttpBody(pieces.Pieces, progress), hash);
        S3Meta.Write(request, options);
        S3Meta.WriteCondition(request, options, can);
        if (native)
            request.Say(S3Meta.ChecksumHeader, checksum.ToBase64()).Say("x-amz-sdk-checksum-algorithm", "CRC32C");
        if (can.NotesWithPut)
            request.Say(S3Meta.ChecksumName, checksum.ToString());
        if (can.NotesBlocks)
            S3Meta.WriteBlocks(request, options, blocks);
        var written = new Written(key, pieces.Length, checksum);
        var meta = await ConditionalAsync(written, options, (_, stop) => AttemptPutAsync(request, native, stop), cancel).ConfigureAwait(false);
        return Stored(key, pieces.Length, checksum, options, meta);
    }

    async ValueTask<(string? ETag, Checksum? Checksum)> AttemptPutAsync(S3Request request, bool native, CancellationToken cancel)
    {
        using var place = await _client.InFlight.EnterAsync(1, 0, cancel).ConfigureAwait(false);
        using var answer = await _client.AttemptAsync(request, cancel).ConfigureAwait(false);
        if (native)
            _client.Capabilities.SawPut(answer.Header(S3Meta.ChecksumHeader) is not null);
        await answer.DrainAsync(cancel).ConfigureAwait(false);
        string? tag = ETags.Bare(answer.Header("ETag"));
        return (tag, S3Meta.Native(answer.Header(S3Meta.ChecksumHeader), answer.Header("x-amz-checksum-type"), tag));
    }

    /// <summary>
    /// Runs what makes an object appear. Where an answer was lost, the object itself tells whether the work was done: a condition that
    /// then fails, or an upload that is gone, may be our own success.
    /// </summary>
    async ValueTask<(string? ETag, Checksum? Checksum)> ConditionalAsync(
        Written written, PutOptions options, Func<Attempts, CancellationToken, ValueTask<(string? ETag, Checksum? Checksum)>> attempt, CancellationToken cancel)
    {
        bool unknown = false;
        try
        {
            return await _client.Retry.RunAsync(Root.Child(written.Key), async (attempts, stop) =>
            {
                unknown = attempts.OutcomeUnknown;
                try
                {
                    return await attempt(attempts, stop).ConfigureAwait(false);
                }
                catch (HttpFailure failure)
                {
                    unknown |= failure.OutcomeUnknown;
                    throw;
                }
            }, cancel).ConfigureAwait(false);
        }
        catch (StoreException error)
        {
            if (unknown && await FindWrittenAsync(written, cancel).ConfigureAwait(false) is { } found)
                return (found.ETag, found.Checksum);
            throw await RefusedAsync(written.Key, options, error, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>The object, if it is the one that we were writing.</summary>
    async ValueTask<ObjectMeta?> FindWrittenAsync(Written written, CancellationToken cancel)
    {
        try
        {
            var found = await HeadOrNullAsync(written.Key, cancel).ConfigureAwait(false);
            if (found is null || found.Size != written.Size)
                return null;
            // without a checksum or an ETag of our own making an equal size proves nothing
            if (found.Checksum is { } checksum)
                return checksum == written.Checksum ? found : null;
            return written.ETag is not null && found.ETag == written.ETag ? found : null;
        }
        catch (StoreException)
        {
            return null;
        }
    }

    /// <summary>A condition that failed, in the words of what the caller asked.</summary>
    async ValueTask<StoreException> RefusedAsync(string key, PutOptions options, StoreException error, CancellationToken cancel)
    {
        string uri = Root.Child(key);
        if (error.Kind != ErrorKind.Precondition)
            return error;
        if (options.IfMatch is null)
            return options.Overwrite ? error : new StoreException(ErrorKind.AlreadyExists, uri, "the object exists and overwrite is off", cause: error);
        try
        {
            // some servers do not tell an object that changed from one that is not there
            return await HeadOrNullAsync(key, cancel).ConfigureAwait(false) is { } found
                ? new StoreException(ErrorKind.Precondition, uri, $"expected ETag {options.IfMatch}, found {found.ETag}: the object was written since", cause: error)
                : new StoreException(ErrorKind.NotFound, uri, "no such object", cause: error);
        }
        catch (StoreException)
        {
            return error;
        }
    }

    ObjectMeta Stored(string key, long size, Checksum checksum, PutOptions options, (string? ETag, Checksum? Checksum) answer)
    {
        if (answer.Checksum is { } found && found != checksum)
            throw new StoreException(ErrorKind.ChecksumMismatch, Root.Child(key), $"checksum mismatch over {size} bytes: {checksum} was sent, the server has {found}");
        return new ObjectMeta
        {
            Key = key,
            Size = size,
            LastModified = DateTimeOffset.UtcNow,
            ETag = answer.ETag,
            Checksum = checksum,
            ContentType = options.ContentType,
            Metadata = options.Metadata ?? ObjectMeta.NoMetadata,
            Attributes = options.Attributes ?? ObjectMeta.NoMetadata,
        };
    }

    /// <summary>What an object looks like if it is the one that we wrote.</summary>
    readonly record struct Written(string Key, long Size, Checksum? Checksum, string? ETag = null);
}
