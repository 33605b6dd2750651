namespace S3dlio.Transfer;

/// <summary>So many bytes a second, shared by all who ask: each waits until its bytes would have gone through at that rate.</summary>
/// <param name="rate">Bytes a second; above 0.</param>
/// <param name="clock">Tests have one of their own.</param>
public sealed class Bandwidth(long rate, TimeProvider? clock = null)
{
    /// <summary>Bytes that one request should carry at most, so that none takes much more than a second.</summary>
    public int PieceLength { get; } = (int)Math.Clamp(rate, 256 << 10, 64 << 20);

    readonly TimeProvider _clock = clock ?? TimeProvider.System;
    readonly Lock _gate = new();
    double _freeAt;

    /// <summary>Waits for the turn of some bytes.</summary>
    public Task TakeAsync(long bytes, CancellationToken cancel)
    {
        double wait;
        lock (_gate)
        {
            double now = (double)_clock.GetTimestamp() / _clock.TimestampFrequency;
            // time in which nobody asked is not made up for
            _freeAt = Math.Max(_freeAt, now) + ((double)bytes / rate);
            wait = _freeAt - now;
        }
        return Task.Delay(TimeSpan.FromSeconds(wait), _clock, cancel);
    }
}
