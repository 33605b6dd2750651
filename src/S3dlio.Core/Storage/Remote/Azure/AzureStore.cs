using System.Globalization;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>
/// A container of Azure's Blob service, spoken to over its REST interface: <c>az://account/container</c>. Objects are block blobs; their
/// CRC32C is kept in metadata.
/// </summary>
sealed partial class AzureStore : RemoteStore
{
    public const string ServiceName = "a Blob service";

    readonly AzureClient _client;

    public AzureStore(StoreUri uri, StoreOptions options)
        : this(uri with { Key = "" }, AzureClient.Shared(
                AzureOptions.Read(options, uri with { Key = "" }), Split(uri).Account, (uri with { Key = "" }).ToString())) =>
        ContainerNames.Check(Container, Root.ToString());

    internal AzureStore(StoreUri root, AzureClient client)
        : base(root, Split(root).Container, client) => _client = client;

    public override string Origin => _client.Account.Endpoint.ToLowerInvariant();

    public override IReadOnlyCollection<string> WritableAttributes => BlobHeaders.WritableNames;

    public override int MostParts => 50_000;

    public override int WriterPartsAtOnce => 4;

    public override TransferHash TransferHash => _client.TransferHash;

    protected override string Service => ServiceName;

    protected override bool CountsTags => true;

    protected override bool IsSameService(RemoteStore other) =>
        other is AzureStore same
            && string.Equals(_client.Account.Endpoint, same._client.Account.Endpoint, StringComparison.OrdinalIgnoreCase);

    protected override void CheckKey(string key) => AzureKey.Check(Root, key);

    protected override void CheckListedKey(string key) => AzureKey.CheckListed(Root, key);

    protected override RemoteRequest TagsRequest(string key) => Request(HttpMethod.Get, key).WithQuery("comp", "tags");

    public override RemoteRequest GetRequest(string key, (long Begin, long Length)? range, string? ifMatch, int alsoAccept = 0)
    {
        var (begin, length) = range ?? (0, long.MaxValue);
        return new RemoteRequest(HttpMethod.Get, Container, key, Root.Child(key)) { AlsoAccept = alsoAccept, Tally = Tally }
            .WithHeader("x-ms-range", begin + length == long.MaxValue
                    ? string.Create(CultureInfo.InvariantCulture, $"bytes={begin}-")
                    : Range(begin, length))
            .WithIfMatch(ifMatch);
    }

    protected override RemoteObject Describe(string key, HttpResponse answer, long? size) =>
        BlobHeaders.Read(key, answer, size ?? Size(answer));

    protected override RemoteRequest DeleteRequest(string key, string? ifMatch) =>
        Request(HttpMethod.Delete, key).WithHeader(
            "x-ms-delete-snapshots", _client.Options.DeleteSnapshots ? "include" : null).WithIfMatch(ifMatch);

    protected override bool IsMissing(HttpFailure failure) => failure.Code == "BlobNotFound";

    static (string Account, string Container) Split(StoreUri uri)
    {
        int slash = uri.Container.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (uri.Container, "") : (uri.Container[..slash], uri.Container[(slash + 1)..]);
    }
}
