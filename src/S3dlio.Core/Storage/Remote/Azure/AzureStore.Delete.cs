using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.Azure;

public sealed partial class AzureStore
{
    public override async ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        foreach (string key in keys)
            AzureKey.CheckListed(Root, key);
        var failures = new List<DeleteFailure>();
        // the service's batches cost it as much as their parts do, and hide which part failed how
        await Crew.RunAsync(keys.Count, _client.InFlight.Requests, async (i, stop) =>
        {
            try
            {
                await DeleteAsync(keys[i], stop).ConfigureAwait(false);
            }
            catch (StoreException error)
            {
                lock (failures)
                    failures.Add(new DeleteFailure(keys[i], error));
            }
        }, cancel).ConfigureAwait(false);
        return failures;
    }

    protected override async ValueTask<bool> DeleteMatchingAsync(string key, ObjectMeta seen, CancellationToken cancel)
    {
        try
        {
            // each write gets a tag of its own here
            await DeleteAsync(key, cancel, seen.ETag).ConfigureAwait(false);
            return true;
        }
        catch (StoreException error) when (error.Kind == ErrorKind.Precondition)
        {
            return false;
        }
    }

    async ValueTask DeleteAsync(string key, CancellationToken cancel, string? ifMatch = null)
    {
        var request = Request(HttpMethod.Delete, key).Say("x-ms-delete-snapshots", _client.Options.DeleteSnapshots ? "include" : null).SayIfMatch(ifMatch);
        await _client.Retry.RunAsync(request.Subject, async (_, stop) =>
        {
            try
            {
                return await _client.OnceAsync(request, static answer => answer.Status, stop).ConfigureAwait(false);
            }
            catch (HttpFailure failure) when (failure.Code == "BlobNotFound")
            {
                // that is what was wanted, whether it was never there or an earlier attempt's answer was lost
                return failure.Status;
            }
        }, cancel).ConfigureAwait(false);
    }
}
