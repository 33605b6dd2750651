using System.Runtime.CompilerServices;

namespace S3dlio.Storage.Remote.S3;

/// <summary>One request of a listing: what is below <paramref name="Prefix"/> and after <paramref name="After"/>, as one page.</summary>
/// <param name="Folded">Whether what lies below a further <c>/</c> comes as prefixes.</param>
/// <param name="Token">Goes on from the page before; <paramref name="After"/> then only says how far that page came.</param>
readonly record struct ListRequest(string Prefix, string? After, bool Folded, string? Token);

/// <summary>
/// A recursive listing, in order, whose next pages are asked for in parallel. A page that is cut short tells in which folders the keys
/// go on; where a folder fills half a page and more, its siblings are found with the delimiter and begun at once. All that is still to
/// come is a list of steps in key order, each of them one page, and the first few of them are on the way: a page far ahead of the reader is
/// never held, whatever the number of keys. Smaller folders are listed through, since a request for each would cost more than it gains.
/// </summary>
sealed class ParallelListing(string prefix, int concurrency, Func<ListRequest, CancellationToken, ValueTask<S3Store.Listed>> ask)
{
    /// <summary>Folders within folders that are taken apart; with the concurrency it bounds the pages held.</summary>
    public const int MostDepth = 4;

    /// <summary>Levels that one page is taken apart by: each may cost a request that finds nothing.</summary>
    const int MostLevels = 3;

    /// <summary>A page with parts of more folders than this has folders too small for requests of their own.</summary>
    const int MostFolders = 2;

    /// <summary>After this many folders of one level it is seen whether they were worth it.</summary>
    const int Trial = 8;

    readonly LinkedList<ListStep> _ahead = new();

    /// <summary>Keys of a page that is cut short.</summary>
    int _full;

