namespace S3dlio.Http;

/// <summary>
/// The body of a request, sent straight from the caller's memory. <see cref="LetGoAsync"/> gives the memory back: when it is done
/// nothing reads from it any more, whatever became of the request.
/// </summary>
sealed class HttpBody(IReadOnlyList<ReadOnlyMemory<byte>> pieces, IProgress<long>? progress = null)
{
    // between two slices progress is told and the idle timer started anew
    const int SliceLength = 1 << 20;

    public HttpBody(ReadOnlyMemory<byte> bytes, IProgress<long>? progress = null)
        : this([bytes], progress)
    {
    }

    public long Length { get; } = Sum(pieces);

    Sending? _last;

    /// <summary>Copies all of it, which is little, behind a request's head; <see cref="Sent"/> is called when that went.</summary>
    public void CopyTo(Span<byte> target)
    {
        _last = new Sending(this, static () => { });
        foreach (var piece in pieces)
        {
            piece.Span.CopyTo(target);
            target = target[piece.Length..];
        }
    }

    /// <summary>What was copied has gone.</summary>
    public void Sent() => _last!.Sent();

    /// <summary>Sends it piece by piece; ends early when <paramref name="enough"/> says so.</summary>
    public async ValueTask SendAsync(Func<ReadOnlyMemory<byte>, ValueTask> send, Action alive, Func<bool> enough)
    {
        var sending = _last = new Sending(this, alive);
        await sending.WriteAsync(send, enough).ConfigureAwait(false);
    }

    public ValueTask LetGoAsync(bool succeeded) => _last is { } sending ? sending.LetGoAsync(succeeded) : ValueTask.CompletedTask;

    static long Sum(IReadOnlyList<ReadOnlyMemory<byte>> pieces)
    {
        long sum = 0;
        foreach (var piece in pieces)
            sum += piece.Length;
        return sum;
    }

    /// <summary>One attempt's way through the memory.</summary>
    sealed class Sending(HttpBody body, Action alive)
    {
        readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
        readonly Lock _gate = new();
        bool _running;
        bool _closed;
        long _sent;

        public async ValueTask LetGoAsync(bool succeeded)
        {
            lock (_gate)
            {
                _closed = true;
                if (!_running)
                    _idle.TrySetResult();
            }
            await _idle.Task.ConfigureAwait(false);
            if (!succeeded && _sent > 0)
                // the next attempt counts these bytes again
                body.Progress?.Report(-_sent);
        }

        public void Sent()
        {
            _sent = body.Length;
            body.Progress?.Report(body.Length);
        }

        public async Task WriteAsync(Func<ReadOnlyMemory<byte>, ValueTask> send, Func<bool> enough)
        {
            lock (_gate)
            {
                if (_closed)
                    throw new OperationCanceledException("the request has ended");
                _running = true;
            }
            try
            {
                foreach (var piece in body.Pieces)
                {
                    for (int at = 0; at < piece.Length && !enough(); at += SliceLength)
                    {
                        int length = Math.Min(SliceLength, piece.Length - at);
                        await send(piece.Slice(at, length)).ConfigureAwait(false);
                        alive();
                        _sent += length;
                        body.Progress?.Report(length);
                    }
                }
            }
            finally
            {
                lock (_gate)
                {
                    _running = false;
                    if (_closed)
                        _idle.TrySetResult();
                }
            }
        }
    }

    IReadOnlyList<ReadOnlyMemory<byte>> Pieces => pieces;

    IProgress<long>? Progress => progress;
}
