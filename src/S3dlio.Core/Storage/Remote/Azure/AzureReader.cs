using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.Azure;

public sealed partial class AzureStore
{
    /// <summary>One version of a blob: every request but the first names its ETag.</summary>
    sealed class AzureReader(AzureStore store, ObjectMeta meta, HttpAnswer? first, long firstStart, long firstEnd)
        : HttpReader(store.Root.Child(meta.Key), meta, store._client.Reading, first, firstStart, firstEnd)
    {
        protected override async ValueTask<HttpAnswer> AskAsync(long offset, long length, CancellationToken cancel)
        {
            var request = store.Request(HttpMethod.Get, Meta.Key).SayRange(offset, offset + length - 1).SayIfMatch(Condition);
            HttpAnswer? answer = null;
            try
            {
                answer = await store._client.AttemptAsync(request, cancel).ConfigureAwait(false);
                // before the range: another version may have another length
                CheckVersion(answer);
                BlobHeaders.CheckRange(answer, offset, length, Meta.Size);
                return answer;
            }
            catch (HttpFailure failure) when (failure.Status == 412)
            {
                throw new StoreException(ErrorKind.Precondition, Uri, $"the object was written while it was read: ETag {Meta.ETag} is no longer its own; open it again");
            }
            catch
            {
                answer?.Dispose();
                throw;
            }
        }
    }
}
