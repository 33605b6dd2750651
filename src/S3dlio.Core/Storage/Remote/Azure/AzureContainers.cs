using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>The containers of an account.</summary>
sealed class AzureContainers(AzureClient client, StoreUri account) : RemoteContainers(client, account.ToString())
{
    /// <param name="uri">Any address in the account.</param>
    /// <param name="options">As for a store.</param>
    public static AzureContainers Open(StoreUri uri, StoreOptions options)
    {
        string name = uri.Container.Split('/')[0];
        var account = new StoreUri(uri.Scheme, name, "");
        return new AzureContainers(AzureClient.Shared(AzureOptions.Read(options, account), name, account.ToString()), account);
    }

    public override async ValueTask CreateAsync(string name, CancellationToken cancel) =>
        await RunAsync(Request(HttpMethod.Put, name), static failure => failure.Code == "ContainerAlreadyExists", cancel)
            .ConfigureAwait(false);

    public override async ValueTask DeleteAsync(string name, CancellationToken cancel)
    {
        // the service would delete it with everything in it
        var list = Request(HttpMethod.Get, name).WithQuery("comp", "list").WithQuery("maxresults", "1");
        var found = await client.SendAsync(list, 1 << 20, text => ListResponse.Parse(text, list.Subject), cancel).ConfigureAwait(false);
        if (found.Entries.Count > 0)
            throw StoreException.Precondition(list.Subject, $"the container '{name}' is not empty; delete what is in it first");
        bool unknown = false;
        await RunAsync(Request(HttpMethod.Delete, name), failure =>
        {
            // an attempt whose answer was lost may have done it
            bool done = unknown && failure.Code is "ContainerNotFound" or "ContainerBeingDeleted";
            unknown |= failure.OutcomeUnknown;
            return done;
        }, cancel).ConfigureAwait(false);
    }

    protected override RemoteRequest Request(HttpMethod method, string name)
    {
        string uri = $"{account.Scheme}://{account.Container}/{name}";
        ContainerNames.Check(name, uri);
        return new RemoteRequest(method, name, "", uri).WithQuery("restype", "container");
    }

    protected override RemoteRequest ListRequest(string? next) =>
        new RemoteRequest(HttpMethod.Get, "", "", Account).WithQuery("comp", "list").WithQuery("marker", next);

    protected override string? ReadPage(ReadOnlyMemory<byte> text, List<ContainerInfo> all)
    {
        var (found, marker) = Parse(text, Account);
        all.AddRange(found);
        return marker;
    }

    internal static (List<ContainerInfo> Found, string? Marker) Parse(ReadOnlyMemory<byte> text, string uri) =>
        ServiceXml.Read(text, uri, AzureStore.ServiceName, static xml =>
    {
        var found = new List<ContainerInfo>();
        string? marker = null;
        while (xml.Next() is { } name)
        {
            if ((xml.Depth, name) is (3, "Name"))
                found.Add(new ContainerInfo(xml.Text(), null));
            else if ((xml.Depth, name) is (1, "NextMarker"))
                marker = xml.Text() is { Length: > 0 } text ? text : null;
        }
        return (found, marker);
    });

    async ValueTask RunAsync(RemoteRequest request, Func<HttpFailure, bool> isDone, CancellationToken cancel) =>
        await client.Retry.RunAsync(request.Subject, async (_, stop) =>
        {
            try
            {
                return await client.OnceAsync(request, static _ => true, stop).ConfigureAwait(false);
            }
            catch (HttpFailure failure) when (isDone(failure))
            {
                return true;
            }
        }, cancel).ConfigureAwait(false);
}