    public async IAsyncEnumerable<List<ObjectMeta>> RunAsync(
        S3Store.Listed first, string? after, [EnumeratorCancellation] CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        using var turns = new SemaphoreSlim(concurrency);
        _full = first.Objects.Count;
        try
        {
            Advance(new ListStep(new ListRequest(prefix, after, false, null), 0, null), first);
            while (_ahead.First is { } head)
            {
                Start(turns, stop.Token);
                var step = head.Value;
                var objects = step.Known ?? Advance(step, await step.Page!.ConfigureAwait(false));
                if (objects.Count > 0)
                {
                    // the reader's work and the server's overlap
                    Start(turns, stop.Token);
                    yield return objects;
                }
                if (step.Known is not null)
                    _ahead.Remove(step.Place!);
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            foreach (var step in _ahead)
            {
                if (step.Page is not null)
                    await ((Task)step.Page).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    void Start(SemaphoreSlim turns, CancellationToken cancel)
    {
        int count = 0;
        for (var place = _ahead.First; place is not null && count < concurrency; place = place.Next)
        {
            var step = place.Value;
            if (step.Known is not null)
                continue;
            count++;
            step.Page ??= AskAsync(step.Request, turns, cancel);
        }
    }

    async Task<S3Store.Listed> AskAsync(ListRequest request, SemaphoreSlim turns, CancellationToken cancel)
    {
        await turns.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            return await ask(request, cancel).ConfigureAwait(false);
        }
        finally
        {
            turns.Release();
        }
    }

    /// <summary>Puts what follows from a page in the place of the step that it answers.</summary>
    /// <returns>The objects that come next.</returns>
    List<ObjectMeta> Advance(ListStep step, S3Store.Listed page)
    {
        var next = new List<ListStep>();
        List<ObjectMeta> objects = [];
        if (step.Request.Folded)
            TakeFolders(step, page, next);
        else
        {
            objects = step.Skip is { } skip
                ? [.. page.Objects.Where(found => !found.Key.StartsWith(skip, StringComparison.Ordinal))]
                : page.Objects;
            if (page.Next is not null)
                TakeRest(step, page, next);
        }
        if (step.Place is { } place)
        {
            foreach (var added in next)
                added.Place = _ahead.AddBefore(place, added);
            if (step.Group is { } group && !step.Request.Folded && group.IsWaste(page, _full))
                ListThrough(group, place);
            _ahead.Remove(place);
        }
        else
        {
            foreach (var added in next)
                added.Place = _ahead.AddLast(added);
        }
        return objects;
    }

    /// <summary>A folded page: objects that are known now, and folders to be listed, in their order.</summary>
    static void TakeFolders(ListStep step, S3Store.Listed page, List<ListStep> next)
    {
        var request = step.Request;
        var group = step.Group ?? new ListGroup(request.Prefix, step.Depth);
        int taken = 0;
        void TakeObjects(int end)
        {
            if (end > taken)
                next.Add(new ListStep(request, step.Depth, group) { Known = page.Objects[taken..end] });
            taken = end;
        }
        foreach (string folder in page.Prefixes)
        {
            // servers differ in whether a folder comes after its own name
            if (folder == request.After)
                continue;
            int end = taken;
            while (end < page.Objects.Count && ObjectKey.Compare(page.Objects[end].Key, folder) < 0)
                end++;
            TakeObjects(end);
            next.Add(new ListStep(new ListRequest(folder, null, false, null), step.Depth + 1, group));
        }
        TakeObjects(page.Objects.Count);
        if (page.Next is not null)
            next.Add(new ListStep(request with { Token = page.Next, After = page.Last ?? request.After }, step.Depth, group));
    }

    /// <summary>A page that is cut short: the folder in which it ends, that folder's siblings, its parent's and so on.</summary>
    static void TakeRest(ListStep step, S3Store.Listed page, List<ListStep> next)
    {
        string top = step.Request.Prefix;
        string after = page.Last ?? "";
        var on = step with
        {
            Request = step.Request with { Token = page.Next, After = page.Last ?? step.Request.After },
            Page = null,
            Place = null
        };
        if (step.Depth >= MostDepth || page.Objects.Count == 0 || !IsOrdered(page.Objects)
            || (step.Skip is { } skip && after.StartsWith(skip, StringComparison.Ordinal)))
        {
            next.Add(on);
            return;
        }
        string level = top;
        string start = page.Objects[0].Key;
        var levels = new List<string> { top };
        while (levels.Count < MostLevels && Folder(after, level) is { } below && start.StartsWith(below, StringComparison.Ordinal))
            levels.Add(level = below);
        int folders = page.Objects.Select(
            found => Folder(found.Key, level)).Where(found => found is not null).Distinct(StringComparer.Ordinal).Count();
        string? inside = Folder(after, level);
        if (folders is > 0 and <= MostFolders)
        {
            if (inside is not null)
                next.Add(new ListStep(new ListRequest(inside, after, false, null), step.Depth + 1, null));
            next.Add(new ListStep(new ListRequest(level, inside ?? after, true, null), step.Depth, null));
        }
        else if (level == top)
            next.Add(on);
        else
            next.Add(new ListStep(new ListRequest(level, after, false, null), step.Depth + 1, null));
        for (int i = levels.Count - 2; i >= 0; i--)
            next.Add(new ListStep(new ListRequest(levels[i], levels[i + 1], true, null), step.Depth, null));
    }

    /// <summary>Small folders: what of their level is not on the way yet is listed without taking it apart.</summary>
    void ListThrough(ListGroup group, LinkedListNode<ListStep> current)
    {
        string last = current.Value.Request.Prefix;
        bool isFolder = true;
        var rest = current.Next;
        while (rest is not null && rest.Value.Group == group && rest.Value.IsOnTheWay)
        {
            // its folders are still to come: they are looked at then
            if (rest.Value is { Known: null, Request.Folded: true })
                return;
            isFolder = rest.Value.Known is null;
            last = rest.Value.Known?[^1].Key ?? rest.Value.Request.Prefix;
            rest = rest.Next;
        }
        if (rest is null || rest.Value.Group != group)
            return;
        var through = new ListStep(new ListRequest(group.Level, isFolder ? last + Above : last, false, null), group.Depth + 1, null)
        {
            Skip = isFolder ? last : null
        };
        through.Place = _ahead.AddBefore(rest, through);
        while (rest is not null && rest.Value.Group == group)
        {
            var following = rest.Next;
            _ahead.Remove(rest);
            rest = following;
        }
    }

    /// <summary>Behind a folder's name it comes after nearly all that is in the folder; what is above it yet is passed over.</summary>
    const string Above = "\U0010FFFD";

    /// <summary>The folder directly below a level that holds the key; null for one that lies there itself.</summary>
    static string? Folder(string key, string level)
    {
        int slash = key.Length > level.Length ? key.IndexOf('/', level.Length) : -1;
        return slash < 0 ? null : key[..(slash + 1)];
    }

    /// <summary>Amazon's directory buckets list in an order of their own, in which nothing can be begun in the middle.</summary>
    static bool IsOrdered(List<ObjectMeta> objects)
    {
        for (int i = 1; i < objects.Count; i++)
        {
            if (ObjectKey.Compare(objects[i - 1].Key, objects[i].Key) >= 0)
                return false;
        }
        return true;
    }

    /// <summary>One page to come, or objects that are known already.</summary>
    sealed record ListStep(ListRequest Request, int Depth, ListGroup? Group)
    {
        public List<ObjectMeta>? Known { get; init; }

        /// <summary>Keys of this folder came before.</summary>
        public string? Skip { get; init; }

        public Task<S3Store.Listed>? Page { get; set; }

        public LinkedListNode<ListStep>? Place { get; set; }

        public bool IsOnTheWay => Page is not null || Known is not null;
    }

    /// <summary>The folders of one level, and whether they were worth a request each.</summary>
    sealed class ListGroup(string level, int depth)
    {
        int _requests;
        long _keys;

        public string Level => level;

        public int Depth => depth;

        public bool IsWaste(S3Store.Listed page, int full)
        {
            _requests++;
            _keys += page.Objects.Count;
            return _requests >= Trial && _keys * 4 < (long)_requests * full;
        }
    }
}
