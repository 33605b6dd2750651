namespace S3dlio.Storage.Multi;

/// <summary>Which endpoint holds a key, for those that passed through here lately. What is forgotten is looked for again.</summary>
sealed class KeyLocationCache
{
    // about 20 MB with keys of a hundred characters
    const int Most = 100_000;

    readonly Lock _gate = new();
    readonly Dictionary<string, LinkedListNode<(string Key, Endpoint Holder)>> _byKey = new(StringComparer.Ordinal);
    readonly LinkedList<(string Key, Endpoint Holder)> _byAge = [];

    public Endpoint? Find(string key)
    {
        lock (_gate)
        {
            if (!_byKey.TryGetValue(key, out var node))
                return null;
            _byAge.Remove(node);
            _byAge.AddLast(node);
            return node.Value.Holder;
        }
    }

    public void Set(string key, Endpoint holder)
    {
        lock (_gate)
        {
            Drop(key);
            _byKey[key] = _byAge.AddLast((key, holder));
            if (_byKey.Count > Most)
                Drop(_byAge.First!.Value.Key);
        }
    }

    public void Forget(string key)
    {
        lock (_gate)
            Drop(key);
    }

    void Drop(string key)
    {
        if (_byKey.Remove(key, out var node))
            _byAge.Remove(node);
    }
}
