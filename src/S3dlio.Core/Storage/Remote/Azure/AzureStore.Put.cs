using S3dlio.Hashing;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.Azure;

public sealed partial class AzureStore
{
    /// <summary>Up to this many parts go as one request: staged blocks take a round trip more and pay only when they run side by side.</summary>
    const int SinglePutParts = 2;

    /// <summary>Blocks of one put in flight: each holds a connection and a core's worth of hashing.</summary>
    const int BlocksAtOnce = 8;

    /// <summary>How often a put begins anew when others finish first and the service drops its blocks.</summary>
    const int MostRestarts = 5;

    public override async ValueTask<ObjectMeta> PutAsync(string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        AzureKey.Check(Root, key);
        if (payload.Length > (long)SinglePutParts * _client.Options.Http.PartSize)
            return await PutBlocksAsync(key, payload, options, progress, cancel).ConfigureAwait(false);
        var (digest, blocks) = payload.DigestBlocks(cancel);
        var pieces = new List<ReadOnlyMemory<byte>>();
        if (digest.Head.Length > 0)
            pieces.Add(digest.Head);
        pieces.AddRange(payload.Blocks(1 << 30).Select(block => block.Bytes));
        return await PutWholeAsync(key, pieces, digest.Checksum, blocks, options, progress, cancel).ConfigureAwait(false);
    }

    /// <summary>One Put Blob.</summary>
    async ValueTask<ObjectMeta> PutWholeAsync(
        string key, IReadOnlyList<ReadOnlyMemory<byte>> pieces, Checksum checksum, BlockChecksums? blocks, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        var body = new HttpBody(pieces, progress);
        var request = Request(HttpMethod.Put, key, body).Say("x-ms-blob-type", "BlockBlob");
        if (BodyHash.Of(pieces, _client.Check, cancel).Header is var (name, value))
            request.Say(name, value);
        return await WriteAsync(key, request, body.Length, checksum, blocks, Guid.NewGuid().ToString("n"), options, cancel).ConfigureAwait(false);
    }

    async ValueTask<ObjectMeta> PutBlocksAsync(string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        if (!options.Overwrite || options.IfMatch is not null)
            // the conditions are checked again when they count; here they save the upload
            CheckConditions(key, options, (await FindOrNullAsync(key, cancel).ConfigureAwait(false))?.Meta);
        var plan = new BlockPlan(payload, BlockLength(key, payload.Length));
        for (int restarts = 0; ; restarts++)
        {
            var sent = new Sent(progress);
            try
            {
                return await PutBlocksAsync(key, payload, plan, options, sent, cancel).ConfigureAwait(false);
            }
            catch (LostBlocksException lost)
            {
                sent.TakeBack();
                if (restarts == MostRestarts)
                    throw lost.Error;
            }
        }
    }

    async ValueTask<ObjectMeta> PutBlocksAsync(string key, Payload payload, BlockPlan plan, PutOptions options, Sent sent, CancellationToken cancel)
    {
        var upload = new BlockUpload(this, key);
        var check = _client.Check;
        await Crew.RunAsync(plan.Count, Math.Min(BlocksAtOnce, _client.InFlight.Requests), async (i, stop) =>
        {
            var pieces = plan.Pieces(i);
            var hash = BodyHash.Of(pieces, check, stop);
            plan.Note(i, hash.Pieces);
            await upload.StageAsync(i + 1, pieces, hash, sent, stop).ConfigureAwait(false);
        }, cancel).ConfigureAwait(false);
        // the head knows the body's checksums, so it goes last and stands first
        var digest = plan.Digest();
        var order = Enumerable.Range(1, plan.Count);
        if (digest.Head.Length > 0)
        {
            ReadOnlyMemory<byte>[] head = [digest.Head];
            await upload.StageAsync(0, head, BodyHash.Of(head, check, cancel), sent, cancel).ConfigureAwait(false);
            order = order.Prepend(0);
        }
        return await upload.CommitAsync(order, payload.Length, digest.Checksum, plan.Blocks(digest), options, cancel).ConfigureAwait(false);
    }

    /// <summary>The option's part size, or as much more as keeps the blocks within the service's number: none is less than half full on average.</summary>
    int BlockLength(string key, long length)
    {
        long least = (2 * length / (BlockUpload.MostBlocks - 1)) + 1;
        long block = Math.Max(_client.Options.Http.PartSize, (least + 0xFFFFF) & ~0xFFFFFL);
        return block <= AzureOptions.MaxPartSize
            ? (int)block
            : throw new StoreException(ErrorKind.InvalidArgument, Root.Child(key), $"an object of {length} bytes is more than this library writes to Azure (about 24 TiB)");
    }

