using System.Globalization;
using System.Runtime.CompilerServices;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

sealed partial class S3Store
{
    /// <summary>A page of S3 has at most this many entries.</summary>
    const int MostListed = 1000;

    /// <summary>1000 keys of 1024 bytes, each percent-encoded, and what is around them.</summary>
    const int ListLimit = 16 << 20;

    public override async IAsyncEnumerable<ListPage> ListAsync(
        string prefix, ListOptions options, [EnumeratorCancellation] CancellationToken cancel)
    {
        options.Check(Root);
        ObjectKey.CheckPrefix(Root, prefix);
        var request = new ListRequest(prefix, options.StartAfter, !options.Recursive, null);
        bool isParallel = options.Recursive && _client.Options.ListConcurrency > 1;
        var guard = new ListGuard(Root.Child(prefix), options.StartAfter, _client.Retry.Clock);
        for (bool isFirst = true; ; isFirst = false)
        {
            var page = await ListPageAsync(request, options.PageSize, guard, cancel).ConfigureAwait(false);
            guard.Check(page.Objects.Select(static found => found.Key), page.Prefixes, isAll: isFirst && page.Next is null);
            if (Select(page.Objects, page.Prefixes, options) is { } selected)
                yield return selected;
            if (page.Next is null)
                yield break;
            if (isParallel)
            {
                var rest = new ParallelListing(
                    prefix, _client.Options.ListConcurrency, (next, stop) => ListPageAsync(next, options.PageSize, guard, stop));
                await foreach (var objects in rest.RunAsync(page, options.StartAfter, cancel).ConfigureAwait(false))
                {
                    guard.Check(objects.Select(static found => found.Key), [], isAll: false);
                    if (Select(objects, [], options) is { } more)
                        yield return more;
                }
                yield break;
            }
            request = request with { Token = page.Next, After = page.Last ?? request.After };
        }
    }

    /// <summary>The page as the caller sees it; null when nothing is left of it.</summary>
    static ListPage? Select(List<ObjectMeta> objects, List<string> prefixes, ListOptions options)
    {
        if (options.Pattern is not null)
            objects = [.. objects.Where(found => options.Pattern.IsMatch(found.Key))];
        return objects.Count + prefixes.Count > 0 ? new ListPage(objects, prefixes) : null;
    }

    async ValueTask<Listed> ListPageAsync(ListRequest wanted, int size, ListGuard guard, CancellationToken cancel)
    {
        var page = await AskPageAsync(wanted, size, cancel).ConfigureAwait(false);
        string uri = Root.Child(wanted.Prefix);
        foreach (var found in page.Objects)
            ListGuard.CheckPlace(uri, wanted.Prefix, wanted.Folded, found.Key, isPrefix: false);
        foreach (string found in page.Prefixes)
            ListGuard.CheckPlace(uri, wanted.Prefix, wanted.Folded, found, isPrefix: true);
        guard.Arrived($"{wanted.Folded} {wanted.Prefix}", page.Objects.Count + page.Prefixes.Count, page.Next);
        if (wanted.After is not { } after)
            return page;
        // the last page is no less a page than the others: what it repeats would be listed twice
        bool repeats = wanted.Token is not null
            && ((page.Objects.Count > 0 && ObjectKey.Compare(page.Objects[0].Key, after) <= 0)
                    || (page.Prefixes.Count > 0 && ObjectKey.Compare(page.Prefixes[0], after) < 0));
        // a folder may come after its own name, for what is in it does
        bool isNamed = wanted is { Folded: true, Token: null } && after.EndsWith('/');
        // a server that repeats a page would be listed for ever
        if (repeats || (
                page.Next is not null
                    && (page.Next == wanted.Token || (page.Last is { } end && ObjectKey.Compare(end, after) < (isNamed ? 0 : 1)))))
            throw StoreException.InvalidData(Root.Child(wanted.Prefix),
                $"the listing does not advance: the server sent another page that ends at '{page.Last}'");
        return page;
    }

