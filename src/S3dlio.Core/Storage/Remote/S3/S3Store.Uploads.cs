using System.Globalization;

namespace S3dlio.Storage.Remote.S3;

/// <summary>Multipart uploads that nobody ended. They are invisible in listings and are paid for all the same.</summary>
public sealed partial class S3Store
{
    public override async ValueTask<IReadOnlyList<UnfinishedUpload>> ListUploadsAsync(string prefix, CancellationToken cancel)
    {
        ObjectKey.CheckPrefix(Root, prefix);
        var all = new List<UnfinishedUpload>();
        (string Key, string Id)? next = null;
        do
        {
            var request = Request(HttpMethod.Get, "").Ask("uploads").Ask("max-uploads", S3Meta.Number(MostListed));
            // Ceph encodes keys when asked and does not say that it did
            if (_client.Endpoint.IsAmazon)
                request.Ask("encoding-type", "url");
            if (prefix.Length > 0)
                request.Ask("prefix", prefix);
            if (next is { } marker)
                request.Ask("key-marker", marker.Key).Ask("upload-id-marker", marker.Id);
            var page = await _client.SendAsync(request, async (answer, _, stop) =>
                Uploads.Parse(await answer.ReadTextAsync(ListLimit, stop).ConfigureAwait(false), request.Subject), cancel).ConfigureAwait(false);
            if (page.Next is { } after && after == next)
                throw new StoreException(ErrorKind.InvalidData, Root.Child(prefix), $"the listing of uploads does not advance: the server sent another page that ends at '{after.Key}'");
            // a server that takes no prefix lists more than was asked for
            all.AddRange(page.Found.Where(found => found.Key.StartsWith(prefix, StringComparison.Ordinal)));
            next = page.Next;
        }
        while (next is not null);
        return all;
    }

    public override async ValueTask AbortUploadAsync(UnfinishedUpload upload, CancellationToken cancel)
    {
        ObjectKey.Check(Root, upload.Key);
        try
        {
            await _client.SendAsync(Request(HttpMethod.Delete, upload.Key).Ask("uploadId", upload.Id), static _ => true, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.NotFound)
        {
            // completed or aborted meanwhile
        }
    }

    /// <param name="Next">Where the next page goes on; null at the end.</param>
    internal sealed record Uploads(List<UnfinishedUpload> Found, (string Key, string Id)? Next)
    {
        /// <exception cref="StoreException">InvalidData when it is something else.</exception>
        public static Uploads Parse(ReadOnlyMemory<byte> text, string subject) => S3Xml.Read(text, subject, xml => Read(xml, subject));

        static Uploads Read(S3Xml xml, string subject)
        {
            var found = new List<UnfinishedUpload>();
            string key = "", id = "";
            bool truncated = false, encoded = false;
            if (xml.Root() != "ListMultipartUploadsResult")
                throw new StoreException(ErrorKind.InvalidData, subject, "the answer is no listing of uploads; check endpoint_url: is it an S3 service?");
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
                    case "NextKeyMarker":
                        key = xml.Text();
                        break;
                    case "NextUploadIdMarker":
                        id = xml.Text();
                        break;
                    case "Upload" when !xml.IsEmpty:
                        found.Add(ParseUpload(xml));
                        break;
                }
            }
            if (encoded)
            {
                found = [.. found.Select(upload => upload with { Key = S3Encoding.Decode(upload.Key) })];
                key = S3Encoding.Decode(key);
            }
            if (truncated && key.Length == 0)
                throw new StoreException(ErrorKind.InvalidData, subject, "the listing of uploads is cut short and the server does not say how it goes on");
            return new Uploads(found, truncated ? (key, id) : null);
        }

        static UnfinishedUpload ParseUpload(S3Xml xml)
        {
            int depth = xml.Depth;
            string key = "", id = "";
            DateTimeOffset? begun = null;
            while (xml.NextWithin(depth) is { } name)
            {
                switch (name)
                {
                    case "Key":
                        key = xml.Text();
                        break;
                    case "UploadId":
                        id = xml.Text();
                        break;
                    case "Initiated":
                        begun = DateTimeOffset.TryParse(xml.Text(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
                        break;
                }
            }
            return new UnfinishedUpload(key, id, begun);
        }
    }
}
