namespace S3dlio.Native;

/// <summary>
/// Tells when memory that is kept for the next result has lain unused for some seconds. There is a timer only while something is kept: a
/// process at rest is woken by none. All but the constructor under the lock of what it watches.
/// </summary>
/// <param name="elapsed">Called on a thread of the pool; it takes the lock and asks <see cref="IsOver"/>.</param>
#pragma warning disable CA1001 // lives as long as the process
sealed class IdleTimer(Action elapsed)
#pragma warning restore CA1001
{
    const int Milliseconds = 3000;

    Timer? _timer;
    bool _touched;

    /// <summary>What is kept was used just now.</summary>
    public void Touch() => _touched = true;

    /// <summary>Something is kept from now on.</summary>
    public void Arm()
    {
        _touched = true;
        if (_timer is null)
        {
            _timer = new Timer(static told => ((Action)told!)(), elapsed, Timeout.Infinite, Timeout.Infinite);
            _timer.Change(Milliseconds, Timeout.Infinite);
        }
    }

    /// <summary>True when nothing was used since the last time this was asked: then all goes back, and the timer is gone.</summary>
    public bool IsOver()
    {
        if (_touched)
        {
            _touched = false;
            _timer!.Change(Milliseconds, Timeout.Infinite);
            return false;
        }
        _timer!.Dispose();
        _timer = null;
        return true;
    }
}
