using System.Globalization;
using S3dlio.Hashing;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

sealed partial class S3Store
{
    /// <summary>The CRC32C of the parts that an object was uploaded in, as the server kept them (GetObjectAttributes).</summary>
    /// <returns>Null where it kept none, does not tell, or the object is another by now.</returns>
    public override async ValueTask<BlockChecksums?> FindBlocksAsync(ObjectMeta meta, CancellationToken cancel)
    {
        // the ETag of an upload in parts ends in their number
        var can = _client.Capabilities;
        if (can.Parts == Support.No || can.Put == Support.No || meta.ETag?.Contains('-', StringComparison.Ordinal) != true)
            return null;
        var parts = new List<(long Length, Checksum Checksum)>();
        long size = 0;
        for (string? after = ""; after is not null;)
        {
            var request = Request(HttpMethod.Get, meta.Key).WithQuery("attributes")
                .WithHeader("x-amz-object-attributes", "ETag,ObjectParts")
                .WithHeader("x-amz-max-parts", "1000")
                .WithHeader("x-amz-part-number-marker", after.Length == 0 ? null : after);
            var page = await _client.Retry.RunAsync(
                request.Subject, (_, stop) => AskForPartsAsync(request, stop), cancel).ConfigureAwait(false);
            if (page?.Parts is null || page.Parts.Count == 0 || (page.ETag is { } tag && tag != meta.ETag))
                return null;
            parts.AddRange(page.Parts);
            size += page.Parts.Sum(part => part.Length);
            if (size > meta.Size || (page.Next is not null && page.Next == after))
                return null;
            after = page.Next;
        }
        return size == meta.Size ? BlockChecksums.Of(parts) : null;
    }

    async ValueTask<PartsPage?> AskForPartsAsync(RemoteRequest request, CancellationToken cancel)
    {
        try
        {
            return await _client.OnceAsync(request, async (answer, stop) =>
            {
                // a server that does not know the question sends the object itself
                var page = answer.Length > ListLimit
                    ? null
                    : PartsPage.Parse(await answer.ReadTextAsync(ListLimit, stop).ConfigureAwait(false));
                _client.Capabilities.SawParts(page is not null);
                return page;
            }, cancel).ConfigureAwait(false);
        }
        catch (HttpFailure failure) when (failure.Status == 403)
        {
            // a matter of this object or bucket: what is not known is not compared
            return null;
        }
        catch (HttpFailure failure) when (failure.Status is 400 or 405 or 500 or 501 && _client.Capabilities.Parts != Support.Yes)
        {
            // older servers do not know the call; from one that has answered it before, the same is a failure like any other
            _client.Capabilities.SawParts(false);
            return null;
        }
    }

    /// <param name="Parts">Null when one of them has no CRC32C.</param>
    /// <param name="Next">What asks for those that follow; null at the end.</param>
    internal sealed record PartsPage(string? ETag, List<(long Length, Checksum Checksum)>? Parts, string? Next)
    {
        static readonly PartsPage None = new(null, null, null);

        public static PartsPage Parse(ReadOnlyMemory<byte> text) => ServiceXml.TryRead(text, None, static xml =>
        {
            // …Response at Amazon, nothing behind it at Ceph
            if (!xml.Root.StartsWith("GetObjectAttributes", StringComparison.Ordinal))
                return None;
            List<(long, Checksum)>? parts = [];
            string? tag = null, next = null;
            bool truncated = false;
            while (xml.Next() is { } name)
            {
                switch (name)
                {
                    case "ETag":
                        tag = ETags.Bare(xml.Text());
                        break;
                    case "IsTruncated":
                        truncated = xml.Text() == "true";
                        break;
                    case "NextPartNumberMarker":
                        next = xml.Text();
                        break;
                    case "Part" when ParsePart(xml.Fields()) is { } part:
                        parts?.Add(part);
                        break;
                    case "Part":
                        parts = null;
                        break;
                }
            }
            return new PartsPage(tag, parts, truncated && next is { Length: > 0 } ? next : null);
        });

        static (long Length, Checksum Checksum)? ParsePart(Dictionary<string, string> fields) =>
            long.TryParse(fields.GetValueOrDefault("Size"), NumberStyles.None, CultureInfo.InvariantCulture, out long length) && length > 0
                && Checksum.TryParseBase64(fields.GetValueOrDefault("ChecksumCRC32C"), out var found) ? (length, found) : null;
    }
}
