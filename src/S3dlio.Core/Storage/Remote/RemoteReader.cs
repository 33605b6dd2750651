using S3dlio.Hashing;
using S3dlio.Http;

namespace S3dlio.Storage.Remote;

/// <summary>
/// One version of one object. The response to the opening request serves sequential reads from its position; all other reads are ranged
/// GETs of their own, which name the version's ETag and are compared with it.
/// </summary>
/// <param name="store">Its store.</param>
/// <param name="meta">The object.</param>
/// <param name="first">The answer that opened it, with its body unread.</param>
/// <param name="firstStart">Offset in the object at which that body begins.</param>
/// <param name="firstEnd">How far it is read at most: an answer with all of a large object is not.</param>
sealed class RemoteReader(RemoteStore store, ObjectMeta meta, HttpResponse? first, long firstStart, long firstEnd) : ObjectReader
{
    // a small first read is a header's; what is read next often begins in the middle of it
    const int KeptLength = 64 << 10;

    // skipping this much of an open answer is cheaper than a request
    const int Skip = 64 << 10;

    /// <summary>Bytes that pass on a connection while another request would be answered.</summary>
    const int Gap = 1 << 20;

    /// <summary>Less before a silence is no advance: who lets a byte go before each would be asked for ever.</summary>
    const int WorthAnAttempt = 64 << 10;

    /// <summary>One object's requests at once, whatever the whole client may have.</summary>
    const int ReadsAtOnce = 16;

    readonly string _uri = store.Root.Child(meta.Key);
    HttpResponse? _first = first;
    byte[]? _kept;
    bool _disposed;

    public override ObjectMeta Meta => meta;

    public override TransferHints Hints => new(store.Client.Http.PartSize, InOrder ? 1 : Math.Min(store.RequestsAtOnce, ReadsAtOnce), Gap);

    /// <summary>All of it is to be read from the first answer, one piece behind the other.</summary>
    public bool InOrder { get; init; }

    /// <summary>See <see cref="ReadOptions.KeepsHead"/>.</summary>
    public bool KeepsHead { get; init; }

    public override bool ReadsManyAtOnce => true;

    public override async ValueTask<BlockChecksums?> FindBlocksAsync(CancellationToken cancel) =>
        meta.Blocks ?? await store.FindBlocksAsync(meta, cancel).ConfigureAwait(false);

