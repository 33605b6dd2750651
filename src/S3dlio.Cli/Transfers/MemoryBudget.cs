namespace S3dlio.Cli.Transfers;

/// <summary>Bounds what transfers under way hold in memory: many small objects at once, few large ones.</summary>
sealed class MemoryBudget(long bytes) : IDisposable
{
    /// <summary>What a transfer holds at most: two windows of a copy and as much in parts of an upload.</summary>
    const long Most = 64 << 20;

    readonly SemaphoreSlim _turn = new(1, 1);
    readonly SemaphoreSlim _changed = new(0);
    readonly long _all = bytes;
    long _free = bytes;

    public static long Share(long size) => Math.Min(2 * size, Most);

    public async ValueTask<long> TakeAsync(long size, CancellationToken cancel)
    {
        long share = Math.Min(Share(size), _all);
        if (Interlocked.Add(ref _free, -share) >= 0)
            return share;
        Interlocked.Add(ref _free, share);
        // one waits at a time, so that small ones do not keep a large one waiting for ever
        await _turn.WaitAsync(cancel);
        try
        {
            while (Interlocked.Add(ref _free, -share) < 0)
            {
                Interlocked.Add(ref _free, share);
                await _changed.WaitAsync(TimeSpan.FromMilliseconds(50), cancel);
            }
            return share;
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Give(long share)
    {
        Interlocked.Add(ref _free, share);
        if (_changed.CurrentCount == 0)
            _changed.Release();
    }

    public void Dispose()
    {
        _turn.Dispose();
        _changed.Dispose();
    }
}
