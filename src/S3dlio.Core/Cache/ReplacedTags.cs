namespace S3dlio.Cache;

/// <summary>
/// The tags under which objects were known before the store had them, and those that it gave them: who was told the one goes on with it.
/// </summary>
sealed class ReplacedTags
{
    const int Most = 100_000;

    readonly Lock _gate = new();
    readonly Dictionary<string, (string Pending, string Real)> _byKey = new(StringComparer.Ordinal);

    public void Note(string key, string pending, string real)
    {
        lock (_gate)
        {
            // the oldest are not known: all go, and those who ask see the store's own tag from then on
            if (_byKey.Count >= Most)
                _byKey.Clear();
            _byKey[key] = (pending, real);
        }
    }

    /// <summary>The store's tag of what had that one; the same where it is none of ours.</summary>
    public string? Real(string key, string? tag)
    {
        if (tag is null || !tag.Contains(PendingWrite.TagPrefix, StringComparison.Ordinal))
            return tag;
        lock (_gate)
            return _byKey.TryGetValue(key, out var known) && known.Pending == tag.Trim('"') ? known.Real : tag;
    }

    /// <summary>The tag under which this process knew a version.</summary>
    public string? Known(string key, string? real)
    {
        if (real is null)
            return null;
        lock (_gate)
            return _byKey.TryGetValue(key, out var known) && known.Real == real ? known.Pending : real;
    }
}
