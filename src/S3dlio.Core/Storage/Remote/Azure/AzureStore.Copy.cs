using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

sealed partial class AzureStore
{
    static readonly TimeSpan FirstPoll = TimeSpan.FromMilliseconds(100);
    static readonly TimeSpan SlowestPoll = TimeSpan.FromSeconds(5);

    /// <remarks>
    /// Copy Blob within an account, which the service does at once unless the account is being moved. Another content type or other
    /// attributes follow in a second request, on the condition that the blob did not change in between.
    /// </remarks>
    protected override async ValueTask<ObjectMeta> CopySeenAsync(
        ObjectMeta origin, string destination, PutOptions options, CancellationToken cancel)
    {
        AzureKey.Check(Root, destination);
        ObjectAttributes.Check(Root.Child(destination), options, WritableAttributes, hasTags: true);
        string write = NewWrite();
        var request = Request(HttpMethod.Put, destination)
            .WithHeader("x-ms-copy-source", _client.Url(Container, origin.Key, _client.Account.Credential.Query))
            .WithHeader("x-ms-source-if-match", ETags.Quoted(origin.ETag ?? "*"))
            .WithHeader("x-ms-access-tier", options.Attributes?.GetValueOrDefault("access_tier"));
        request.WithHeader(
            "x-ms-tags", ObjectAttributes.Query(options.Tags ?? await TagsToCopyAsync(origin, cancel).ConfigureAwait(false)));
        BlobHeaders.WriteConditions(request, options);
        BlobMetadata.Write(request, options.Metadata ?? origin.Metadata, origin.Checksum, origin.Blocks, write);
        bool pending = true;
        var written = await MakeAsync(destination, options, stop => _client.OnceAsync(request, answer =>
        {
            pending = answer.Header("x-ms-copy-status") is not (null or "success");
            return BlobHeaders.Written(answer);
        }, stop), found => found.Write == write, cancel).ConfigureAwait(false);
        var copied = origin with
        {
            Key = destination,
            ETag = written.ETag,
            LastModified = written.LastModified ?? origin.LastModified,
            Metadata = options.Metadata ?? origin.Metadata,
        };
        if (pending)
            copied = await FinishAsync(destination, write, cancel).ConfigureAwait(false);
        return options.ContentType is null && options.Attributes is not { Count: > 0 }
            ? copied
            : await DescribeAsync(copied, origin, options, cancel).ConfigureAwait(false);
    }

    /// <summary>Waits for a copy that the service makes in the background.</summary>
    async ValueTask<ObjectMeta> FinishAsync(string key, string write, CancellationToken cancel)
    {
        for (var wait = FirstPoll; ; wait = wait < SlowestPoll ? wait * 2 : SlowestPoll)
        {
            var (blob, status, why) = await _client.SendAsync(Request(HttpMethod.Head, key),
                answer => (Describe(key, answer, null), answer.Header("x-ms-copy-status"), answer.Header("x-ms-copy-status-description")),
                cancel).ConfigureAwait(false);
            if (blob.Write != write)
                throw StoreException.Precondition(Root.Child(key), "the object was written by another while it was copied to");
            switch (status)
            {
                case null or "success":
                    return blob.Meta;
                case "pending":
                    await Task.Delay(wait, _client.Retry.Clock, cancel).ConfigureAwait(false);
                    break;
                default:
                    throw new StoreException(ErrorKind.Unavailable, Root.Child(key), $"the service gave up the copy: {status}, {why}");
            }
        }
    }

    /// <summary>Gives a fresh copy the content type and attributes that were asked for; all others have to be said again to stay.</summary>
    async ValueTask<ObjectMeta> DescribeAsync(ObjectMeta copied, ObjectMeta origin, PutOptions options, CancellationToken cancel)
    {
        var attributes = ObjectAttributes.Copied(origin, options, WritableAttributes);
        attributes.Remove("access_tier");
        string type = options.ContentType ?? origin.ContentType ?? "application/octet-stream";
        var request = Request(HttpMethod.Put, copied.Key).WithQuery("comp", "properties");
        BlobHeaders.Write(request, new PutOptions { IfMatch = copied.ETag, ContentType = type, Attributes = attributes });
        return await _client.SendAsync(request, answer => copied with
        {
            ETag = ETags.Bare(answer.Header("ETag")),
            LastModified = answer.Date("Last-Modified") ?? copied.LastModified,
            ContentType = type,
            Attributes = attributes,
        }, cancel).ConfigureAwait(false);
    }
}
