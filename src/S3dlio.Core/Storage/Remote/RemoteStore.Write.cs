using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Http;

namespace S3dlio.Storage.Remote;

abstract partial class RemoteStore
{
    /// <summary>
    /// Up to this many parts go as one request: an upload in parts takes more round trips and pays only when parts run in parallel.
    /// </summary>
    const int SinglePutParts = 2;

    /// <summary>How often a put starts over when others finish first and the service drops its parts.</summary>
    const int MostRestarts = 5;

    /// <summary>The service's limit of parts for one object.</summary>
    public abstract int MostParts { get; }

    /// <summary>What a body is sent with, besides its CRC32C.</summary>
    public abstract TransferHash TransferHash { get; }

    /// <summary>Parts of one writer that are on their way at once, as far as memory allows.</summary>
    public virtual int WriterPartsAtOnce => int.MaxValue;

    /// <summary>Parts of one put in flight: each holds a connection and a core's worth of hashing.</summary>
    protected int PutConcurrency => Math.Min(RequestsAtOnce, 8);

    /// <summary>An upload in parts has to know the whole object's checksums when it begins.</summary>
    protected virtual bool DigestsBeforehand => false;

    public override async ValueTask<ObjectMeta> PutAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        CheckKey(key);
        if (payload.Length <= (long)SinglePutParts * client.Http.PartSize)
            return await PutWholeAsync(key, payload, options, progress, cancel).ConfigureAwait(false);
        await RefuseEarlyAsync(key, options, cancel).ConfigureAwait(false);
        for (int restarts = 0; ; restarts++)
        {
            var sent = new Sent(progress);
            try
            {
                return await PutPartsAsync(key, payload, options, sent, cancel).ConfigureAwait(false);
            }
            catch (LostPartsException lost)
            {
                sent.TakeBack();
                if (restarts == MostRestarts)
                    throw lost.Error;
            }
        }
    }

    public override async ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        CheckKey(key);
        await RefuseEarlyAsync(key, options, cancel).ConfigureAwait(false);
        return new RemoteWriter(this, key, options);
    }

    /// <summary>One request for the whole object.</summary>
    public ValueTask<ObjectMeta> PutWholeAsync(
        string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        var (digest, blocks) = payload.DigestBlocks(cancel);
        return PutWholeAsync(
            key, new PayloadPart(payload, digest.Head, 0, payload.Length), digest.Checksum, blocks, options, progress, cancel);
    }

    protected abstract ValueTask<ObjectMeta> PutWholeAsync(
        string key, PayloadPart body, Checksum checksum, BlockChecksums? blocks, PutOptions options, IProgress<long>? progress,
        CancellationToken cancel);

    /// <param name="key">The object to be.</param>
    /// <param name="options">How it is written.</param>
    /// <param name="checksum">The whole object's, where it is known beforehand.</param>
    /// <param name="blocks">Those of its blocks, likewise.</param>
    public abstract ValueTask<PartUpload> BeginUploadAsync(
        string key, PutOptions options, Checksum? checksum, BlockChecksums? blocks, CancellationToken cancel);

    /// <exception cref="StoreException">The service dropped the parts, or the upload failed in another way.</exception>
    public async ValueTask<ObjectMeta> CompleteUploadAsync(string key, PartUpload upload, PutOptions options, CancellationToken cancel)
    {
        try
        {
            return await upload.CompleteAsync(options, cancel).ConfigureAwait(false);
        }
        catch (LostPartsException lost)
        {
            // the parts are no longer in memory, so this one cannot start over
            throw await RefusedAsync(key, options, lost.Error, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Parts go in parallel, straight from the caller's memory. The head depends on the checksums of the body, so the parts that hold it
    /// go last; where the checksum has to come first, the body is hashed beforehand.
    /// </summary>
    async ValueTask<ObjectMeta> PutPartsAsync(
        string key, Payload payload, PutOptions options, IProgress<long> progress, CancellationToken cancel)
    {
        PayloadDigest? digest = null;
        BlockChecksums? blocks = null;
        if (DigestsBeforehand)
            (digest, blocks) = await Task.Run(() => payload.DigestBlocks(cancel), cancel).ConfigureAwait(false);
        var upload = await BeginUploadAsync(key, options, digest?.Checksum, blocks, cancel).ConfigureAwait(false);
        try
        {
            var parts = new PartPlan(payload, PartLength(key, payload.Length));
            int withHead = digest is null ? parts.CountWithHead : 0;
            var body = new BodyChecksums(payload);
            await ParallelWork.ForAsync(parts.Count - withHead, PutConcurrency, async (i, stop) =>
            {
                var part = parts.Part(withHead + i, digest?.Head ?? default);
                var hash = part.Hash(TransferHash, stop);
                body.Add(part, hash);
                await upload.PutAsync(withHead + i + 1, part, hash, progress, stop).ConfigureAwait(false);
            }, cancel, WorkerThreads.Pool).ConfigureAwait(false);
            if (withHead > 0)
            {
                // what of the body lies beside the head is hashed now, and the head can be built
                for (int i = 0; i < withHead; i++)
                    body.Add(parts.BodyOf(i), parts.BodyOf(i).Hash(TransferHash.None, cancel));
                var head = payload.BuildHead(body.Segments());
                for (int i = 0; i < withHead; i++)
                {
                    var part = parts.Part(i, head);
                    await upload.PutAsync(i + 1, part, part.Hash(TransferHash, cancel), progress, cancel).ConfigureAwait(false);
                }
            }
            return await upload.CompleteAsync(options, cancel).ConfigureAwait(false);
        }
        catch
        {
            await upload.AbortAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The option's part size, or as much more as keeps the number of parts within the service's limit.</summary>
    int PartLength(string key, long length)
    {
        long least = (length + MostParts - 1) / MostParts;
        long part = Math.Max(client.Http.PartSize, (least + 0xFFFFF) & ~0xFFFFFL);
        return part <= 1 << 30
            ? (int)part
            : throw StoreException.InvalidArgument(Root.Child(key),
                $"an object of {length} bytes is more than {MostParts} parts of 1 GiB, which is the most that the service takes");
    }

    /// <summary>A condition is checked when it counts; where it fails already now, the upload is saved.</summary>
    protected async ValueTask RefuseEarlyAsync(string key, PutOptions options, CancellationToken cancel)
    {
        if (options.Overwrite && options.IfMatch is null)
            return;
        try
        {
            var found = (await FindOrNullAsync(key, cancel).ConfigureAwait(false))?.Meta;
            if (options.IfMatch is null && found is not null)
                throw StoreException.Exists(Root.Child(key));
            if (options.IfMatch is not null && Mismatch(key, options, found) is { } refused)
                throw refused;
        }
        catch (StoreException error) when (error.Kind == ErrorKind.PermissionDenied)
        {
            // who may write need not be allowed to read
        }
    }

    /// <summary>
    /// Runs what makes an object appear. Where an answer was lost, the object itself tells whether the work was done: a condition that
    /// then fails, or an upload that is gone, may be our own success.
    /// </summary>
    /// <param name="key">The object.</param>
    /// <param name="options">The condition.</param>
    /// <param name="attempt">One attempt.</param>
    /// <param name="isOurs">Whether an object that is there is the one that was being written.</param>
    protected internal async ValueTask<Written> MakeAsync(
        string key, PutOptions options, Func<CancellationToken, ValueTask<Written>> attempt, Func<RemoteObject, bool> isOurs,
        CancellationToken cancel)
    {
        HttpFailure? last = null;
        bool unknown = false;
        try
        {
            return await client.Retry.RunAsync(Root.Child(key), async (_, stop) =>
            {
                try
                {
                    return await attempt(stop).ConfigureAwait(false);
                }
                catch (HttpFailure failure)
                {
                    (last, unknown) = (failure, unknown || failure.OutcomeUnknown);
                    throw;
                }
            }, cancel).ConfigureAwait(false);
        }
        catch (StoreException error)
        {
            if (unknown && await FindWrittenAsync(key, isOurs, cancel).ConfigureAwait(false) is { } found)
                return new Written(found.ETag, found.Checksum, found.LastModified);
            if (last is not null && LosesParts(last))
                throw new LostPartsException(error);
            // a request that is wrong in itself has failed no condition
            if (last?.Status == 400)
                throw;
            throw await RefusedAsync(key, options, error, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>The failure means that the service has dropped the parts of an upload.</summary>
    protected virtual bool LosesParts(HttpFailure failure) => false;

    async ValueTask<ObjectMeta?> FindWrittenAsync(string key, Func<RemoteObject, bool> isOurs, CancellationToken cancel)
    {
        try
        {
            return await FindOrNullAsync(key, cancel).ConfigureAwait(false) is { } found && isOurs(found) ? found.Meta : null;
        }
        catch (StoreException)
        {
            // the failure that led here is the one to report
            return null;
        }
    }

    /// <summary>A condition that failed, in the words of what the caller asked.</summary>
    async ValueTask<StoreException> RefusedAsync(string key, PutOptions options, StoreException error, CancellationToken cancel)
    {
        if (error.Kind is not (ErrorKind.Precondition or ErrorKind.AlreadyExists) || (options.Overwrite && options.IfMatch is null))
            return error;
        if (options.IfMatch is null)
            return StoreException.Exists(Root.Child(key), error);
        try
        {
            // some servers do not tell an object that changed from one that is not there
            return Mismatch(key, options, (await FindOrNullAsync(key, cancel).ConfigureAwait(false))?.Meta, error) ?? error;
        }
        catch (StoreException)
        {
            return error;
        }
    }

    /// <summary>What is wrong with an object for a write under If-Match; null when it is the one that is to be replaced.</summary>
    protected StoreException? Mismatch(string key, PutOptions options, ObjectMeta? found, Exception? cause = null)
    {
        string? expected = ETags.Bare(options.IfMatch);
        return found is null ? new StoreException(
            ErrorKind.NotFound, Root.Child(key), $"no such object; one with ETag {expected} was to be replaced", cause: cause)
            : expected == "*" || found.ETag == expected ? null
            : StoreException.WrittenSince(Root.Child(key), expected, found.ETag, cause);
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
}
