using System.Globalization;
using S3dlio.Hashing;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

public sealed partial class S3Store
{
    /// <summary>The CRC32C of the parts that an object was uploaded in, as the server kept them (GetObjectAttributes).</summary>
    /// <returns>Null where it kept none, does not tell, or the object is another by now.</returns>
    internal async ValueTask<BlockChecksums?> FindPartsAsync(ObjectMeta meta, CancellationToken cancel)
    {
        // the ETag of an upload in parts ends in their number
        var can = _client.Capabilities;
        if (can.Parts == Support.No || can.Put == Support.No || meta.ETag?.Contains('-', StringComparison.Ordinal) != true)
            return null;
        var parts = new List<(long Length, Checksum Checksum)>();
        long size = 0;
        for (string? after = ""; after is not null;)
        {
            var request = Request(HttpMethod.Get, meta.Key).Ask("attributes")
                .Say("x-amz-object-attributes", "ETag,ObjectParts")
                .Say("x-amz-max-parts", "1000")
                .Say("x-amz-part-number-marker", after.Length == 0 ? null : after);
            var page = await _client.Retry.RunAsync(request.Subject, (_, stop) => AskForPartsAsync(request, stop), cancel).ConfigureAwait(false);
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

    async ValueTask<PartsPage?> AskForPartsAsync(S3Request request, CancellationToken cancel)
    {
        using var place = await _client.InFlight.EnterAsync(1, 0, cancel).ConfigureAwait(false);
        try
        {
            using var answer = await _client.AttemptAsync(request, cancel).ConfigureAwait(false);
            if (answer.Length > ListLimit)
            {
                // a server that does not know the question sends the object itself
                _client.Capabilities.SawParts(false);
                return null;
            }
            var page = PartsPage.Parse(await answer.ReadTextAsync(ListLimit, cancel).ConfigureAwait(false));
            _client.Capabilities.SawParts(true);
            return page;
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
        public static PartsPage Parse(ReadOnlyMemory<byte> text)
        {
            List<(long, Checksum)>? parts = [];
            string? tag = null, next = null;
            bool truncated = false;
            try
            {
                using var xml = new S3Xml(text);
                // …Response at Amazon, nothing behind it at Ceph
                if (!xml.Root().StartsWith("GetObjectAttributes", StringComparison.Ordinal))
                    return new PartsPage(null, null, null);
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
                        case "Part" when !xml.IsEmpty:
                            if (ParsePart(xml) is { } part)
                                parts?.Add(part);
                            else
                                parts = null;
                            break;
                    }
                }
            }
            catch (System.Xml.XmlException)
            {
                return new PartsPage(null, null, null);
            }
            return new PartsPage(tag, parts, truncated && next is { Length: > 0 } ? next : null);
        }

        static (long Length, Checksum Checksum)? ParsePart(S3Xml xml)
        {
            int depth = xml.Depth;
            long length = 0;
            string? checksum = null;
            while (xml.NextWithin(depth) is { } name)
            {
                if (name == "Size")
                    _ = long.TryParse(xml.Text(), NumberStyles.None, CultureInfo.InvariantCulture, out length);
                else if (name == "ChecksumCRC32C")
                    checksum = xml.Text();
            }
            return length > 0 && Checksum.TryParseBase64(checksum, out var found) ? (length, found) : null;
        }
    }
}
