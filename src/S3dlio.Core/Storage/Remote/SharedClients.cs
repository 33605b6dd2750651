using System.Collections.Concurrent;

namespace S3dlio.Storage.Remote;

/// <summary>
/// One client for each distinct configuration, for as long as a store has it. A configuration holds secrets, and tokens change: what no
/// store uses any more goes, with the key under which it was known.
/// </summary>
sealed class SharedClients<TKey, TClient>
    where TKey : notnull
    where TClient : class
{
    const int FewestToSweep = 32;

    readonly ConcurrentDictionary<TKey, WeakReference<TClient>> _clients = new();
    int _sweepAt = FewestToSweep;

    /// <summary>Number of clients, with those that are collected but not removed yet.</summary>
    public int Count => _clients.Count;

    public TClient Get(TKey key, Func<TClient> make)
    {
        while (true)
        {
            bool isKnown = _clients.TryGetValue(key, out var known);
            if (isKnown && known!.TryGetTarget(out var found))
                return found;
            var made = make();
            var reference = new WeakReference<TClient>(made);
            if (isKnown ? _clients.TryUpdate(key, reference, known!) : _clients.TryAdd(key, reference))
            {
                Sweep();
                return made;
            }
        }
    }

    void Sweep()
    {
        if (_clients.Count < Volatile.Read(ref _sweepAt))
            return;
        foreach (var entry in _clients)
        {
            if (!entry.Value.TryGetTarget(out _))
                _clients.TryRemove(entry);
        }
        Volatile.Write(ref _sweepAt, Math.Max(FewestToSweep, _clients.Count * 2));
    }
}
