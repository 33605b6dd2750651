namespace S3dlio.Storage.Remote;

/// <summary>
/// Compares a server's listing with what was asked for: keys below the prefix and no others, each once, in order. What is listed is
/// downloaded and deleted next, so a gateway that ignores the prefix must not get that far.
/// </summary>
/// <param name="uri">The listing, for messages.</param>
/// <param name="after">What all keys come after.</param>
/// <param name="clock">Measures how long no key comes.</param>
sealed class ListGuard(string uri, string? after, TimeProvider clock)
{
    /// <summary>
    /// How long truncated pages without a key may follow one another. S3 sends many where much was deleted, however many there are, so
    /// their number says nothing.
    /// </summary>
    static readonly TimeSpan MostEmpty = TimeSpan.FromMinutes(30);

    // by UTF-8 bytes as S3 lists; by UTF-16 units; and with '/' before all else, as trees of directories are walked
    static readonly Comparison<string>[] Orders = [ObjectKey.Compare, string.CompareOrdinal, CompareTree];

    readonly Sequence _objects = new(after), _prefixes = new(null);
    readonly Lock _gate = new();
    readonly HashSet<(string Walk, string Token)> _tokens = [];
    long _emptySince;

    /// <summary>One entry: below the prefix, and folded where that was asked for.</summary>
    /// <exception cref="StoreException">InvalidData.</exception>
    public static void CheckPlace(string uri, string prefix, bool folded, string name, bool isPrefix)
    {
        if (!name.StartsWith(prefix, StringComparison.Ordinal) || name.Length == 0)
            throw Wrong(uri, $"'{name}' is not below the prefix '{prefix}' that was asked for");
        int slash = name.IndexOf('/', prefix.Length);
        if (isPrefix ? !folded || slash != name.Length - 1 : folded && slash >= 0)
            throw Wrong(uri, folded
                    ? $"one level was asked for, and '{name}' is not on it"
                    : $"all levels were asked for, and '{name}' stands for what is below it");
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
    /// <param name="walk">What it is a page of: pages of several listings below a prefix may come in parallel.</param>
    /// <param name="entries">How many there are on it.</param>
    /// <param name="next">The token of the next page; null for the last.</param>
    /// <exception cref="StoreException">InvalidData: the listing has no end.</exception>
    public void Arrived(string walk, int entries, string? next)
    {
        lock (_gate)
        {
            if (entries > 0 || next is null)
            {
                _tokens.Clear();
                return;
            }
            if (_tokens.Count == 0)
                _emptySince = clock.GetTimestamp();
            if (!_tokens.Add((walk, next)))
                throw Wrong(uri, "it does not advance: the server names the same continuation twice, and no key in between");
            if (clock.GetElapsedTime(_emptySince) > MostEmpty)
                throw Wrong(uri,
                    $"it does not advance: {_tokens.Count} pages in {MostEmpty.TotalMinutes} minutes are empty, and none is the last");
        }
    }

    static StoreException Wrong(string uri, string what) =>
        new(ErrorKind.InvalidData, uri,
            $"the server's listing is wrong: {what}. Nothing of it is used; check endpoint_url and what stands between this machine and "
            + "the server");

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
