using S3dlio.Hashing;
using S3dlio.Http;

namespace S3dlio.Storage.Remote;

/// <summary>
/// A container of an object service. What a service has of its own is in its dialect, a class derived from this one: how a request is
/// built, an error explained, a part put, an upload completed. How objects are opened, written in parts, copied and deleted is here.
/// </summary>
abstract partial class RemoteStore(StoreUri root, string container, RemoteClient client) : ObjectStore
{
    public override StoreUri Root => root;

    public RemoteClient Client => client;

    public override int RequestsAtOnce => client.InFlight.Requests;

    protected string Container => container;

    /// <summary>Counts what is asked of it.</summary>
    protected IRequestTally Tally { get; } = new RequestTally(S3dlio.Storage.Tally.Of(root));

    public override bool IsSameAs(ObjectStore other) => other is RemoteStore same && same.Client == client && same.Root == Root;

    protected override ValueTask<bool> IsOneObjectAsync(
        string key, ObjectStore other, string otherKey, bool moves, CancellationToken cancel) =>
        ValueTask.FromResult(other is RemoteStore same && key == otherKey && container == same.Container && IsSameService(same));

    /// <summary>Whether a container of one name is one container to both.</summary>
    protected abstract bool IsSameService(RemoteStore other);

    public override async ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        CheckKey(key);
        return (await FindAsync(key, null, cancel).ConfigureAwait(false)).Meta;
    }

    protected async ValueTask<RemoteObject> FindAsync(string key, string? ifMatch, CancellationToken cancel) =>
        await client.SendAsync(HeadRequest(key).WithIfMatch(ifMatch), answer => Describe(key, answer, null), cancel).ConfigureAwait(false);

    protected async ValueTask<RemoteObject?> FindOrNullAsync(string key, CancellationToken cancel)
    {
        try
        {
            return await FindAsync(key, null, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.NotFound)
        {
            return null;
        }
    }

    /// <exception cref="StoreException">InvalidArgument where the service would not keep the key as it is.</exception>
    protected abstract void CheckKey(string key);

    protected virtual RemoteRequest HeadRequest(string key) => Request(HttpMethod.Head, key);

    /// <summary>The object, from the headers of an answer.</summary>
    /// <param name="key">The object's.</param>
    /// <param name="answer">To a HEAD or a GET.</param>
    /// <param name="size">Bytes of the whole object; null: the answer's length.</param>
    protected abstract RemoteObject Describe(string key, HttpResponse answer, long? size);

    protected RemoteRequest Request(HttpMethod method, string key, HttpBody? body = null, string? hash = null, TimeSpan? patience = null) =>
        new(method, container, key, key.Length == 0 ? Root.ToString() : Root.Child(key))
        {
            Body = body,
            PayloadHash = hash,
            Patience = patience,
            Tally = Tally
        };

    /// <exception cref="StoreException">InvalidData: the answer does not say it.</exception>
    protected static long Size(HttpResponse answer) =>
        answer.Length ?? throw StoreException.InvalidData(answer.Call.Subject,
            $"{HttpFault.Place(answer.Call)} does not say how long the object is (no Content-Length); check endpoint_url and what stands "
            + "between this machine and the server");

    /// <summary>An object as it was just written.</summary>
    protected static ObjectMeta Stored(string key, long size, Checksum? checksum, PutOptions options, Written written) => new()
    {
        Key = key,
        Size = size,
        LastModified = written.LastModified ?? DateTimeOffset.UtcNow,
        ETag = written.ETag,
        Checksum = checksum,
        ContentType = options.ContentType,
        Metadata = options.Metadata ?? ObjectMeta.NoMetadata,
        Attributes = options.Attributes ?? ObjectMeta.NoMetadata,
    };
}

/// <param name="Meta">What is known of an object.</param>
/// <param name="Write">Which write made it, where the service keeps that.</param>
readonly record struct RemoteObject(ObjectMeta Meta, string? Write = null);

/// <summary>What an answer says of the object that it made.</summary>
readonly record struct Written(string? ETag, Checksum? Checksum = null, DateTimeOffset? LastModified = null);
