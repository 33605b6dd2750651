using System.Globalization;
using System.Text;
using S3dlio.Storage;
using S3dlio.Tests.Http;

namespace S3dlio.Tests.Storage;

/// <summary>A bucket of keys that answers as S3 lists, from scratch for every request: sorted by bytes, folded, cut into pages.</summary>
sealed class ListingServer(IEnumerable<string> keys, int mostPerPage = 1000, bool skipsFolder = false)
{
    readonly string[] _keys = [.. keys.Distinct(StringComparer.Ordinal).Order(ObjectKey.Order)];

    public static Dictionary<string, string> Query(Exchange exchange) =>
        exchange.Target.Split('?')[1].Split('&').Select(pair => pair.Split('='))
        .ToDictionary(pair => pair[0], pair => Uri.UnescapeDataString(pair[1]), StringComparer.Ordinal);

    public Task Answer(Exchange exchange)
    {
        var query = Query(exchange);
        string prefix = query.GetValueOrDefault("prefix", "");
        bool folded = query.ContainsKey("delimiter");
        // a token is the last entry in disguise; behind a folded one comes what is not in it
        string? token = query.TryGetValue("continuation-token", out string? sent)
            ? Encoding.UTF8.GetString(Convert.FromHexString(sent))
            : null;
        string? after = token ?? query.GetValueOrDefault("start-after");
        int most = Math.Min(mostPerPage, int.Parse(query["max-keys"], CultureInfo.InvariantCulture));
        var entries = new List<(string Name, bool Folded)>();
        foreach (string key in _keys)
        {
            if (!key.StartsWith(prefix, StringComparison.Ordinal) || (after is not null && ObjectKey.Compare(key, after) <= 0))
                continue;
            int slash = folded ? key.IndexOf('/', prefix.Length) : -1;
            var entry = slash < 0 ? (key, false) : (key[..(slash + 1)], true);
            if (entries.Count > 0 && entries[^1] == entry)
                continue;
            // Amazon and Ceph differ in a folder whose inside is where the listing begins
            if (entry.Item2 && after is not null && after.StartsWith(entry.Item1, StringComparison.Ordinal)
                    && (skipsFolder || token is not null))
                continue;
            entries.Add(entry);
            if (entries.Count > most)
                break;
        }
        bool truncated = entries.Count > most;
        var text = new StringBuilder("<ListBucketResult><EncodingType>url</EncodingType>");
        text.Append(CultureInfo.InvariantCulture, $"<IsTruncated>{(truncated ? "true" : "false")}</IsTruncated>");
        if (truncated)
            text.Append(CultureInfo.InvariantCulture,
                $"<NextContinuationToken>{Convert.ToHexString(Encoding.UTF8.GetBytes(entries[most - 1].Name))}</NextContinuationToken>");
        foreach (var (name, isFolder) in entries.Take(most))
        {
            string sentName = Uri.EscapeDataString(name);
            text.Append(isFolder
                    ? $"<CommonPrefixes><Prefix>{sentName}</Prefix></CommonPrefixes>"
                    : $"<Contents><Key>{sentName}</Key><Size>1</Size></Contents>");
        }
        // all is ASCII, and in one write: two would wait for each other's acknowledgement
        string body = text.Append("</ListBucketResult>").ToString();
        return exchange.Raw(Exchange.Head(200, "", body.Length) + body);
    }
}
