using S3dlio.Hashing;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

sealed partial class AzureStore
{
    protected override ValueTask<ObjectMeta> PutWholeAsync(
        string key, PayloadPart body, Checksum checksum, BlockChecksums? blocks, PutOptions options, IProgress<long>? progress,
        CancellationToken cancel)
    {
        var request = Request(HttpMethod.Put, key, new HttpBody(body.Pieces, progress)).WithHeader("x-ms-blob-type", "BlockBlob");
        AddTransferHash(request, body, body.Hash(TransferHash, cancel));
        return WriteAsync(key, request, body.Length, checksum, blocks, NewWrite(), options, cancel);
    }

    public override ValueTask<PartUpload> BeginUploadAsync(
        string key, PutOptions options, Checksum? checksum, BlockChecksums? blocks, CancellationToken cancel) =>
        new(new BlockUpload(this, key));

    /// <summary>The service has dropped blocks, since another write of the name was committed.</summary>
    protected override bool LosesParts(HttpFailure failure) => failure.Code is "InvalidBlockList";

    /// <summary>What tells one write from every other; it is kept with the object, which is known by it when an answer was lost.</summary>
    static string NewWrite() => Guid.NewGuid().ToString("n");

    /// <summary>Sends what makes an object appear.</summary>
    async ValueTask<ObjectMeta> WriteAsync(
        string key, RemoteRequest request, long size, Checksum checksum, BlockChecksums? blocks, string write, PutOptions options,
        CancellationToken cancel)
    {
        BlobHeaders.Write(request, options);
        BlobMetadata.Write(request, options.Metadata, checksum, blocks, write);
        var written = await MakeAsync(
            key, options, stop => _client.OnceAsync(request, BlobHeaders.Written, stop), found => found.Write == write,
            cancel).ConfigureAwait(false);
        return Stored(key, size, checksum, options, written);
    }

    /// <summary>Has the service compare a body with what was sent, before it stores anything.</summary>
    static void AddTransferHash(RemoteRequest request, PayloadPart body, PartHash hash)
    {
        if (body.Length > 0)
            // MD5 has 24 characters in base64, CRC-64 has 12
            request.WithHeader(hash.Transfer is { Length: 24 } ? "Content-MD5" : "x-ms-content-crc64", hash.Transfer);
    }
}
