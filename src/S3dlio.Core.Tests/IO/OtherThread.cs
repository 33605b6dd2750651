namespace S3dlio.IO;

/// <summary>
/// A thread that makes one step when it is told to: of tests that let two threads take turns at known points, the calls of a
/// <see cref="FaultyDisk"/> say, and not when the scheduler likes.
/// </summary>
sealed class OtherThread : IDisposable
{
    readonly SemaphoreSlim _go = new(0), _done = new(0);
    readonly Thread _thread;
    bool _isOver;
    int _begun;

    /// <param name="step">A step; it gets its number.</param>
    public OtherThread(Action<long> step)
    {
        _thread = new Thread(() =>
        {
            for (long number = 0; ; number++)
            {
                _go.Wait();
                if (_isOver)
                    return;
                try
                {
                    step(number);
                }
                catch (Exception error)
                {
                    Failure ??= error;
                }
                _done.Release();
            }
        });
        _thread.Start();
    }

    /// <summary>The first one.</summary>
    public Exception? Failure { get; private set; }

    public int Turns { get; private set; }

    /// <summary>Makes a step; one that waits for what the caller holds comes to its end later.</summary>
    /// <param name="patience">Milliseconds, or <see cref="Timeout.Infinite"/>.</param>
    public void Turn(int patience)
    {
        Turns++;
        _begun++;
        _go.Release();
        Rest(patience);
    }

    /// <summary>Waits for the steps that were begun.</summary>
    public void Rest(int patience)
    {
        while (_begun > 0 && _done.Wait(patience))
            _begun--;
    }

    public void Dispose()
    {
        _isOver = true;
        _go.Release();
        _thread.Join();
        _go.Dispose();
        _done.Dispose();
    }
}
