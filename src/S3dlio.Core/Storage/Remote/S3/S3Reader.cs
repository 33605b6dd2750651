using S3dlio.Hashing;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>One version of one object: every request but the first names its ETag.</summary>
sealed class S3Reader(S3Store store, ObjectMeta meta, HttpAnswer? first, long firstStart, long firstEnd)
    : HttpReader(store.Root.Child(meta.Key), meta, store.Client.Reading, first, firstStart, firstEnd)
{
    public override async ValueTask<BlockChecksums?> FindBlocksAsync(CancellationToken cancel) =>
        Meta.Blocks ?? await store.FindPartsAsync(Meta, cancel).ConfigureAwait(false);

    protected override async ValueTask<HttpAnswer> AskAsync(long offset, long length, CancellationToken cancel)
    {
        HttpAnswer? answer = null;
        try
        {
            answer = await store.Client.AttemptAsync(store.Get(Meta.Key, offset, length, Condition), cancel).ConfigureAwait(false);
            var (_, size) = S3Store.Place(Uri, answer, offset);
            if (size != Meta.Size)
                throw new StoreException(ErrorKind.Precondition, Uri, $"the object had {Meta.Size} bytes when it was opened and has {size} now: it was written since");
            CheckVersion(answer);
            return answer;
        }
        catch (HttpFailure failure) when (failure.Status == 412)
        {
            throw new StoreException(ErrorKind.Precondition, Uri, $"the object was written while it was read: ETag {Meta.ETag} is no longer its own; open it again");
        }
        catch (HttpFailure failure) when (failure.Status == 416)
        {
            throw new StoreException(ErrorKind.Precondition, Uri, $"the object had {Meta.Size} bytes when it was opened and has fewer now: it was written since", offset);
        }
        catch
        {
            answer?.Dispose();
            throw;
        }
    }
}
