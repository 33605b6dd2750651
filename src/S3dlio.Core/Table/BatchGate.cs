namespace S3dlio.Table;

/// <summary>
/// What makes a checkpoint a prefix. Any number of batches hold the gate while they change or read memory, and only then: none waits for a
/// disk in it. Who closes it waits for those that are in, and nobody enters until it opens again.
/// </summary>
sealed class BatchGate
{
    const int Closed = 1 << 30;

    readonly object _waiting = new();
    int _state;
    bool _isClosing;

    /// <summary>Waits while the gate is closed. Nothing that a batch holds may be waited for by who closes it.</summary>
    public void Enter()
    {
        while (true)
        {
            int state = Volatile.Read(ref _state);
            if ((state & Closed) == 0)
            {
                if (Interlocked.CompareExchange(ref _state, state + 1, state) == state)
                    return;
                continue;
            }
            lock (_waiting)
            {
                while ((Volatile.Read(ref _state) & Closed) != 0)
                    Monitor.Wait(_waiting);
            }
        }
    }

    public void Leave()
    {
        if (Interlocked.Decrement(ref _state) != Closed)
            return;
        lock (_waiting)
            Monitor.PulseAll(_waiting);
    }

    /// <summary>Returns when no batch is in; one closer at a time.</summary>
    public void Close()
    {
        lock (_waiting)
        {
            while (_isClosing)
                Monitor.Wait(_waiting);
            _isClosing = true;
            Interlocked.Or(ref _state, Closed);
            while (Volatile.Read(ref _state) != Closed)
                Monitor.Wait(_waiting);
        }
    }

    public void Open()
    {
        lock (_waiting)
        {
            _isClosing = false;
            Interlocked.And(ref _state, ~Closed);
            Monitor.PulseAll(_waiting);
        }
    }
}
