using System.Diagnostics;

namespace S3dlio.Storage.Local;

/// <summary>
/// Two files, each under its <see cref="FileLock"/>. The first by name is locked first, so two that want both never wait for each other.
/// Twice the same file is locked once.
/// </summary>
sealed class PairLock : IDisposable
{
    readonly FileLock _first;
    readonly FileLock? _second;

    PairLock(FileLock first, FileLock? second) => (_first, _second) = (first, second);

    /// <summary>Locks the files that have these names.</summary>
    /// <returns>Null where one of them is not there.</returns>
    /// <exception cref="StoreException">Unavailable when another has one of the locks for too long.</exception>
    public static async ValueTask<PairLock?> TakeAsync(string uri, string one, string other, TimeSpan patience, CancellationToken cancel)
    {
        var (first, second) = string.CompareOrdinal(one, other) < 0 ? (one, other) : (other, one);
        var since = Stopwatch.StartNew();
        while (true)
        {
            var held = await FileLock.TakeAsync(uri, first, since, patience, cancel).ConfigureAwait(false);
            if (held is null)
                return null;
            if (first == second)
                return new PairLock(held, null);
            FileLock? beside = null;
            try
            {
                beside = await FileLock.TakeAsync(uri, second, since, patience, cancel).ConfigureAwait(false);
                if (beside is null)
                    return null;
                // the first may have been replaced while the second was waited for
                if (held.IsCurrent)
                {
                    var both = new PairLock(held, beside);
                    held = beside = null;
                    return both;
                }
            }
            finally
            {
                beside?.Dispose();
                held?.Dispose();
            }
        }
    }

    public void Dispose()
    {
        _second?.Dispose();
        _first.Dispose();
    }
}
