using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>A bucket of Amazon S3 or of anything that speaks its protocol.</summary>
sealed partial class S3Store : RemoteStore
{
    readonly S3Client _client;

    public S3Store(StoreUri root, StoreOptions options)
        : this(root, S3Client.Shared(S3Options.Read(options, root), root.ToString()))
    {
    }

    internal S3Store(StoreUri root, S3Client client)
        : base(root with { Key = "" }, root.ContainerName, client) => _client = client;

    public override IReadOnlyCollection<string> WritableAttributes => S3Meta.WritableAttributes;

    public override string Origin =>
        _client.Endpoint.IsAmazon ? "amazon " + S3Endpoint.Partition(_client.Options.Region) : _client.Endpoint.Base;

    public override bool TagsEachWrite => false;

    public override int MostParts => S3Upload.MostParts;

    public override TransferHash TransferHash => _client.SignsPayload ? TransferHash.Sha256 : TransferHash.None;

    protected override string Service => S3Xml.Service;

    protected override bool CountsTags => _client.Endpoint.IsAmazon;

    protected override bool IsSameService(RemoteStore other) => other is S3Store same && _client.IsSamePlaceAs(same._client);

    protected override void CheckKey(string key) => ObjectKey.Check(Root, key);

    protected override RemoteRequest HeadRequest(string key) =>
        Request(HttpMethod.Head, key).WithHeader("x-amz-checksum-mode", WantedChecksum);

    protected override RemoteRequest TagsRequest(string key) => Request(HttpMethod.Get, key).WithQuery("tagging");

    public override RemoteRequest GetRequest(string key, (long Begin, long Length)? range, string? ifMatch, int alsoAccept = 0) =>
        new RemoteRequest(HttpMethod.Get, Container, key, Root.Child(key)) { AlsoAccept = alsoAccept, Tally = Tally }
            .WithHeader("x-amz-checksum-mode", WantedChecksum).WithIfMatch(ifMatch)
            .WithHeader("Range", range is var (begin, length) ? Range(begin, length) : null);

    protected override RemoteObject Describe(string key, HttpResponse answer, long? size) =>
        new(S3Meta.Read(key, answer, size ?? Size(answer), _client.Endpoint.IsAmazon));

    string? WantedChecksum => _client.Capabilities.SendsWithPut ? "ENABLED" : null;

    /// <summary>
    /// Servers leave the checksum out of answers to ranges, so where objects have been small the whole is asked for: one request gives all
    /// there is to know. Where they have been large a range is, and a HEAD fetches the checksum; beside the parts that follow it costs
    /// nothing.
    /// </summary>
    protected override bool AsksForWhole => _client.Capabilities.ObjectsAreSmall;

    protected override async ValueTask<ObjectMeta?> CompletedAsync(ObjectMeta meta, bool isPart, bool isSmall, CancellationToken cancel)
    {
        _client.Capabilities.ObjectsAreSmall = isSmall;
        if (!isPart || meta.Checksum is not null || !_client.Capabilities.SendsWithPut
            || await HeadOrNullAsync(meta.Key, cancel).ConfigureAwait(false) is not { } found)
            return meta;
        return found.ETag == meta.ETag && found.Size == meta.Size
            ? meta with { Checksum = found.Checksum, MayBeMislabelled = found.MayBeMislabelled, Digest = found.Digest }
            : null;
    }

    public override ValueTask<string> PresignAsync(string key, PresignOptions options, CancellationToken cancel)
    {
        CheckKey(key);
        if (options.Method is not ("GET" or "HEAD" or "PUT" or "DELETE"))
            throw StoreException.InvalidArgument(Root.Child(key),
                $"a URL for '{options.Method}' cannot be presigned; GET, HEAD, PUT and DELETE can");
        if (options.Expires < TimeSpan.FromSeconds(1) || options.Expires > TimeSpan.FromDays(7))
            throw StoreException.InvalidArgument(Root.Child(key), $"a presigned URL lasts from 1 second to 7 days, not {options.Expires}");
        if (_client.Options.CustomerKey is not null)
            throw StoreException.InvalidArgument(Root.Child(key),
                "a URL cannot carry option 'sse_customer_key', and the object cannot be had without; presign with a store that has none");
        return _client.PresignAsync(Request(new HttpMethod(options.Method), key), options.Expires, cancel);
    }
}
