using S3dlio.IO;
using S3dlio.Http;

namespace S3dlio.Storage.Remote;

abstract partial class RemoteStore
{
    protected abstract RemoteRequest DeleteRequest(string key, string? ifMatch);

    /// <summary>The failure says that the object is not there, and not its container.</summary>
    protected abstract bool IsMissing(HttpFailure failure);

    /// <summary>An error of a single deletion that all others would meet too: it ends them.</summary>
    protected virtual bool EndsDeletion(StoreException error) => false;

    /// <exception cref="StoreException">InvalidArgument for a key that no listing of the service can hold.</exception>
    protected virtual void CheckListedKey(string key) => ObjectKey.CheckListed(Root, key);

    public override async ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        foreach (string key in keys)
            CheckListedKey(key);
        var failures = new List<DeleteFailure>();
        await DeleteAsync([.. keys.Distinct(StringComparer.Ordinal)], failures, cancel).ConfigureAwait(false);
        return failures;
    }

    /// <summary>Deletes one by one, in parallel.</summary>
    /// <param name="keys">Each once.</param>
    /// <param name="failures">Gets what could not be deleted; locked.</param>
    protected virtual Task DeleteAsync(IReadOnlyList<string> keys, List<DeleteFailure> failures, CancellationToken cancel) =>
        ParallelWork.ForAsync(keys.Count, RequestsAtOnce, async (i, stop) =>
        {
            try
            {
                await DeleteAsync(keys[i], null, stop).ConfigureAwait(false);
            }
            catch (StoreException error) when (!EndsDeletion(error))
            {
                lock (failures)
                    failures.Add(new DeleteFailure(keys[i], error));
            }
        }, cancel, WorkerThreads.Pool);

    /// <remarks>
    /// Amazon S3, Azure and newer gateways take the condition. A server that does not know it deletes all the same what it was asked about
    /// a moment before; and where a tag is the content's, the same bytes written again in that moment pass for those that were seen.
    /// </remarks>
    protected override async ValueTask<bool> DeleteMatchingAsync(string key, ObjectMeta seen, CancellationToken cancel)
    {
        try
        {
            await DeleteAsync(key, seen.ETag is { } tag && !ETags.IsWeak(tag) ? tag : null, cancel).ConfigureAwait(false);
            return true;
        }
        catch (StoreException error) when (error.Kind == ErrorKind.Precondition)
        {
            return false;
        }
    }

    async ValueTask DeleteAsync(string key, string? ifMatch, CancellationToken cancel)
    {
        var request = DeleteRequest(key, ifMatch);
        await client.Retry.RunAsync(request.Subject, async (_, stop) =>
        {
            try
            {
                return await client.OnceAsync(request, static _ => true, stop).ConfigureAwait(false);
            }
            catch (HttpFailure failure) when (IsMissing(failure))
            {
                // as wanted: it was never there, or the answer of an earlier attempt was lost
                return true;
            }
        }, cancel).ConfigureAwait(false);
    }
}