    /// <summary>
    /// Sends what makes an object appear. Where an answer was lost, the object itself tells whether the work was done: a condition that then
    /// fails may be our own success.
    /// </summary>
    async ValueTask<ObjectMeta> WriteAsync(
        string key, AzureRequest request, long size, Checksum checksum, BlockChecksums? blocks, string write, PutOptions options, CancellationToken cancel)
    {
        BlobHeaders.Say(request, options);
        BlobMetadata.Say(request, options.Metadata, checksum, blocks, write);
        return await MakeAsync(key, request, answer => BlobHeaders.Written(key, size, checksum, options, answer), write, options, cancel).ConfigureAwait(false);
    }

    /// <summary>The same for any request that carries its write's number in the metadata.</summary>
    async ValueTask<ObjectMeta> MakeAsync(
        string key, AzureRequest request, Func<HttpAnswer, ObjectMeta> read, string write, PutOptions options, CancellationToken cancel)
    {
        bool unknown = false;
        HttpFailure? last = null;
        try
        {
            return await _client.Retry.RunAsync(request.Subject, async (attempts, stop) =>
            {
                unknown = attempts.OutcomeUnknown;
                try
                {
                    return await _client.OnceAsync(request, read, stop).ConfigureAwait(false);
                }
                catch (HttpFailure failure)
                {
                    unknown |= failure.OutcomeUnknown;
                    last = failure;
                    throw;
                }
            }, cancel).ConfigureAwait(false);
        }
        catch (StoreException error)
        {
            if (unknown && await FindWrittenAsync(key, write, cancel).ConfigureAwait(false) is { } done)
                return done;
            if (last?.Code is "InvalidBlockList")
                throw new LostBlocksException(error);
            if (last?.Status is 409 or 412 && (!options.Overwrite || options.IfMatch is not null))
                throw await RefusedAsync(key, options, error, cancel).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The object, if it is the one that we were writing.</summary>
    async ValueTask<ObjectMeta?> FindWrittenAsync(string key, string write, CancellationToken cancel)
    {
        try
        {
            return await FindOrNullAsync(key, cancel).ConfigureAwait(false) is { } found && found.Write == write ? found.Meta : null;
        }
        catch (StoreException)
        {
            // the failure that led here is the one to report
            return null;
        }
    }

    async ValueTask<StoreException> RefusedAsync(string key, PutOptions options, StoreException error, CancellationToken cancel)
    {
        if (error.Kind is not (ErrorKind.Precondition or ErrorKind.AlreadyExists))
            return error;
        try
        {
            CheckConditions(key, options, (await FindOrNullAsync(key, cancel).ConfigureAwait(false))?.Meta);
        }
        catch (StoreException found)
        {
            return new StoreException(found.Kind, found.Uri, found.Detail, cause: error) { Reason = found.Reason };
        }
        // whoever was in the way is gone again
        return options.Overwrite ? error : new StoreException(ErrorKind.AlreadyExists, Root.Child(key), "the object existed and overwrite is off", cause: error);
    }

    void CheckConditions(string key, PutOptions options, ObjectMeta? found)
    {
        if (found is not null && !options.Overwrite)
            throw new StoreException(ErrorKind.AlreadyExists, Root.Child(key), "the object exists and overwrite is off");
        if (options.IfMatch is not { } expected || ETags.Bare(expected) is "*" && found is not null)
            return;
        if (found is null)
            throw new StoreException(ErrorKind.NotFound, Root.Child(key), $"no such object; one with ETag {expected} was to be replaced");
        if (found.ETag != ETags.Bare(expected))
            throw new StoreException(ErrorKind.Precondition, Root.Child(key), $"expected ETag {expected}, found {found.ETag}: the object was written since");
    }

    /// <summary>Progress that can be taken back when all is sent again.</summary>
    sealed class Sent(IProgress<long>? progress) : IProgress<long>
    {
        long _total;

        public void Report(long value)
        {
            Interlocked.Add(ref _total, value);
            progress?.Report(value);
        }

        public void TakeBack() => Report(-Interlocked.Read(ref _total));
    }

    /// <summary>The service has dropped staged blocks, since another write of the name was committed. Never leaves this class but as its error.</summary>
    sealed class LostBlocksException(StoreException error) : Exception(error.Message, error)
    {
        public StoreException Error => error;
    }
}
