using System.Globalization;
using System.Runtime.CompilerServices;

namespace S3dlio.Storage.Remote.Azure;

sealed partial class AzureStore
{
    /// <summary>The service's limit.</summary>
    const int MostResults = 5000;

    const int ListLimit = 64 << 20;

    public override async IAsyncEnumerable<ListPage> ListAsync(
        string prefix, ListOptions options, [EnumeratorCancellation] CancellationToken cancel)
    {
        options.Check(Root);
        ObjectKey.CheckPrefix(Root, prefix);
        var page = new ListPageBuilder();
        await foreach (var entry in EntriesAsync(prefix, options, cancel).ConfigureAwait(false))
        {
            // the service cannot begin in the middle, so what comes before is passed over; a prefix that holds the key is before it, too
            if (options.StartAfter is { } after && ObjectKey.Compare(entry.Key, after) <= 0)
                continue;
            if (entry.Meta is not null && !(options.Pattern?.IsMatch(entry.Key) ?? true))
                continue;
            page.Add(entry.Key, entry.Meta);
            if (page.Count == options.PageSize)
                yield return page.Take();
        }
        if (page.Count > 0)
            yield return page.Take();
    }

    async IAsyncEnumerable<ListEntry> EntriesAsync(string prefix, ListOptions options, [EnumeratorCancellation] CancellationToken cancel)
    {
        var order = new KeyOrder();
        string uri = Root.Child(prefix);
        // the service cannot begin in the middle
        var guard = new ListGuard(uri, null, _client.Retry.Clock);
        bool passesSome = options.StartAfter is not null || options.Pattern is not null;
        string results = Math.Min(MostResults, passesSome ? MostResults : options.PageSize).ToString(CultureInfo.InvariantCulture);
        string? marker = null, lastPrefix = null;
        do
        {
            var request = Request(
                HttpMethod.Get, "").WithQuery("restype", "container").WithQuery("comp", "list").WithQuery("maxresults", results)
                .WithQuery("prefix", prefix.Length == 0 ? null : prefix).WithQuery(
                    "delimiter", options.Recursive ? null : "/").WithQuery("marker", marker);
            var answer = await _client.SendAsync(
                request, ListLimit, text => ListResponse.Parse(text, request.Subject), cancel).ConfigureAwait(false);
            guard.Arrived(prefix, answer.Entries.Count, answer.Marker);
            foreach (var entry in answer.AsSent)
                ListGuard.CheckPlace(uri, prefix, !options.Recursive, entry.Key, entry.Meta is null);
            guard.Check(
                answer.AsSent.Where(static entry => entry.Meta is not null).Select(static entry => entry.Key),
                answer.AsSent.Where(entry => entry.Meta is null && entry.Key != lastPrefix).Select(static entry => entry.Key),
                isAll: marker is null && answer.Marker is null);
            foreach (var entry in answer.Entries)
            {
                if (entry.Meta is null)
                {
                    // one that a page's end fell into may come again
                    if (entry.Key == lastPrefix)
                        continue;
                    lastPrefix = entry.Key;
                }
                foreach (var placed in order.Next(entry))
                    yield return placed;
            }
            if (answer.Marker is not null && answer.Marker == marker)
                throw StoreException.InvalidData(Root.Child(prefix),
                    "the listing does not advance: the service names the same continuation twice");
            marker = answer.Marker;
        }
        while (marker is not null);
        foreach (var placed in order.Rest())
            yield return placed;
    }
}
