using System.Runtime.CompilerServices;
using S3dlio.Storage;

namespace S3dlio.Cache;

public sealed partial class HybridStore
{
    public override async IAsyncEnumerable<ListPage> ListAsync(
        string prefix, ListOptions options, [EnumeratorCancellation] CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        ObjectKey.CheckPrefix(Root, prefix);
        options.Check(Root);
        // before the store's own listing: what is done after that is in both
        var back = Back();
        var waiting = back?.FindAll(Full(prefix)) ?? [];
        if (waiting.Count == 0 && !IsOffline)
        {
            await foreach (var page in Backing.ListAsync(prefix, options, cancel).ConfigureAwait(false))
                yield return back is null ? page : page with { Objects = [.. page.Objects.Select(found => Told(found.Key, found))] };
            yield break;
        }
        var objects = new List<ObjectMeta>();
        var prefixes = new List<string>();
        await foreach (var (found, folder) in MergeAsync(prefix, options, waiting, cancel).ConfigureAwait(false))
        {
            if (found is not null)
                objects.Add(found);
            else
                prefixes.Add(folder!);
            if (objects.Count + prefixes.Count < options.PageSize)
                continue;
            yield return new ListPage(objects, prefixes);
            (objects, prefixes) = ([], []);
        }
        if (objects.Count + prefixes.Count > 0)
            yield return new ListPage(objects, prefixes);
    }

    /// <summary>
    /// The store's listing with the writes that wait, in the order of keys: objects, and folders below which there are some.
    /// </summary>
    async IAsyncEnumerable<(ObjectMeta? Found, string? Folder)> MergeAsync(
        string prefix, ListOptions options, List<PendingWrite> waiting, [EnumeratorCancellation] CancellationToken cancel)
    {
        int skipped = Full("").Length, next = 0;
        var deleted = new HashSet<string>(StringComparer.Ordinal);
        var written = new List<(string Key, PendingWrite Write)>();
        foreach (var write in waiting)
        {
            string key = write.Record.Key[skipped..];
            if (write.Record.Kind == JournalKind.Delete)
                deleted.Add(key);
            else
                written.Add((key, write));
        }
        var replaced = written.Select(static one => one.Key).ToHashSet(StringComparer.Ordinal);
        string? last = null;
        await foreach (var page in StoredAsync(prefix, options, cancel).ConfigureAwait(false))
        {
            foreach (var (found, folder) in InOrder(page))
            {
                string at = found?.Key ?? folder!;
                for (; next < written.Count && ObjectKey.Compare(written[next].Key, at) < 0; next++)
                {
                    if (Entry(written[next]) is { } entry)
                        yield return entry;
                }
                if (found is not null)
                {
                    if (!deleted.Contains(found.Key) && !replaced.Contains(found.Key))
                        yield return (Told(found.Key, found), null);
                }
                else if (last != folder && await HasSomeAsync(folder!, deleted, written, cancel).ConfigureAwait(false))
                {
                    last = folder;
                    yield return (null, folder);
                }
            }
        }
        for (; next < written.Count; next++)
        {
            if (Entry(written[next]) is { } entry)
                yield return entry;
        }

        (ObjectMeta?, string?)? Entry((string Key, PendingWrite Write) one)
        {
            if (options.StartAfter is { } after && ObjectKey.Compare(one.Key, after) <= 0)
                return null;
            int fold = options.Recursive ? -1 : one.Key.IndexOf('/', prefix.Length);
            if (fold < 0)
                return options.Pattern?.IsMatch(one.Key) ?? true ? (one.Write.Meta(one.Key), null) : null;
            string folder = one.Key[..(fold + 1)];
            if (last == folder || (options.StartAfter?.StartsWith(folder, StringComparison.Ordinal) ?? false))
                return null;
            last = folder;
            return (null, folder);
        }
    }

    IAsyncEnumerable<ListPage> StoredAsync(string prefix, ListOptions options, CancellationToken cancel) =>
        IsOffline ? KeptAsync(prefix, options, cancel) : Backing.ListAsync(prefix, options, cancel);

    /// <summary>What the cache knows of: offline that is all there is.</summary>
    async IAsyncEnumerable<ListPage> KeptAsync(string prefix, ListOptions options, [EnumeratorCancellation] CancellationToken cancel)
    {
        await IO.ThreadSwitch.ToPoolAsync();
        var directory = Directory();
        byte[] wanted = ObjectVersion.IdentityOf(Backing.Origin, Backing.AddressOf("x")[..^1] + prefix);
        byte[] root = ObjectVersion.IdentityOf(Backing.Origin, Backing.AddressOf("x")[..^1]);
        var objects = new List<ObjectMeta>();
        var folders = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (id, _) in directory.Entries())
        {
            cancel.ThrowIfCancellationRequested();
            if (IdentityOf(directory, id) is not { } identity || !identity.AsSpan().StartsWith(wanted) || EntryId.OfMeta(identity) != id)
                continue;
            string key = IO.PathText.Decode(identity.AsSpan(root.Length));
            if (key.Length == 0 || (options.StartAfter is { } after && ObjectKey.Compare(key, after) <= 0))
                continue;
            int fold = options.Recursive ? -1 : key.IndexOf('/', prefix.Length);
            if (fold >= 0)
                folders.Add(key[..(fold + 1)]);
            else if ((options.Pattern?.IsMatch(key) ?? true) && Load(directory, id, identity, key) is { } entry)
                objects.Add(entry.Meta);
        }
        objects.Sort(static (one, other) => ObjectKey.Compare(one.Key, other.Key));
        if (objects.Count + folders.Count > 0)
            yield return new ListPage(objects, [.. folders.Order(ObjectKey.Order)]);
    }

    static IEnumerable<(ObjectMeta? Found, string? Folder)> InOrder(ListPage page)
    {
        int folder = 0;
        foreach (var found in page.Objects)
        {
            for (; folder < page.Prefixes.Count && ObjectKey.Compare(page.Prefixes[folder], found.Key) < 0; folder++)
                yield return (null, page.Prefixes[folder]);
            yield return (found, null);
        }
        for (; folder < page.Prefixes.Count; folder++)
            yield return (null, page.Prefixes[folder]);
    }

    /// <summary>A folder whose objects are all to be deleted is not there any more.</summary>
    async ValueTask<bool> HasSomeAsync(
        string folder, HashSet<string> deleted, List<(string Key, PendingWrite Write)> written, CancellationToken cancel)
    {
        if (!deleted.Any(key => key.StartsWith(folder, StringComparison.Ordinal))
            || written.Exists(one => one.Key.StartsWith(folder, StringComparison.Ordinal)))
            return true;
        await foreach (var page in StoredAsync(folder, ListOptions.Default, cancel).ConfigureAwait(false))
        {
            if (page.Objects.Any(found => !deleted.Contains(found.Key)))
                return true;
        }
        return false;
    }
}
