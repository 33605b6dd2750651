using System.Globalization;
using System.Security.Cryptography;
using S3dlio.Storage;
using S3dlio.Tests.Http;

namespace S3dlio.Tests.Storage;

/// <summary>
/// One bucket as simple servers keep it: whole objects, copies and deletes, tags of the content, times in whole seconds, no conditions.
/// </summary>
sealed class S3Bucket
{
    sealed record Kept(byte[] Data, DateTimeOffset Written)
    {
#pragma warning disable CA5351 // as S3 does
        public string Tag => Convert.ToHexStringLower(MD5.HashData(Data));
#pragma warning restore CA5351
    }

    readonly SortedDictionary<string, Kept> _items = new(StringComparer.Ordinal);

    /// <summary>Called after a copy or put of a key, before it is answered.</summary>
    public Action<string>? Written { get; set; }

    public IEnumerable<string> Keys => _items.Keys;

    public byte[] this[string key]
    {
        get => _items[key].Data;
        set => _items[key] = new Kept(value, DateTimeOffset.UtcNow);
    }

    public Task Answer(Exchange exchange)
    {
        // path style, whatever the bucket is called
        string key = Uri.UnescapeDataString(exchange.Target.Split('?')[0][1..]);
        key = key[(key.IndexOf('/', StringComparison.Ordinal) + 1)..];
        lock (_items)
        {
            switch (exchange.Method)
            {
                case "PUT" when exchange.Headers.TryGetValue("x-amz-copy-source", out string? source):
                    string from = Uri.UnescapeDataString(source[1..]);
                    if (!_items.TryGetValue(from[(from.IndexOf('/', StringComparison.Ordinal) + 1)..], out var copied))
                        return exchange.Respond(404, "", "<Error><Code>NoSuchKey</Code></Error>");
                    this[key] = copied.Data;
                    Written?.Invoke(key);
                    return exchange.Respond(200, "", $"<CopyObjectResult><ETag>\"{copied.Tag}\"</ETag></CopyObjectResult>");
                case "PUT":
                    this[key] = exchange.Body;
                    Written?.Invoke(key);
                    return exchange.Respond(200, $"ETag: \"{_items[key].Tag}\"\r\n");
                case "DELETE":
                    _items.Remove(key);
                    return exchange.Respond(204);
                case "HEAD" when key.Length == 0:
                    return exchange.Respond(200);
                default:
                    if (!_items.TryGetValue(key, out var found))
                        return exchange.Respond(404, "", exchange.Method == "HEAD" ? "" : "<Error><Code>NoSuchKey</Code></Error>");
                    string head = string.Create(
                        CultureInfo.InvariantCulture, $"ETag: \"{found.Tag}\"\r\nLast-Modified: {found.Written:R}\r\n");
                    return exchange.Headers.ContainsKey("Range")
                        ? exchange.Serve(found.Data, $"\"{found.Tag}\"", extra: head[(head.IndexOf('\n', StringComparison.Ordinal) + 1)..])
                        : exchange.Respond(200, head, found.Data);
            }
        }
    }

    public static ObjectStore Open(string url, string bucket = "bucket") => StoreFactory.Open(
        StoreUri.Parse($"s3://{bucket}/"),
        StoreOptions.Parse(
            $$"""{"endpoint_url":"{{url}}","access_key_id":"id","secret_access_key":"a-secret","region":"r1","max_attempts":1,"checksum":"off"}""", $"s3://{bucket}/"));
}
