using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>A bucket of Amazon S3 or of anything that speaks its protocol.</summary>
public sealed partial class S3Store : ObjectStore
{
    readonly S3Client _client;
    readonly string _bucket;

    public S3Store(StoreUri root, StoreOptions options)
    {
        Root = root with { Key = "" };
        _bucket = root.ContainerName;
        _client = S3Client.Shared(S3Options.Read(options, root), root.ToString());
    }

    internal S3Store(StoreUri root, S3Client client)
    {
        Root = root with { Key = "" };
        _bucket = root.ContainerName;
        _client = client;
    }

    public override StoreUri Root { get; }

    public override int RequestsAtOnce => _client.InFlight.Requests;

    public override IReadOnlyCollection<string> WritableAttributes => S3Meta.WritableAttributes;

    public override bool IsSameAs(ObjectStore other) => other is S3Store same && same._client == _client && same.Root == Root;

    protected override ValueTask<bool> IsOneObjectAsync(string key, ObjectStore other, string otherKey, bool moves, CancellationToken cancel) =>
        ValueTask.FromResult(other is S3Store same && key == otherKey && _bucket == same._bucket && _client.IsSamePlaceAs(same._client));

    public override bool TagsEachWrite => false;

    internal S3Client Client => _client;

    public override async ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel)
    {
        ObjectKey.Check(Root, key);
        return await FindAsync(key, cancel).ConfigureAwait(false);
    }

    public override ValueTask<string> PresignAsync(string key, PresignOptions options, CancellationToken cancel)
    {
        ObjectKey.Check(Root, key);
        if (options.Method is not ("GET" or "HEAD" or "PUT" or "DELETE"))
            throw new StoreException(ErrorKind.InvalidArgument, Root.Child(key), $"a URL for '{options.Method}' cannot be presigned; GET, HEAD, PUT and DELETE can");
        if (options.Expires < TimeSpan.FromSeconds(1) || options.Expires > TimeSpan.FromDays(7))
            throw new StoreException(ErrorKind.InvalidArgument, Root.Child(key), $"a presigned URL lasts from 1 second to 7 days, not {options.Expires}");
        if (_client.Options.CustomerKey is not null)
            throw new StoreException(ErrorKind.InvalidArgument, Root.Child(key), "a URL cannot carry option 'sse_customer_key', and the object cannot be had without; presign with a store that has none");
        return _client.PresignAsync(Request(new HttpMethod(options.Method), key), options.Expires, cancel);
    }

    internal async ValueTask<ObjectMeta> FindAsync(string key, CancellationToken cancel)
    {
        var request = Request(HttpMethod.Head, key).Say("x-amz-checksum-mode", _client.Capabilities.SendsWithPut ? "ENABLED" : null);
        return await _client.SendAsync(request, answer => S3Meta.Read(key, answer, Size(request.Subject, answer), _client.Endpoint.IsAmazon), cancel).ConfigureAwait(false);
    }

    /// <exception cref="StoreException">InvalidData: the answer does not say it, and no other number is as good as none.</exception>
    static long Size(string subject, HttpAnswer answer) =>
        answer.Length ?? throw new StoreException(ErrorKind.InvalidData, subject, $"{HttpFault.Place(answer.Call)} does not say how long the object is (no Content-Length); check endpoint_url and what stands between this machine and the server");

    S3Request Request(HttpMethod method, string key, HttpBody? body = null, string? hash = null, TimeSpan? patience = null) =>
        new(method, _bucket, key, key.Length == 0 ? Root.ToString() : Root.Child(key)) { Body = body, PayloadHash = hash, Patience = patience };
}
