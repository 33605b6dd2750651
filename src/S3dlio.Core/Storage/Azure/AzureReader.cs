using S3dlio.Storage.Http;

namespace S3dlio.Storage.Azure;

public sealed partial class AzureStore
{
    /// <summary>One version of a blob: every request but the first names its ETag.</summary>
    sealed class AzureReader(AzureStore store, ObjectMeta meta, TransferHints hints, HttpAnswer? first, long firstOffset) : ObjectReader
    {
        // the answer that opened the object, from where its body has not been read; whoever takes it out owns it
        Opened? _opened = first is null ? null : new Opened(first, firstOffset);
        int _closed;

        public override ObjectMeta Meta => meta;

        public override TransferHints Hints => hints;

        public override ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
        {
            cancel.ThrowIfCancellationRequested();
            string uri = store.Root.Child(meta.Key);
            if (Volatile.Read(ref _closed) != 0)
                throw new StoreException(ErrorKind.Closed, uri, "the reader was disposed");
            if (offset < 0 || offset > meta.Size || destination.Length > meta.Size - offset)
                throw new StoreException(ErrorKind.InvalidArgument, uri, $"bytes {offset} and {destination.Length} more lie outside the object, which has {meta.Size} bytes");
            return destination.Length == 0 ? ValueTask.CompletedTask : FillAsync(offset, destination, cancel);
        }

        public override ValueTask DisposeAsync()
        {
            Volatile.Write(ref _closed, 1);
            Interlocked.Exchange(ref _opened, null)?.Answer.Dispose();
            return ValueTask.CompletedTask;
        }

        async ValueTask FillAsync(long offset, Memory<byte> destination, CancellationToken cancel)
        {
            int done = 0;
            string uri = store.Root.Child(meta.Key);
            while (done < destination.Length)
            {
                // a body that breaks is taken up again from the byte it reached, and counts as a new beginning
                await store._client.Retry.RunAsync(uri, async (attempts, stop) =>
                {
                    using var place = await store._client.InFlight.EnterAsync(1, 0, stop).ConfigureAwait(false);
                    var opened = Take(offset + done) ?? new Opened(await AskAsync(offset + done, destination.Length - done, stop).ConfigureAwait(false), offset + done);
                    var answer = opened.Answer;
                    long before = answer.Position;
                    int count = (int)Math.Min(destination.Length - done, opened.Left);
                    bool complete = false;
                    try
                    {
                        await answer.ReadExactlyAsync(destination.Slice(done, count), stop).ConfigureAwait(false);
                        complete = true;
                    }
                    finally
                    {
                        int moved = (int)(answer.Position - before);
                        done += moved;
                        attempts.Advanced = moved > 0;
                        if (complete && opened.Left > 0)
                            Keep(opened with { Offset = opened.Offset + moved });
                        else
                            answer.Dispose();
                    }
                    return true;
                }, cancel).ConfigureAwait(false);
            }
        }

        Opened? Take(long offset)
        {
            var opened = Volatile.Read(ref _opened);
            return opened is not null && opened.Offset == offset && Interlocked.CompareExchange(ref _opened, null, opened) == opened ? opened : null;
        }

        void Keep(Opened opened)
        {
            if (Interlocked.CompareExchange(ref _opened, opened, null) is not null || (Volatile.Read(ref _closed) != 0 && Interlocked.CompareExchange(ref _opened, null, opened) == opened))
                opened.Answer.Dispose();
        }

        async ValueTask<HttpAnswer> AskAsync(long offset, int length, CancellationToken cancel)
        {
            var request = store.Request(HttpMethod.Get, meta.Key).SayRange(offset, offset + length - 1).SayIfMatch(meta.ETag);
            var answer = await store._client.AttemptAsync(request, cancel).ConfigureAwait(false);
            try
            {
                BlobHeaders.CheckRange(answer, offset, length, meta.Size);
                return answer;
            }
            catch
            {
                answer.Dispose();
                throw;
            }
        }

        /// <param name="Answer">With its body read up to its position.</param>
        /// <param name="Offset">Where in the object that position lies.</param>
        sealed record Opened(HttpAnswer Answer, long Offset)
        {
            public long Left => (Answer.Length ?? 0) - Answer.Position;
        }
    }
}
