using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.Azure;

public sealed partial class AzureStore
{
    /// <summary>Read beyond the first part, so that a header of this size and the first part behind it come in one answer.</summary>
    const int HeadRoom = 64 << 10;

    public override async ValueTask<ObjectReader> OpenReadAsync(string key, ReadOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        AzureKey.Check(Root, key);
        long first = options.FirstOffset;
        long most = options.OneAnswer ? long.MaxValue - first : (long)_client.Options.Http.PartSize + HeadRoom;
        long length = Math.Min(options.FirstLength ?? long.MaxValue, most);
        if (length > 0)
        {
            // the first part comes with the answer that tells size and version: one request for what fits into it
            long? last = options is { OneAnswer: true, FirstLength: null } ? null : checked(first + length - 1);
            var request = Request(HttpMethod.Get, key).SayRange(first, last).SayIfMatch(options.IfMatch);
            var answer = await _client.Retry.RunAsync(request.Subject, (_, stop) => OpenRangeAsync(request, stop), cancel).ConfigureAwait(false);
            if (answer is not null)
                return Opened(key, answer, first, length, options);
        }
        var blob = await FindAsync(key, options.IfMatch, cancel).ConfigureAwait(false);
        ETags.Check(Root.Child(key), options.IfMatch, blob.Meta.ETag);
        return new AzureReader(this, blob.Meta, null, 0, 0);
    }

    AzureReader Opened(string key, HttpAnswer answer, long first, long length, ReadOptions options)
    {
        try
        {
            var meta = BlobHeaders.Read(key, answer).Meta;
            ETags.Check(Root.Child(key), options.IfMatch, meta.ETag);
            BlobHeaders.CheckRange(answer, first, length, meta.Size);
            return new AzureReader(this, meta, answer, first, Math.Min(meta.Size, first + length)) { InOrder = options.OneAnswer };
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
