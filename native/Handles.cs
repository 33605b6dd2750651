using System.Collections.Concurrent;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>
/// What C holds instead of pointers: numbers that are never used twice, so that a stale or invented one is an error and not a crash.
/// </summary>
static class Handles
{
    static readonly ConcurrentDictionary<ulong, object> Live = new();
    static ulong _last;

    public static ulong Add(object item)
    {
        ulong id = Interlocked.Increment(ref _last);
        Live[id] = item;
        return id;
    }

    /// <exception cref="StoreException">Closed when the handle was closed, InvalidArgument when it never was one of that kind.</exception>
    public static T Get<T>(ulong id, string noun)
        where T : class =>
        Live.TryGetValue(id, out object? item) ? item as T ?? throw Stranger(id, noun) : throw Missing(id, noun);

    /// <summary>For closing: false for 0 and for a handle that was closed already, both of which are no error.</summary>
    /// <exception cref="StoreException">InvalidArgument for a number never given out, or given to something else.</exception>
    public static bool Find<T>(ulong id, string noun, out T? item)
        where T : class
    {
        item = null;
        if (!Live.TryGetValue(id, out object? found))
            return id <= Volatile.Read(ref _last) ? false : throw Missing(id, noun);
        item = found as T ?? throw Stranger(id, noun);
        return true;
    }

    /// <summary>Takes the handle out of use; of several threads that try, one gets true. Otherwise as <see cref="Find"/>.</summary>
    public static bool Remove<T>(ulong id, string noun, out T? item)
        where T : class =>
        Find(id, noun, out item) && Live.TryRemove(new KeyValuePair<ulong, object>(id, item!));

    static StoreException Missing(ulong id, string noun) => id != 0 && id <= Volatile.Read(ref _last)
        ? new(ErrorKind.Closed, $"{noun} {id}", $"this {noun} was closed")
        : new(ErrorKind.InvalidArgument, $"{noun} {id}", $"no {noun} has this number");

    static StoreException Stranger(ulong id, string noun) =>
        new(ErrorKind.InvalidArgument, $"{noun} {id}", $"this number belongs to something other than a {noun}");
}
