namespace S3dlio.Storage.Remote.Azure;

/// <summary>
/// Puts a listing into the order of the keys' UTF-8 bytes, whether the server sorts so or by UTF-16 units. The two differ only where one
/// key has a character above U+FFFF and another one from U+E000 on in the same place, so keys with the former wait until no more of the
/// latter can come: as long as keys begin as they do. All others pass at once.
/// </summary>
sealed class KeyOrder
{
    readonly List<ListEntry> _held = [];
    string _stem = "";

    /// <summary>Takes the next entry in the server's order, and gives those whose place is certain.</summary>
    public IEnumerable<ListEntry> Next(ListEntry entry)
    {
        if (_held.Count > 0 && !entry.Key.StartsWith(_stem, StringComparison.Ordinal))
        {
            foreach (var held in Rest())
                yield return held;
        }
        if (_held.Count > 0)
        {
            _held.Add(entry);
            yield break;
        }
        int at = entry.Key.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF');
        if (at < 0)
        {
            yield return entry;
            yield break;
        }
        _stem = entry.Key[..at];
        _held.Add(entry);
    }

    /// <summary>What is still held, at the end.</summary>
    public IReadOnlyList<ListEntry> Rest()
    {
        ListEntry[] rest = [.. _held];
        _held.Clear();
        Array.Sort(rest, static (a, b) => ObjectKey.Compare(a.Key, b.Key));
        return rest;
    }
}
