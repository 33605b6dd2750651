namespace S3dlio.Tests.Storage;

/// <summary>
/// Hands on each count of bytes at once, in the thread that tells it; <see cref="Progress{T}"/> would do so later and elsewhere.
/// </summary>
sealed class SynchronousProgress(Action<long> report) : IProgress<long>
{
    public void Report(long value) => report(value);
}
