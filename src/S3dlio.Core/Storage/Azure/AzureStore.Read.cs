using S3dlio.Storage.Http;

namespace S3dlio.Storage.Azure;

public sealed partial class AzureStore
{
    /// <summary>Bytes that pass on a connection while another request would be answered.</summary>
    const int Gap = 1 << 20;

    const int ReadsAtOnce = 8;

    public override async ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        AzureKey.Check(Root, key);
        int part = _client.Options.Http.PartSize;
        var hints = new TransferHints(part, Math.Min(ReadsAtOnce, _client.Options.Http.MaxInFlight), Gap);
        long first = options.FirstOffset;
        long length = Math.Min(part, options.FirstLength ?? part);
        if (length > 0)
        {
            // the first part comes with the answer that tells size and version: one request for what fits into it
            var request = Request(HttpMethod.Get, key).SayRange(first, checked(first + length - 1)).SayIfMatch(options.IfMatch);
            var answer = await _client.Retry.RunAsync(request.Subject, (_, stop) => OpenRangeAsync(request, stop), cancel).ConfigureAwait(false);
            if (answer is not null)
                return Opened(key, answer, first, length, hints);
        }
        var blob = await FindAsync(key, options.IfMatch, cancel).ConfigureAwait(false);
        return new AzureReader(this, blob.Meta, hints, null, 0);
    }

    AzureReader Opened(string key, HttpAnswer answer, long first, long length, TransferHints hints)
    {
        try
        {
            var meta = BlobHeaders.Read(key, answer).Meta;
            BlobHeaders.CheckRange(answer, first, length, meta.Size);
            return new AzureReader(this, meta, hints, answer, first);
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    /// <summary>Null where nothing lies in the range: the object is empty, or shorter than the caller thinks.</summary>
    async ValueTask<HttpAnswer?> OpenRangeAsync(AzureRequest request, CancellationToken cancel)
    {
        // not kept until the body is read: an open reader must not keep others waiting
        using var place = await _client.InFlight.EnterAsync(1, 0, cancel).ConfigureAwait(false);
        try
        {
            return await _client.AttemptAsync(request, cancel).ConfigureAwait(false);
        }
        catch (HttpFailure failure) when (failure.Status == 416)
        {
            return null;
        }
    }
}
