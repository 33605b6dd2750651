using System.Collections.Concurrent;

namespace S3dlio.Storage;

/// <summary>What a store has been asked for in this process.</summary>
/// <param name="Uri">A bucket or container, a memory store, or all files: <c>file:///</c>, <c>direct:///</c>.</param>
/// <param name="Requests">Requests that were sent, those that were sent again among them; of files and memory, calls.</param>
/// <param name="Retries">Requests that were sent again because one before failed.</param>
/// <param name="BytesRead">Bytes that came from it: of objects, and of a service's listings and errors.</param>
/// <param name="BytesWritten">Bytes that were given to it, once more for each retry.</param>
/// <param name="CacheHits">Reads that memory answered and that were no request.</param>
public readonly record struct StoreStatistics(string Uri, long Requests, long Retries, long BytesRead, long BytesWritten, long CacheHits);

/// <summary>Counts what is asked of one store.</summary>
sealed class Tally
{
    /// <summary>Stores that are counted each by itself; later ones are counted together, so that random names do not pile up.</summary>
    internal const int Most = 1 << 14;

    static readonly ConcurrentDictionary<string, Tally> Known = new(StringComparer.Ordinal);

    readonly string _uri;
    long _requests, _retries, _read, _written, _hits;

    Tally(string uri) => _uri = uri;

    /// <summary>Those that were asked for something, by name.</summary>
    public static IReadOnlyList<StoreStatistics> All =>
    [
        .. Known.Values.Select(static one => one.Statistics).Where(static one => one != new StoreStatistics { Uri = one.Uri })
            .OrderBy(static one => one.Uri, StringComparer.Ordinal),
    ];

    public StoreStatistics Statistics => new(
        _uri,
        Interlocked.Read(ref _requests),
        Interlocked.Read(ref _retries),
        Interlocked.Read(ref _read),
        Interlocked.Read(ref _written),
        Interlocked.Read(ref _hits));

    /// <param name="address">Of the store, or of anything in it.</param>
    public static Tally Of(StoreUri address) => Of(address, Known);

    internal static Tally Of(StoreUri address, ConcurrentDictionary<string, Tally> known)
    {
        string uri = (address with { Key = "" }).ToString();
        if (known.TryGetValue(uri, out var found))
            return found;
        return known.GetOrAdd(known.Count < Most ? uri : $"{address.Scheme}://*/", static name => new Tally(name));
    }

    /// <summary>The same by text; null for what is no address.</summary>
    public static Tally? Find(string address)
    {
        try
        {
            return Of(StoreUri.Parse(address));
        }
        catch (StoreException)
        {
            return null;
        }
    }

    public void Request() => Interlocked.Increment(ref _requests);

    public void Retry() => Interlocked.Increment(ref _retries);

    public void Read(long bytes) => Interlocked.Add(ref _read, bytes);

    public void Wrote(long bytes) => Interlocked.Add(ref _written, bytes);

    public void Hit() => Interlocked.Increment(ref _hits);
}

/// <summary>What all stores of this process have been asked for.</summary>
public static class Statistics
{
    public static IReadOnlyList<StoreStatistics> All => Tally.All;
}
