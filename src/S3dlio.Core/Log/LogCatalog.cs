using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>A folder that a listing showed to hold a log.</summary>
/// <param name="Prefix">Of its objects' keys, with a slash at its end unless it is empty.</param>
/// <param name="Segments">How many there are.</param>
/// <param name="Bytes">Of those.</param>
public readonly record struct FoundLog(string Prefix, int Segments, long Bytes);

/// <summary>Which folders hold logs: those with segment files.</summary>
public static class LogCatalog
{
    /// <param name="store">Files or any other store.</param>
    /// <param name="prefix">Of all keys that are looked at.</param>
    /// <param name="cancel">Ends the listing.</param>
    /// <returns>The logs in the order of their prefixes.</returns>
    public static async ValueTask<IReadOnlyList<FoundLog>> FindAsync(ObjectStore store, string prefix, CancellationToken cancel)
    {
        SortedDictionary<string, FoundLog> found = new(StringComparer.Ordinal);
        await foreach (var page in store.ListAsync(prefix, ListOptions.Default, cancel).ConfigureAwait(false))
        {
            foreach (var meta in page.Objects)
            {
                int slash = meta.Key.LastIndexOf('/');
                if (!SegmentWriter.TryParseName(meta.Key[(slash + 1)..], out _))
                    continue;
                string folder = meta.Key[..(slash + 1)];
                var log = found.GetValueOrDefault(folder, new FoundLog(folder, 0, 0));
                found[folder] = log with { Segments = log.Segments + 1, Bytes = log.Bytes + meta.Size };
            }
        }
        return [.. found.Values];
    }
}
