using System.Xml;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.Azure;

/// <summary>The containers of an account.</summary>
sealed class AzureContainers : ContainerService
{
    readonly AzureClient _client;
    readonly StoreUri _account;

    /// <param name="uri">Any address in the account.</param>
    /// <param name="options">As for a store.</param>
    public AzureContainers(StoreUri uri, StoreOptions options)
    {
        string name = uri.Container.Split('/')[0];
        _account = new StoreUri(uri.Scheme, name, "");
        _client = AzureClient.Shared(AzureOptions.Read(options, _account), name, _account.ToString());
    }

    public override async ValueTask CreateAsync(string name, CancellationToken cancel)
    {
        var request = Request(HttpMethod.Put, name);
        await RunAsync(request, static failure => failure.Code == "ContainerAlreadyExists", cancel).ConfigureAwait(false);
    }

    public override async ValueTask DeleteAsync(string name, CancellationToken cancel)
    {
        // the service would delete it with everything in it
        var list = Request(HttpMethod.Get, name).Ask("comp", "list").Ask("maxresults", "1");
        var found = await _client.SendAsync(list, async (answer, stop) =>
            ListAnswer.Parse(await answer.ReadTextAsync(1 << 20, stop).ConfigureAwait(false), list.Subject), cancel).ConfigureAwait(false);
        if (found.Entries.Count > 0)
            throw new StoreException(ErrorKind.Precondition, list.Subject, $"the container '{name}' is not empty; delete what is in it first");
        bool unknown = false;
        await RunAsync(Request(HttpMethod.Delete, name), failure =>
        {
            // an attempt whose answer was lost may have done it
            bool done = unknown && failure.Code is "ContainerNotFound" or "ContainerBeingDeleted";
            unknown |= failure.OutcomeUnknown;
            return done;
        }, cancel).ConfigureAwait(false);
    }

    public override async ValueTask<bool> ExistsAsync(string name, CancellationToken cancel) =>
        await RunAsync(Request(HttpMethod.Head, name), static failure => failure.Status == 404, cancel).ConfigureAwait(false);

    public override async ValueTask<IReadOnlyList<ContainerInfo>> ListAsync(CancellationToken cancel)
    {
        var all = new List<ContainerInfo>();
        string? marker = null;
        do
        {
            var request = new AzureRequest(HttpMethod.Get, "", "", _account.ToString()).Ask("comp", "list").Ask("marker", marker);
            var (found, next) = await _client.SendAsync(request, async (answer, stop) =>
                Parse(await answer.ReadTextAsync(64 << 20, stop).ConfigureAwait(false), request.Subject), cancel).ConfigureAwait(false);
            all.AddRange(found);
            if (next is not null && next == marker)
                throw new StoreException(ErrorKind.InvalidData, _account.ToString(), "the listing does not advance: the service names the same continuation twice");
            marker = next;
        }
        while (marker is not null);
        return all;
    }

    /// <returns>False when it ended as <paramref name="expected"/> says.</returns>
    ValueTask<bool> RunAsync(AzureRequest request, Func<HttpFailure, bool> expected, CancellationToken cancel) =>
        _client.Retry.RunAsync(request.Subject, async (_, stop) =>
        {
            try
            {
                return await _client.OnceAsync(request, static _ => true, stop).ConfigureAwait(false);
            }
            catch (HttpFailure failure) when (expected(failure))
            {
                return false;
            }
        }, cancel);

    AzureRequest Request(HttpMethod method, string name)
    {
        string uri = $"{_account.Scheme}://{_account.Container}/{name}";
        ContainerNames.Check(name, uri);
        return new AzureRequest(method, name, "", uri).Ask("restype", "container");
    }

    internal static (List<ContainerInfo> Found, string? Marker) Parse(ReadOnlyMemory<byte> text, string uri)
    {
        var found = new List<ContainerInfo>();
        string? marker = null;
        try
        {
            using var xml = new AzureXml(text);
            xml.Root();
            while (xml.Next() is var (name, depth))
            {
                if (depth == 3 && name == "Name")
                    found.Add(new ContainerInfo(xml.Text(), null));
                else if (depth == 1 && name == "NextMarker")
                    marker = xml.Text();
            }
        }
        catch (XmlException error)
        {
            throw new StoreException(ErrorKind.InvalidData, uri, $"the answer is not the list that the Blob service sends: {error.Message}; check endpoint_url", cause: error);
        }
        return (found, marker is { Length: > 0 } ? marker : null);
    }
}
