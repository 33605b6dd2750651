namespace S3dlio.Http;

/// <summary>
/// The body of a request, sent straight from the caller's memory: nothing reads from it any more when an attempt has ended, whatever became
/// of the request.
/// </summary>
sealed class HttpBody(IReadOnlyList<ReadOnlyMemory<byte>> pieces, IProgress<long>? progress = null)
{
    // between two slices progress is told and the idle timer started anew
    const int SliceLength = 1 << 20;

    long _sent;

    public HttpBody(ReadOnlyMemory<byte> bytes, IProgress<long>? progress = null)
        : this([bytes], progress)
    {
    }

    public long Length { get; } = pieces.Sum(static piece => (long)piece.Length);

    /// <summary>Copies all of it, which is little, behind a request's head; <see cref="Sent"/> is called when that went.</summary>
    public void CopyTo(Span<byte> target)
    {
        _sent = 0;
        foreach (var piece in pieces)
        {
            piece.Span.CopyTo(target);
            target = target[piece.Length..];
        }
    }

    /// <summary>What was copied has gone.</summary>
    public void Sent() => Count(Length);

    /// <summary>Sends it piece by piece; ends early when <paramref name="enough"/> says so.</summary>
    public async ValueTask SendAsync(Func<ReadOnlyMemory<byte>, ValueTask> send, Action alive, Func<bool> enough)
    {
        _sent = 0;
        foreach (var piece in pieces)
        {
            for (int at = 0; at < piece.Length && !enough(); at += SliceLength)
            {
                int length = Math.Min(SliceLength, piece.Length - at);
                await send(piece.Slice(at, length)).ConfigureAwait(false);
                alive();
                Count(length);
            }
        }
    }

    /// <summary>The attempt failed: the next one counts its bytes again.</summary>
    public void TakeBack()
    {
        if (_sent > 0)
            progress?.Report(-_sent);
        _sent = 0;
    }

    void Count(long bytes)
    {
        _sent += bytes;
        progress?.Report(bytes);
    }
}
