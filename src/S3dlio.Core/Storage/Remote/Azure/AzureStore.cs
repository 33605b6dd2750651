using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>
/// A container of Azure's Blob service, spoken to over its REST interface: <c>az://account/container</c>. Objects are block blobs; their
/// CRC32C is kept in metadata.
/// </summary>
public sealed partial class AzureStore : ObjectStore
{
    readonly AzureClient _client;
    readonly string _container;

    public AzureStore(StoreUri uri, StoreOptions options)
    {
        Root = uri with { Key = "" };
        var (account, container) = Split(uri);
        ContainerNames.Check(container, Root.ToString());
        _container = container;
        _client = AzureClient.Shared(AzureOptions.Read(options, Root), account, Root.ToString());
    }

    internal AzureStore(StoreUri root, AzureClient client)
    {
        Root = root;
        _client = client;
        _container = Split(root).Container;
    }

    public override StoreUri Root { get; }

    public override int RequestsAtOnce => _client.InFlight.Requests;

    public override bool IsSameAs(ObjectStore other) => other is AzureStore same && same._client == _client && same.Root == Root;

    protected override ValueTask<bool> IsOneObjectAsync(string key, ObjectStore other, string otherKey, bool moves, CancellationToken cancel) =>
        ValueTask.FromResult(other is AzureStore same && key == otherKey && _container == same._container
            && string.Equals(_client.Account.Endpoint, same._client.Account.Endpoint, StringComparison.OrdinalIgnoreCase));

    public override IReadOnlyCollection<string> WritableAttributes => BlobHeaders.WritableNames;

    public override ValueTask<ObjectMeta> HeadAsync(string key, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        AzureKey.Check(Root, key);
        return MetaAsync(key, cancel);
    }

    async ValueTask<ObjectMeta> MetaAsync(string key, CancellationToken cancel) =>
        (await FindAsync(key, null, cancel).ConfigureAwait(false)).Meta;

    ValueTask<Blob> FindAsync(string key, string? ifMatch, CancellationToken cancel) =>
        _client.SendAsync(Request(HttpMethod.Head, key).SayIfMatch(ifMatch), answer => BlobHeaders.Read(key, answer), cancel);

    async ValueTask<Blob?> FindOrNullAsync(string key, CancellationToken cancel)
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

    AzureRequest Request(HttpMethod method, string key, HttpBody? body = null, TimeSpan? patience = null) =>
        new(method, _container, key, Root.Child(key)) { Body = body, Patience = patience };

    static (string Account, string Container) Split(StoreUri uri)
    {
        int slash = uri.Container.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (uri.Container, "") : (uri.Container[..slash], uri.Container[(slash + 1)..]);
    }
}
