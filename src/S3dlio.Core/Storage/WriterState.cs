namespace S3dlio.Storage;

/// <summary>
/// What may still be done with a writer. A call that fails or is cancelled, even before its first byte, makes it unusable: the caller
/// cannot know how much of the data was written, so the completed object could be wrong.
/// </summary>
/// <param name="uri">The object, for messages.</param>
sealed class WriterState(string uri)
{
    const int Open = 0, Spoiled = 1, Ended = 2;

    int _state;

    /// <summary>A write or the completion begins; unless <see cref="Wrote"/> or <see cref="End"/> follows, it was the last.</summary>
    /// <exception cref="StoreException">Closed.</exception>
    public void Begin(CancellationToken cancel)
    {
        switch (Interlocked.CompareExchange(ref _state, Spoiled, Open))
        {
            case Ended:
                throw new StoreException(ErrorKind.Closed, uri, "the writer was completed or disposed");
            case Spoiled:
                throw new StoreException(
                    ErrorKind.Closed, uri,
                    "an earlier write failed or was cancelled, or another is under way; dispose of the writer and begin again");
        }
        cancel.ThrowIfCancellationRequested();
    }

    /// <summary>A write ended well.</summary>
    public void Wrote() => Interlocked.CompareExchange(ref _state, Open, Spoiled);

    /// <summary>Completed or disposed of.</summary>
    /// <returns>False when it was before.</returns>
    public bool End() => Interlocked.Exchange(ref _state, Ended) != Ended;
}
