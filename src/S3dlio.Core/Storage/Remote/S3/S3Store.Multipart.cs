using S3dlio.Hashing;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

public sealed partial class S3Store
{
    /// <summary>Parts of one put in flight: each holds a connection and a core's worth of hashing.</summary>
    int PutConcurrency => Math.Min(_client.Options.Http.MaxInFlight, 8);

    /// <summary>
    /// Parts go side by side, straight from the caller's memory. The head depends on the checksums of the body, so the parts that hold it
    /// go last; where the checksum must be in the metadata, which comes first, the body is hashed beforehand.
    /// </summary>
    async ValueTask<ObjectMeta> PutPartsAsync(string key, Payload payload, PutOptions options, IProgress<long>? progress, CancellationToken cancel)
    {
        if (!options.Overwrite && options.IfMatch is null && await HeadOrNullAsync(key, cancel).ConfigureAwait(false) is not null)
            // the condition is checked again when it counts; here it saves the upload
            throw new StoreException(ErrorKind.AlreadyExists, Root.Child(key), "the object exists and overwrite is off");
        bool notes = _client.Capabilities.NotesWithUpload;
        PayloadDigest? digest = null;
        BlockChecksums? blocks = null;
        if (notes)
            (digest, blocks) = await Task.Run(() => payload.DigestBlocks(cancel), cancel).ConfigureAwait(false);
        var upload = await S3Upload.BeginAsync(_client, _bucket, key, Root.Child(key), options, digest?.Checksum, blocks, false, cancel).ConfigureAwait(false);
        try
        {
            var parts = new PartPlan(payload, PartLength(payload.Length));
            int withHead = digest is null ? parts.CountWithHead : 0;
            var body = new BodyChecksums(payload);
            await Crew.RunAsync(parts.Count - withHead, PutConcurrency, async (i, stop) =>
            {
                var pieces = parts.Pieces(withHead + i, digest?.Head ?? default);
                var hash = pieces.Hash(_client.SignsPayload, stop);
                body.Add(pieces, hash);
                await upload.PutAsync(withHead + i + 1, pieces, hash, progress, stop).ConfigureAwait(false);
            }, cancel).ConfigureAwait(false);
            if (withHead > 0)
            {
                // what of the body lies beside the head is hashed now, and the head can be built
                for (int i = 0; i < withHead; i++)
                    body.Add(parts.BodyPieces(i), parts.BodyPieces(i).Hash(false, cancel));
                var head = payload.BuildHead(body.Segments());
                for (int i = 0; i < withHead; i++)
                {
                    var pieces = parts.Pieces(i, head);
                    await upload.PutAsync(i + 1, pieces, pieces.Hash(_client.SignsPayload, cancel), progress, cancel).ConfigureAwait(false);
                }
            }
            return await CompleteAsync(upload, key, options, cancel).ConfigureAwait(false);
        }
        catch
        {
            await upload.AbortAsync().ConfigureAwait(false);
            throw;
        }
    }

    internal async ValueTask<ObjectMeta> CompleteAsync(S3Upload upload, string key, PutOptions options, CancellationToken cancel)
    {
        var whole = upload.Whole;
        var found = await AssembleAsync(upload, new Written(key, upload.Length, whole, upload.ExpectedTag), options, cancel).ConfigureAwait(false);
        var checksum = whole ?? found.Checksum ?? throw new StoreException(ErrorKind.Internal, Root.Child(key), "an upload without checksums was completed");
        return Stored(key, upload.Length, checksum, options, found);
    }

    /// <summary>Makes the object of its parts, under the options' condition.</summary>
    async ValueTask<(string? ETag, Checksum? Checksum)> AssembleAsync(S3Upload upload, Written written, PutOptions options, CancellationToken cancel)
    {
        if (!upload.IsWhole && !options.Overwrite && await HeadOrNullAsync(written.Key, cancel).ConfigureAwait(false) is not null)
            // servers without checksums are also those that ignore the condition; what is left of the gap is as small as it can be
            throw new StoreException(ErrorKind.AlreadyExists, Root.Child(written.Key), "the object exists and overwrite is off");
        return await ConditionalAsync(written, options, (_, stop) => upload.AttemptCompleteAsync(options, stop), cancel).ConfigureAwait(false);
    }

    /// <summary>The option's part size, or as much more as keeps the number of parts within S3's limit.</summary>
    int PartLength(long length)
    {
        long least = (length + S3Upload.MostParts - 1) / S3Upload.MostParts;
        long part = Math.Max(_client.Options.Http.PartSize, (least + 0xFFFFF) & ~0xFFFFFL);
        return part <= 1 << 30
            ? (int)part
            : throw new StoreException(ErrorKind.InvalidArgument, Root.ToString(), $"an object of {length} bytes is beyond S3's limit of 5 TiB");
    }

    /// <summary>How a payload is cut.</summary>
    sealed class PartPlan(Payload payload, int partLength)
    {
        public int Count => (int)((payload.Length + partLength - 1) / partLength);

        public int CountWithHead => (payload.HeadLength + partLength - 1) / partLength;

        public PayloadPieces Pieces(int part, ReadOnlyMemory<byte> head)
        {
            long begin = (long)part * partLength;
            return new PayloadPieces(payload, head, begin, Math.Min(partLength, payload.Length - begin));
        }

        /// <summary>What of a part is not head.</summary>
        public PayloadPieces BodyPieces(int part)
        {
            long begin = Math.Max((long)part * partLength, payload.HeadLength), end = Math.Min((long)(part + 1) * partLength, payload.Length);
            return new PayloadPieces(payload, default, begin, Math.Max(0, end - begin));
        }
    }

    /// <summary>Gathers the checksums of the segments from those of their pieces, which come in any order.</summary>
    sealed class BodyChecksums(Payload payload)
    {
        readonly SortedDictionary<(int Segment, long Offset), (Checksum Checksum, long Length)> _pieces = [];
        readonly Lock _gate = new();

        public void Add(PayloadPieces pieces, PieceHash hash)
        {
            lock (_gate)
            {
                for (int i = 0; i < pieces.Pieces.Count; i++)
                {
                    if (pieces.Segment(i) >= 0)
                        _pieces[(pieces.Segment(i), pieces.Offset(i))] = (hash.Pieces[i], pieces.Piece(i).Length);
                }
            }
        }

        public Checksum[] Segments()
        {
            var segments = new Checksum[payload.Body.Count];
            foreach (var ((segment, _), (checksum, length)) in _pieces)
                segments[segment] = Checksum.Combine(segments[segment], checksum, length);
            return segments;
        }
    }
}