    public override ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel) =>
        ReadAsync([new ReadRange(offset, destination)], cancel);

    public override async ValueTask ReadAsync(IReadOnlyList<ReadRange> segments, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (_disposed)
            throw new StoreException(ErrorKind.Closed, _uri, "the reader was disposed");
        var cursor = new Cursor(segments);
        Check(segments);
        while (cursor.Next is { } wanted)
        {
            if (Kept(wanted) is var known and > 0)
                cursor.Advance(known);
            else if (await TryReadOnAsync(wanted, cancel).ConfigureAwait(false) is var read and > 0)
                cursor.Advance(read);
            else
                await FetchAsync(cursor, cancel).ConfigureAwait(false);
        }
    }

    public override ValueTask DisposeAsync()
    {
        _disposed = true;
        Interlocked.Exchange(ref _first, null)?.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>A single attempt at a ranged GET of this version; its answer has been compared with what was asked for.</summary>
    /// <exception cref="HttpFailure">It failed, perhaps only this time.</exception>
    async ValueTask<HttpResponse> RequestAsync(long offset, long length, CancellationToken cancel)
    {
        // a weak tag is no condition that could ever hold
        string? condition = meta.ETag is { } tag && !ETags.IsWeak(tag) ? tag : null;
        HttpResponse? answer = null;
        try
        {
            answer = await store.Client.AttemptAsync(store.GetRequest(meta.Key, (offset, length), condition), cancel).ConfigureAwait(false);
            // before the range: another version may have another length
            CheckVersion(answer);
            var (_, size) = RemoteStore.Place(_uri, answer, offset, length);
            return size == meta.Size ? answer
                : throw StoreException.Precondition(_uri,
                    $"the object had {meta.Size} bytes when it was opened and has {size} now: it was written since");
        }
        catch (HttpFailure failure) when (failure.Status == 412)
        {
            throw StoreException.Precondition(_uri,
                $"the object was written while it was read: ETag {meta.ETag} is no longer its own; open it again");
        }
        catch (HttpFailure failure) when (failure.Status == 416)
        {
            throw StoreException.Precondition(_uri,
                $"the object had {meta.Size} bytes when it was opened and has fewer now: it was written since", offset);
        }
        catch
        {
            answer?.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Compares an answer with the version that was opened. Servers that ignore If-Match would otherwise mix two versions; one that leaves
    /// the tag out has its date compared.
    /// </summary>
    /// <exception cref="StoreException">Precondition.</exception>
    void CheckVersion(HttpResponse answer)
    {
        var tag = ETags.Bare(answer.Header("ETag"));
        if (answer.Header("Content-Encoding") is { } coding && coding != meta.Attributes.GetValueOrDefault("content_encoding")
            && answer.Call.Method == HttpMethod.Get)
            throw StoreException.InvalidData(_uri, HttpFault.Encoded(answer.Call, coding));
        bool isSame = tag is not null && meta.ETag is not null ? ETags.AreSame(tag, meta.ETag)
            : answer.Date("Last-Modified") is not { } modified || meta.LastModified == default || modified == meta.LastModified;
        if (!isSame)
            throw StoreException.Precondition(_uri,
                $"the object was written while it was read: its ETag was {meta.ETag}, now it is "
                + $"{tag ?? "not named and its date is another"}; open it again");
    }

    void Check(IReadOnlyList<ReadRange> segments)
    {
        long end = 0;
        for (int i = 0; i < segments.Count; i++)
        {
            var segment = segments[i];
            if (segment.Offset < end || segment.Offset > meta.Size - segment.Target.Length)
                throw StoreException.InvalidArgument(_uri,
                    $"bytes {segment.Offset}..{segment.End} were asked for behind {end}, the object has {meta.Size}");
            end = segment.End;
        }
    }

    int Kept(ReadRange wanted)
    {
        if (Volatile.Read(ref _kept) is not { } kept || wanted.Offset < firstStart || wanted.Offset >= firstStart + kept.Length)
            return 0;
        var known = kept.AsSpan((int)(wanted.Offset - firstStart));
        known = known[..Math.Min(known.Length, wanted.Target.Length)];
        known.CopyTo(wanted.Target.Span);
        return known.Length;
    }

    /// <summary>Reads from the answer that opened the object, as far as it goes.</summary>
    /// <returns>Bytes read; where the answer broke off or is elsewhere, the rest is for a new request.</returns>
    async ValueTask<int> TryReadOnAsync(ReadRange wanted, CancellationToken cancel)
    {
        if (Volatile.Read(ref _first) is not { } seen || wanted.Offset - (firstStart + seen.Position) is < 0 or > Skip)
            return 0;
        if (Interlocked.Exchange(ref _first, null) is not { } answer)
            return 0;
        bool keep = false;
        long before = 0;
        try
        {
            long gap = wanted.Offset - (firstStart + answer.Position);
            long left = firstEnd - wanted.Offset;
            // another read may have moved it since
            if (gap is < 0 or > Skip || left <= 0)
            {
                keep = left > 0;
                return 0;
            }
            before = answer.Position + gap;
            await SkipAsync(answer, gap, cancel).ConfigureAwait(false);
            int length = (int)Math.Min(left, wanted.Target.Length);
            bool isStart = before == 0 && length <= KeptLength && (KeepsHead || left > length);
            await answer.ReadExactlyAsync(wanted.Target[..length], cancel).ConfigureAwait(false);
            if (isStart)
                Volatile.Write(ref _kept, wanted.Target[..length].ToArray());
            keep = left > length;
            return length;
        }
        catch (HttpFailure failure) when (failure.Transient)
        {
            return (int)Math.Min(wanted.Target.Length, Math.Max(0, answer.Position - before));
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

    /// <summary>A ranged GET of all that is left; when its body breaks off the next attempt asks for what is missing.</summary>
    async ValueTask FetchAsync(Cursor cursor, CancellationToken cancel)
    {
        await store.Client.Retry.RunAsync(_uri, async (attempts, stop) =>
        {
            using var place = await store.Client.InFlight.EnterAsync(1, 0, stop).ConfigureAwait(false);
            if (cursor.Next is not { } begin)
                return true;
            using var answer = await RequestAsync(begin.Offset, cursor.End - begin.Offset, stop).ConfigureAwait(false);
            long gained = 0;
            while (cursor.Next is { } wanted)
            {
                await SkipAsync(answer, wanted.Offset - (begin.Offset + answer.Position), stop).ConfigureAwait(false);
                long before = answer.Position;
                try
                {
                    await answer.ReadExactlyAsync(wanted.Target, stop).ConfigureAwait(false);
                }
                catch (HttpFailure failure)
                {
                    attempts.Advanced = gained + answer.Position - before >= (failure.Error.Kind == ErrorKind.Timeout ? WorthAnAttempt : 1);
                    throw;
                }
                finally
                {
                    int moved = (int)(answer.Position - before);
                    cursor.Advance(moved);
                    gained += moved;
                }
            }
            return true;
        }, cancel).ConfigureAwait(false);
    }

    static async ValueTask SkipAsync(HttpResponse answer, long length, CancellationToken cancel)
    {
        if (length == 0)
            return;
        byte[] unwanted = System.Buffers.ArrayPool<byte>.Shared.Rent((int)Math.Min(length, Skip));
        for (; length > 0; length -= Math.Min(length, unwanted.Length))
            await answer.ReadExactlyAsync(unwanted.AsMemory(0, (int)Math.Min(length, unwanted.Length)), cancel).ConfigureAwait(false);
        System.Buffers.ArrayPool<byte>.Shared.Return(unwanted);
    }

    /// <summary>How far a list of segments has been read.</summary>
    sealed class Cursor(IReadOnlyList<ReadRange> segments)
    {
        int _at, _done;

        /// <summary>What is left of the segment that comes next; null when all is read.</summary>
        public ReadRange? Next
        {
            get
            {
                while (_at < segments.Count && _done == segments[_at].Target.Length)
                    (_at, _done) = (_at + 1, 0);
                return _at == segments.Count ? null : new ReadRange(segments[_at].Offset + _done, segments[_at].Target[_done..]);
            }
        }

        public long End => segments[^1].End;

        public void Advance(int count) => _done += count;
    }
}
