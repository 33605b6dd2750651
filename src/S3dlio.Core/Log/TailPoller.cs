using S3dlio.IO;

namespace S3dlio.Log;

/// <summary>
/// Wakes those who wait for another process's commits. One thread for the whole process, there while somebody waits: it naps a quarter of a
/// millisecond, and a millisecond once all have waited for some time.
/// </summary>
static class TailPoller
{
    const int ShortNap = 250_000, LongNap = 1_000_000;
    const long PatientAfter = 1000;

    static readonly Lock Gate = new();
    static TaskCompletionSource _next = New();
    static bool _isRunning, _isEager;

    /// <param name="waited">Milliseconds for which the caller has waited.</param>
    public static Task NextAsync(long waited)
    {
        lock (Gate)
        {
            _isEager |= waited < PatientAfter;
            if (!_isRunning)
            {
                _isRunning = true;
                new Thread(Run, 64 << 10) { IsBackground = true, Name = "s3dlio-tail" }.Start();
            }
            return _next.Task;
        }
    }

    static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    static void Run()
    {
        int idle = 0;
        while (true)
        {
            Interop.Nap(Volatile.Read(ref _isEager) ? ShortNap : LongNap);
            TaskCompletionSource told;
            lock (Gate)
            {
                (told, _next) = (_next, New());
                _isEager = false;
            }
            told.SetResult();
            lock (Gate)
            {
                // nobody has come back for a while: the thread ends, and the next one who waits starts another
                idle = _isEager ? 0 : idle + 1;
                if (idle < 4000)
                    continue;
                _isRunning = false;
                return;
            }
        }
    }
}
