namespace S3dlio.Http;

/// <summary>
/// Ends a connection on which no byte has moved within the limit. The timer is set only when it must fire earlier than it is already set
/// to, and it compares the time when it fires: a request costs one store, and no timer.
/// </summary>
/// <param name="tooLong">Called once, from any thread.</param>
sealed class InactivityTimeout(Action tooLong) : IDisposable
{
    const long Never = long.MaxValue;
    const long Over = -1;

    readonly Lock _gate = new();
    Timer? _timer;
    long _limit;
    long _deadline = Never;
    // when the timer rings next
    long _ring = Never;

    /// <summary>The time was up.</summary>
    public bool IsOver => Volatile.Read(ref _deadline) == Over;

    /// <summary>Starts the clock: a byte must move within <paramref name="limit"/>. Zero or less: no limit.</summary>
    public void Watch(TimeSpan limit)
    {
        _limit = limit > TimeSpan.Zero ? Math.Max(1, (long)Math.Min(limit.TotalMilliseconds, int.MaxValue)) : 0;
        Moved();
    }

    /// <summary>Something has moved.</summary>
    public void Moved() => Set(_limit == 0 ? Never : Environment.TickCount64 + _limit);

    /// <summary>Stops the clock: no request is under way.</summary>
    public void Rest() => Set(Never);

    public void Dispose()
    {
        lock (_gate)
        {
            Interlocked.Exchange(ref _deadline, Over);
            _timer?.Dispose();
        }
    }

    void Set(long deadline)
    {
        // a full fence between this and the look at the bell, as in Ring the other way round: one of the two sees the other
        long before = Interlocked.Exchange(ref _deadline, deadline);
        if (before == Over)
            Interlocked.Exchange(ref _deadline, Over);
        else if (deadline < Volatile.Read(ref _ring))
            SetBell(deadline);
    }

    void SetBell(long deadline)
    {
        lock (_gate)
        {
            if (deadline >= _ring || IsOver)
                return;
            long wait = Math.Max(1, deadline - Environment.TickCount64);
            _timer ??= new Timer(static silence => ((InactivityTimeout)silence!).Ring(), this, Timeout.Infinite, Timeout.Infinite);
            _timer.Change(wait, Timeout.Infinite);
            Volatile.Write(ref _ring, deadline);
        }
    }

    void Ring()
    {
        long deadline;
        lock (_gate)
        {
            Interlocked.Exchange(ref _ring, Never);
            deadline = Volatile.Read(ref _deadline);
            if (deadline is Never or Over)
                return;
        }
        if (deadline > Environment.TickCount64)
            SetBell(deadline);
        // moved after the timer fired: not over yet
        else if (Interlocked.CompareExchange(ref _deadline, Over, deadline) == deadline)
            tooLong();
        else
            Ring();
    }
}
