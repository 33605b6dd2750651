namespace S3dlio.Storage.Remote;

abstract partial class RemoteStore
{
    /// <summary>The request for an object's tags.</summary>
    protected abstract RemoteRequest TagsRequest(string key);

    /// <summary>The service says with each object how many tags it has, unless it has none.</summary>
    protected abstract bool CountsTags { get; }

    /// <summary>What the server should be, with its article, for messages.</summary>
    protected abstract string Service { get; }

    public override async ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        CheckKey(source);
        CheckKey(destination);
        if (source == destination && !options.Describes)
            return await OntoItselfAsync(destination, options, cancel).ConfigureAwait(false);
        return await CopySeenAsync(
            (await FindAsync(source, null, cancel).ConfigureAwait(false)).Meta, destination, options, cancel).ConfigureAwait(false);
    }

    /// <summary>
    /// The tags that a copy has to be given where the server does not take them along. A server that does not answer has no tags.
    /// </summary>
    protected async ValueTask<IReadOnlyDictionary<string, string>?> TagsToCopyAsync(ObjectMeta origin, CancellationToken cancel)
    {
        string? count = origin.Attributes.GetValueOrDefault("tag_count");
        if (count is "0" || (count is null && CountsTags))
            return null;
        try
        {
            var request = TagsRequest(origin.Key);
            var tags = await client.SendAsync(
                request, ObjectTags.Limit, text => ObjectTags.Parse(text, request.Subject, Service), cancel).ConfigureAwait(false);
            return tags.Count > 0 ? tags : null;
        }
        catch (StoreException) when (count is null)
        {
            return null;
        }
    }
}
