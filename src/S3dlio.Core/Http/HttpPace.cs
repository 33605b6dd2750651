namespace S3dlio.Http;

/// <summary>
/// The lower bound of a body's speed. One limit of silence alone lets a server that sends a byte a minute hold a call for years. Only
/// time in which the body is waited for counts: a slow reader is not the server's fault.
/// </summary>
/// <param name="patience">The longest silence; twice that may pass before the speed matters. Zero or less: no bound.</param>
struct HttpPace(TimeSpan patience)
{
    /// <summary>Bytes a second. Far below each link in use, also one that many connections share.</summary>
    public const int Slowest = 256;

    readonly long _most = (long)Math.Min(patience.TotalMilliseconds, int.MaxValue) * 2;
    long _left = (long)Math.Min(patience.TotalMilliseconds, int.MaxValue) * 2;

    /// <summary>Takes note of a wait and of what it brought. False: the body has been too slow for too long.</summary>
    public bool Note(long milliseconds, int bytes)
    {
        if (_most <= 0)
            return true;
        _left = Math.Min(_most, _left - milliseconds + (bytes * 1000L / Slowest));
        return _left >= 0;
    }
}
