namespace S3dlio.Storage.Multi;

public sealed partial class MultiStore
{
    /// <remarks>Deleted everywhere: an older object of that name elsewhere must not come back to light.</remarks>
    public override async ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        foreach (string key in keys)
            CheckIsKey(key);
        if (_options.Replicas)
            return await RunAnyAsync(store => store.DeleteAsync(keys, cancel)).ConfigureAwait(false);
        var answers = await Task.WhenAll(_endpoints.Select(async endpoint =>
        {
            try
            {
                return await endpoint.RunAsync(store => store.DeleteAsync(keys, cancel)).ConfigureAwait(false);
            }
            catch (StoreException error) when (Endpoint.IsDown(error))
            {
                return [.. keys.Select(key => new DeleteFailure(key, error))];
            }
        })).ConfigureAwait(false);
        foreach (string key in keys)
            _locations.Forget(key);
        return [.. answers.SelectMany(failures => failures).DistinctBy(failure => failure.Key)];
    }

    /// <remarks>The delete has its condition where the object is; the callers of this store take turns.</remarks>
    public override async ValueTask<bool> DeleteSeenAsync(string key, ObjectMeta seen, CancellationToken cancel)
    {
        CheckIsKey(key);
        if (_options.Replicas)
            return await RunAnyAsync(store => store.DeleteSeenAsync(key, seen, cancel)).ConfigureAwait(false);
        var claim = _claims[Place(key, _claims.Length)];
        await claim.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            return await DeleteSeenInTurnAsync(key, seen, cancel).ConfigureAwait(false);
        }
        finally
        {
            claim.Release();
        }
    }

    async ValueTask<bool> DeleteSeenInTurnAsync(string key, ObjectMeta seen, CancellationToken cancel)
    {
        var found = (await AskAllAsync(key, cancel).ConfigureAwait(false)).OrderBy(answer => answer.Meta?.LastModified).ToArray();
        if (Array.Find(found, answer => answer.Error is not null)?.Error is { } error)
            throw error;
        if (Newest(found) is not { } holder)
            return true;
        // older ones first, so that none comes back to light; only what was seen here, each on the condition that it is still that
        foreach (var (endpoint, meta, _) in found)
        {
            if (meta is not null && endpoint != holder)
                await endpoint.RunAsync(store => store.DeleteSeenAsync(key, meta, cancel)).ConfigureAwait(false);
        }
        bool deleted = await holder.RunAsync(store => store.DeleteSeenAsync(key, seen, cancel)).ConfigureAwait(false);
        if (deleted)
            _locations.Forget(key);
        return deleted;
    }

    public override async ValueTask<IReadOnlyList<UnfinishedUpload>> ListUploadsAsync(string prefix, CancellationToken cancel)
    {
        CheckIsKey(prefix);
        if (_options.Replicas)
            return await RunAnyAsync(store => store.ListUploadsAsync(prefix, cancel)).ConfigureAwait(false);
        var found = await Task.WhenAll(
            _endpoints.Select(
                endpoint => endpoint.RunAsync(store => store.ListUploadsAsync(prefix, cancel)).AsTask())).ConfigureAwait(false);
        return [.. found.SelectMany(static uploads => uploads).DistinctBy(
                static upload => (upload.Key, upload.Id)).OrderBy(static upload => upload.Key, ObjectKey.Order)];
    }

    /// <remarks>An upload does not say whose it is, and where it is not it counts as aborted.</remarks>
    public override async ValueTask AbortUploadAsync(UnfinishedUpload upload, CancellationToken cancel)
    {
        CheckIsKey(upload.Key);
        if (_options.Replicas)
            await RunAnyAsync(store => Endpoint.DoneAsync(store.AbortUploadAsync(upload, cancel))).ConfigureAwait(false);
        else
            await Task.WhenAll(_endpoints.Select(endpoint => endpoint.RunAsync(store => store.AbortUploadAsync(upload, cancel)).AsTask()))
                .ConfigureAwait(false);
    }
}