    ValueTask<Listed> AskPageAsync(ListRequest wanted, int size, CancellationToken cancel)
    {
        var request = Request(HttpMethod.Get, "").WithQuery("list-type", "2").WithQuery("encoding-type", "url")
            .WithQuery("max-keys", S3Meta.Number(Math.Clamp(size, 1, MostListed)))
            .WithQuery("prefix", wanted.Prefix is { Length: > 0 } prefix ? prefix : null)
            .WithQuery("delimiter", wanted.Folded ? "/" : null)
            .WithQuery("continuation-token", wanted.Token)
            .WithQuery("start-after", wanted is { Token: null, After: { Length: > 0 } after } ? after : null);
        return _client.SendAsync(request, ListLimit, text => Listed.Parse(text, request.Subject), cancel);
    }

    /// <summary>A page as the server sent it.</summary>
    /// <param name="Last">The greatest key or prefix on it.</param>
    /// <param name="Next">What asks for the next one; null at the end.</param>
    internal sealed record Listed(List<ObjectMeta> Objects, List<string> Prefixes, string? Last, string? Next)
    {
        /// <exception cref="StoreException">InvalidData when it is something else.</exception>
        public static Listed Parse(ReadOnlyMemory<byte> text, string subject) => S3Xml.Read(text, subject, xml => Read(xml, subject));

        static Listed Read(ServiceXml xml, string subject)
        {
            var objects = new List<ObjectMeta>();
            var prefixes = new List<string>();
            string? next = null, last = null;
            bool truncated = false, encoded = false;
            if (xml.Root != "ListBucketResult")
                throw StoreException.InvalidData(subject, "the answer is no listing; check endpoint_url: is it an S3 service?");
            while (xml.Next() is { } name)
            {
                switch (name)
                {
                    case "EncodingType":
                        encoded = xml.Text() == "url";
                        break;
                    case "IsTruncated":
                        truncated = xml.Text() == "true";
                        break;
                    case "NextContinuationToken":
                        next = xml.Text();
                        break;
                    case "CommonPrefixes":
                        prefixes.AddRange(xml.Within().Where(static inner => inner == "Prefix").Select(_ => xml.Text()));
                        break;
                    case "Contents":
                        objects.Add(ParseObject(xml, subject));
                        break;
                }
            }
            if (encoded)
            {
                for (int i = 0; i < objects.Count; i++)
                    objects[i] = objects[i] with { Key = PercentText.Decode(objects[i].Key) };
                for (int i = 0; i < prefixes.Count; i++)
                    prefixes[i] = PercentText.Decode(prefixes[i]);
            }
            if (objects.Count > 0)
                last = objects[^1].Key;
            if (prefixes.Count > 0 && (last is null || ObjectKey.Compare(prefixes[^1], last) > 0))
                last = prefixes[^1];
            if (truncated && string.IsNullOrEmpty(next))
                throw StoreException.InvalidData(subject, "the listing is cut short and the server does not say how it goes on");
            return new Listed(objects, prefixes, last, truncated ? next : null);
        }

        static ObjectMeta ParseObject(ServiceXml xml, string subject)
        {
            string key = "";
            string? tag = null, storage = null;
            long size = 0;
            var modified = default(DateTimeOffset);
            foreach (string name in xml.Within())
            {
                switch (name)
                {
                    case "Key":
                        key = xml.Text();
                        break;
                    case "Size":
                        if (!long.TryParse(xml.Text(), NumberStyles.None, CultureInfo.InvariantCulture, out size))
                            throw StoreException.InvalidData(subject,
                                $"the size of '{key}' in the listing is no number; check endpoint_url: is it an S3 service?");
                        break;
                    case "LastModified":
                        _ = DateTimeOffset.TryParse(xml.Text(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out modified);
                        break;
                    case "ETag":
                        tag = ETags.Bare(xml.Text());
                        break;
                    case "StorageClass":
                        storage = xml.Text();
                        break;
                }
            }
            return new ObjectMeta
            {
                Key = key,
                Size = size,
                LastModified = modified,
                ETag = tag,
                Attributes = storage is null or "STANDARD"
                    ? ObjectMeta.NoMetadata
                    : new Dictionary<string, string> { ["storage_class"] = storage },
            };
        }
    }
}
