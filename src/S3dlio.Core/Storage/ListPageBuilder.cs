namespace S3dlio.Storage;

/// <summary>Gathers the entries of a listing into pages.</summary>
sealed class ListPageBuilder
{
    List<ObjectMeta> _objects = [];
    List<string> _prefixes = [];

    public int Count => _objects.Count + _prefixes.Count;

    /// <param name="key">The object's key, or the prefix.</param>
    /// <param name="found">Null for a prefix.</param>
    public void Add(string key, ObjectMeta? found)
    {
        if (found is not null)
            _objects.Add(found);
        else
            _prefixes.Add(key);
    }

    /// <summary>The page, and begins the next.</summary>
    public ListPage Take()
    {
        var page = new ListPage(_objects, _prefixes);
        (_objects, _prefixes) = ([], []);
        return page;
    }
}
