namespace S3dlio.Storage.Remote;

/// <summary>The containers of an account.</summary>
abstract class RemoteContainers(RemoteClient client, string account) : ContainerService
{
    const int ListLimit = 64 << 20;

    public override async ValueTask<bool> ExistsAsync(string name, CancellationToken cancel)
    {
        try
        {
            return await client.SendAsync(Request(HttpMethod.Head, name), cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.NotFound && error.Reason != ErrorReason.NoSuchAccount)
        {
            return false;
        }
    }

    public override async ValueTask<IReadOnlyList<ContainerInfo>> ListAsync(CancellationToken cancel)
    {
        var all = new List<ContainerInfo>();
        string? next = null;
        do
        {
            var request = ListRequest(next);
            string? last = next;
            next = await client.SendAsync(request, ListLimit, text => ReadPage(text, all), cancel).ConfigureAwait(false);
            if (next is not null && next == last)
                throw StoreException.InvalidData(account, "the listing does not advance: the service names the same continuation twice");
        }
        while (next is not null);
        return all;
    }

    protected string Account => account;

    /// <summary>A request to one container.</summary>
    protected abstract RemoteRequest Request(HttpMethod method, string name);

    /// <param name="next">What the page before named as its continuation; null for the first.</param>
    protected abstract RemoteRequest ListRequest(string? next);

    /// <returns>What asks for the next page; null at the end.</returns>
    protected abstract string? ReadPage(ReadOnlyMemory<byte> text, List<ContainerInfo> all);
}
