namespace S3dlio.Storage.Remote;

/// <summary>
/// Bounds what a store has in flight: requests by number, buffers by bytes. Requests are served in the order in which they came, so that a
/// large request is not starved by small ones.
/// </summary>
sealed class InFlight(int requests, long bytes)
{
    readonly Lock _gate = new();
    readonly LinkedList<Waiter> _queue = new();
    int _requests;
    long _bytes;

    public int Requests => requests;

    public long Bytes => bytes;

    /// <summary>How many wait to be let in; for tests.</summary>
    internal int Waiting
    {
        get
        {
            lock (_gate)
                return _queue.Count;
        }
    }

    /// <summary>
    /// Waits for a place for one request (<paramref name="count"/> 1, or 0 for memory alone) with so many bytes; more than there can ever
    /// be is let in when it is alone.
    /// </summary>
    public ValueTask<Lease> EnterAsync(int count, long length, CancellationToken cancel)
    {
        Waiter waiter;
        lock (_gate)
        {
            if (_queue.Count == 0 && Fits(count, length))
                return ValueTask.FromResult(Take(count, length));
            waiter = new Waiter(count, length);
            _queue.AddLast(waiter.Node);
        }
        return new ValueTask<Lease>(WaitAsync(waiter, cancel));
    }

    /// <summary>The same without waiting.</summary>
    public bool TryEnter(int count, long length, out Lease lease)
    {
        lock (_gate)
        {
            bool fits = _queue.Count == 0 && Fits(count, length);
            lease = fits ? Take(count, length) : default;
            return fits;
        }
    }

    async Task<Lease> WaitAsync(Waiter waiter, CancellationToken cancel)
    {
        using var _ = cancel.UnsafeRegister(static (state, token) => ((Waiter)state!).Ready.TrySetCanceled(token), waiter);
        try
        {
            return await waiter.Ready.Task.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            lock (_gate)
            {
                if (waiter.Node.List is not null)
                    _queue.Remove(waiter.Node);
                Serve();
            }
            throw;
        }
    }

    bool Fits(int count, long length) =>
        (_requests + count <= requests || (count > 0 && _requests == 0)) && (_bytes + length <= bytes || _bytes == 0);

    Lease Take(int count, long length)
    {
        _requests += count;
        _bytes += length;
        return new Lease(this, count, length);
    }

    void Serve()
    {
        while (_queue.First is { } first && Fits(first.Value.Count, first.Value.Length))
        {
            _queue.Remove(first);
            var lease = Take(first.Value.Count, first.Value.Length);
            if (!first.Value.Ready.TrySetResult(lease))
                Give(first.Value.Count, first.Value.Length);
        }
    }

    void Give(int count, long length)
    {
        _requests -= count;
        _bytes -= length;
    }

    void Leave(int count, long length)
    {
        lock (_gate)
        {
            Give(count, length);
            Serve();
        }
    }

    /// <summary>A place; disposed of once.</summary>
    public readonly struct Lease(InFlight owner, int count, long length) : IDisposable
    {
        public void Dispose() => owner?.Leave(count, length);
    }

    sealed class Waiter
    {
        public Waiter(int count, long length)
        {
            (Count, Length) = (count, length);
            Node = new LinkedListNode<Waiter>(this);
        }

        public int Count { get; }

        public long Length { get; }

        public LinkedListNode<Waiter> Node { get; }

        public TaskCompletionSource<Lease> Ready { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
