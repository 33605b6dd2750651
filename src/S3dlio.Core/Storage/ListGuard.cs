namespace S3dlio.Storage;

/// <summary>
/// Holds a listing of a server against what was asked: keys below the prefix and no others, each once, in order. What is listed is
/// downloaded and deleted next, so a gateway that passes over the prefix must not get that far.
/// </summary>
/// <param name="uri">The listing, for messages.</param>
/// <param name="after">What all keys come after.</param>
sealed class ListGuard(string uri, string? after)
{
    /// <summary>Truncated pages without a key, in a row. Some servers send a few where much was deleted.</summary>
    const int MostEmpty = 1000;

    // by UTF-8 bytes as S3 lists; by UTF-16 units; and with '/' before all else, as trees of directories are walked
    static readonly Comparison<string>[] Orders = [ObjectKey.Compare, string.CompareOrdinal, CompareTree];

    readonly Sequence _objects = new(after), _prefixes = new(null);
    int _empty;

    /// <summary>One entry: below the prefix, and folded where that was asked for.</summary>
    /// <exception cref="StoreException">InvalidData.</exception>
    public static void CheckPlace(string uri, string prefix, bool folded, string name, bool isPrefix)
    {
        if (!name.StartsWith(prefix, StringComparison.Ordinal) || name.Length == 0)
            throw Wrong(uri, $"'{name}' is not below the prefix '{prefix}' that was asked for");
        int slash = name.IndexOf('/', prefix.Length);
        if (isPrefix ? !folded || slash != name.Length - 1 : folded && slash >= 0)
            throw Wrong(uri, folded ? $"one level was asked for, and '{name}' is not on it" : $"all levels were asked for, and '{name}' stands for what is below it");
    }

    /// <summary>The next page, as it goes to the caller.</summary>
    /// <param name="objects">Its keys, as the server orders them.</param>
    /// <param name="prefixes">Likewise.</param>
    /// <param name="isAll">It is the only page: its keys may come in any order.</param>
    /// <exception cref="StoreException">InvalidData.</exception>
    public void Check(IEnumerable<string> objects, IEnumerable<string> prefixes, bool isAll)
    {
        foreach (string key in objects)
            _objects.Add(uri, key, isAll);
        foreach (string prefix in prefixes)
        {
            // a folder may come again after a key within it, for more of it comes after that
            if (after is null || !after.StartsWith(prefix, StringComparison.Ordinal))
                _prefixes.Add(uri, prefix, isAll);
        }
    }

    /// <summary>A page as it came.</summary>
    /// <exception cref="StoreException">InvalidData: such pages come without end.</exception>
    public void Arrived(int entries, bool isLast)
    {
        if (entries > 0 || isLast)
            Volatile.Write(ref _empty, 0);
        else if (Interlocked.Increment(ref _empty) > MostEmpty)
            throw Wrong(uri, $"it does not advance: {MostEmpty} pages in a row are empty, and none is the last");
    }

    static StoreException Wrong(string uri, string what) =>
        new(ErrorKind.InvalidData, uri, $"the server's listing is wrong: {what}. Nothing of it is used; check endpoint_url and what stands between this machine and the server");

    static int CompareTree(string a, string b)
    {
        int at = a.AsSpan().CommonPrefixLength(b);
        if (at == a.Length || at == b.Length)
            return a.Length - b.Length;
        return a[at] == '/' ? -1 : b[at] == '/' ? 1 : ObjectKey.Compare(a, b);
    }

    /// <summary>Names that increase, in one order that the server keeps to.</summary>
    sealed class Sequence(string? last)
    {
        string? _last = last;
        int _orders = (1 << Orders.Length) - 1;
        HashSet<string>? _seen;

        public void Add(string uri, string name, bool isAll)
        {
            // without an order all names are remembered, of a single page; until it breaks none has to be
            if (isAll && !(_seen ??= new HashSet<string>(StringComparer.Ordinal)).Add(name))
                throw Wrong(uri, $"'{name}' is on it twice");
            for (int i = 0; i < Orders.Length && _last is not null && !isAll; i++)
            {
                if (Orders[i](_last, name) >= 0)
                    _orders &= ~(1 << i);
            }
            if (_orders == 0)
                throw Wrong(uri, $"'{name}' comes after '{_last}', so keys are out of order or listed again");
            _last = name;
        }
    }
}
