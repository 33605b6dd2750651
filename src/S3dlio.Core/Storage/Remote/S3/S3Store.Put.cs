using S3dlio.Hashing;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

sealed partial class S3Store
{
    protected override bool DigestsBeforehand => _client.Capabilities.NotesWithUpload;

    public override async ValueTask<PartUpload> BeginUploadAsync(
        string key, PutOptions options, Checksum? checksum, BlockChecksums? blocks, CancellationToken cancel) =>
        await BeginAsync(key, options, checksum, blocks, isCopy: false, cancel).ConfigureAwait(false);

    protected override async ValueTask<ObjectMeta> PutWholeAsync(
        string key, PayloadPart body, Checksum checksum, BlockChecksums? blocks, PutOptions options, IProgress<long>? progress,
        CancellationToken cancel)
    {
        var can = _client.Capabilities;
        bool native = can.SendsWithPut;
        string? hash = _client.SignsPayload && body.Length > 0 ? body.Hash(TransferHash.Sha256, cancel).Transfer : null;
        var request = Request(HttpMethod.Put, key, new HttpBody(body.Pieces, progress), hash);
        S3Meta.Write(request, options);
        S3Meta.WriteCondition(request, options, can);
        if (native)
            S3Meta.WriteChecksum(request, checksum);
        if (can.NotesWithPut)
            request.WithHeader(S3Meta.ChecksumName, checksum.ToString());
        if (can.NotesBlocks)
            S3Meta.WriteBlocks(request, options, blocks);
        var written = await MakeAsync(key, options, stop => _client.OnceAsync(request, answer =>
        {
            if (native)
                can.SawPut(answer.Header(S3Meta.ChecksumHeader) is not null);
            string? tag = ETags.Bare(answer.Header("ETag"));
            return new Written(tag, S3Meta.Native(answer.Header(S3Meta.ChecksumHeader), answer.Header("x-amz-checksum-type"), tag));
        }, stop), found => IsWritten(found.Meta, body.Length, checksum, null), cancel).ConfigureAwait(false);
        return Checked(key, body.Length, checksum, options, written);
    }

    /// <summary>
    /// Whether an object is the one that we wrote: without a checksum or an ETag of our own making an equal size proves nothing.
    /// </summary>
    static bool IsWritten(ObjectMeta found, long size, Checksum? checksum, string? tag) =>
        found.Size == size && (found.Checksum is { } known ? known == checksum : tag is not null && found.ETag == tag);

    ObjectMeta Checked(string key, long size, Checksum checksum, PutOptions options, Written written) =>
        written.Checksum is not { } found || found == checksum
            ? Stored(key, size, checksum, options, written)
            : throw StoreException.ChecksumMismatch(Root.Child(key),
                $"checksum mismatch over {size} bytes: {checksum} was sent, the server has {found}");
}
