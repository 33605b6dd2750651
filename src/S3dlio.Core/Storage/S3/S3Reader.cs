using S3dlio.Hashing;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.S3;

/// <summary>
/// One version of one object. The answer that opened it serves whoever reads on from where it stands; all other reads are ranged GETs of
/// their own, held to the same ETag.
/// </summary>
/// <param name="firstEnd">How far it is read at most: an answer with all of a large object is not.</param>
sealed class S3Reader(S3Store store, ObjectMeta meta, HttpAnswer? first, long firstStart, long firstEnd) : ObjectReader
{
    // a small first read is a header's; what is read next often begins in the middle of it
    const int KeptLength = 64 << 10;

    // skipping this much of an open answer is cheaper than a request
    const int Skip = 64 << 10;

    readonly string _uri = store.Root.Child(meta.Key);
    HttpAnswer? _first = first;
    byte[]? _kept;
    bool _disposed;

    public override ObjectMeta Meta => meta;

    public override TransferHints Hints { get; } =
        new(store.Client.Options.Http.PartSize, Math.Min(store.Client.Options.Http.MaxInFlight, 16), Gap: 1 << 20);

    public override async ValueTask<BlockChecksums?> FindBlocksAsync(CancellationToken cancel) =>
        meta.Blocks ?? await store.FindPartsAsync(meta, cancel).ConfigureAwait(false);

    public override async ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (_disposed)
            throw new StoreException(ErrorKind.Closed, _uri, "the reader was disposed");
        if (offset < 0 || offset > meta.Size - destination.Length)
            throw new StoreException(ErrorKind.InvalidArgument, _uri, $"bytes {offset}..{offset + destination.Length} were asked for, the object has {meta.Size}");
        if (Volatile.Read(ref _kept) is { } kept && offset >= firstStart && offset < firstStart + kept.Length && destination.Length > 0)
        {
            var known = kept.AsMemory((int)(offset - firstStart));
            known = known[..Math.Min(known.Length, destination.Length)];
            known.CopyTo(destination);
            destination = destination[known.Length..];
            offset += known.Length;
        }
        if (destination.Length == 0)
            return;
        int done = await TryReadOnAsync(offset, destination, cancel).ConfigureAwait(false);
        if (done < destination.Length)
            await FetchAsync(offset + done, destination[done..], cancel).ConfigureAwait(false);
    }

    public override ValueTask DisposeAsync()
    {
        _disposed = true;
        Interlocked.Exchange(ref _first, null)?.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Reads from the answer that opened the object, as far as it goes.</summary>
    /// <returns>Bytes read; where the answer broke off, the rest is for a new request.</returns>
    async ValueTask<int> TryReadOnAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        if (Volatile.Read(ref _first) is not { } seen || offset - (firstStart + seen.Position) is < 0 or > Skip)
            return 0;
        if (Interlocked.Exchange(ref _first, null) is not { } answer)
            return 0;
        bool keep = false;
        long before = 0;
        try
        {
            long gap = offset - (firstStart + answer.Position);
            long left = firstEnd - offset;
            // another read may have moved it since
            if (gap is < 0 or > Skip || left <= 0)
            {
                keep = left > 0;
                return 0;
            }
            if (gap > 0)
                await answer.ReadExactlyAsync(new byte[gap], cancel).ConfigureAwait(false);
            before = answer.Position;
            int length = (int)Math.Min(left, destination.Length);
            bool isStart = before == 0 && gap == 0 && length <= KeptLength && left > length;
            await answer.ReadExactlyAsync(destination[..length], cancel).ConfigureAwait(false);
            if (isStart)
                Volatile.Write(ref _kept, destination[..length].ToArray());
            keep = left > length;
            return length;
        }
        catch (HttpFailure failure) when (failure.Transient)
        {
            return (int)Math.Min(destination.Length, Math.Max(0, answer.Position - before));
        }
        catch (HttpFailure failure)
        {
            throw failure.Error;
        }
        finally
        {
            if (keep && !_disposed)
                Interlocked.Exchange(ref _first, answer)?.Dispose();
            else
                answer.Dispose();
            if (_disposed)
                Interlocked.Exchange(ref _first, null)?.Dispose();
        }
    }

    /// <summary>A ranged GET; when its body breaks off the next attempt asks for what is missing.</summary>
    async ValueTask FetchAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        int done = 0;
        var client = store.Client;
        await client.Retry.RunAsync(_uri, async (attempts, stop) =>
        {
            using var place = await client.InFlight.EnterAsync(1, 0, stop).ConfigureAwait(false);
            int before = done;
            long begin = offset + done;
            HttpAnswer? answer = null;
            try
            {
                answer = await client.AttemptAsync(store.Get(meta.Key, begin, destination.Length - done, meta.ETag), stop).ConfigureAwait(false);
                var (_, size) = S3Store.Place(_uri, answer, begin);
                if (size != meta.Size)
                    throw new StoreException(ErrorKind.Precondition, _uri, $"the object had {meta.Size} bytes when it was opened and has {size} now: it was written since");
                await answer.ReadExactlyAsync(destination[done..], stop).ConfigureAwait(false);
                return true;
            }
            catch (HttpFailure failure) when (failure.Status == 412)
            {
                throw new StoreException(ErrorKind.Precondition, _uri, $"the object was written while it was read: ETag {meta.ETag} is no longer its own; open it again");
            }
            catch (HttpFailure failure) when (failure.Status == 416)
            {
                throw new StoreException(ErrorKind.Precondition, _uri, $"the object had {meta.Size} bytes when it was opened and has fewer now: it was written since", begin);
            }
            finally
            {
                if (answer is not null)
                {
                    done = (int)Math.Min(destination.Length, before + answer.Position);
                    attempts.Advanced |= done > before;
                    answer.Dispose();
                }
            }
        }, cancel).ConfigureAwait(false);
    }
}
