namespace S3dlio.Storage.Remote.S3;

/// <summary>Unfinished multipart uploads. Listings of objects do not show them, and the service charges for their parts.</summary>
sealed partial class S3Store
{
    public override async ValueTask<IReadOnlyList<UnfinishedUpload>> ListUploadsAsync(string prefix, CancellationToken cancel)
    {
        ObjectKey.CheckPrefix(Root, prefix);
        var all = new List<UnfinishedUpload>();
        (string Key, string Id)? next = null;
        do
        {
            // Ceph encodes keys when asked and does not say that it did
            var request = Request(HttpMethod.Get, "").WithQuery("uploads").WithQuery("max-uploads", S3Meta.Number(MostListed))
                .WithQuery("encoding-type", _client.Endpoint.IsAmazon ? "url" : null).WithQuery("prefix", prefix.Length > 0 ? prefix : null)
                .WithQuery("key-marker", next?.Key).WithQuery("upload-id-marker", next?.Id);
            var page = await _client.SendAsync(
                request, ListLimit, text => Uploads.Parse(text, request.Subject), cancel).ConfigureAwait(false);
            if (page.Next is { } after && after == next)
                throw StoreException.InvalidData(Root.Child(prefix),
                    $"the listing of uploads does not advance: the server sent another page that ends at '{after.Key}'");
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
            await _client.SendAsync(Request(HttpMethod.Delete, upload.Key).WithQuery("uploadId", upload.Id), cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.NotFound)
        {
            // completed or aborted meanwhile
        }
    }

    /// <param name="Next">Marker of the next page; null at the end.</param>
    internal sealed record Uploads(List<UnfinishedUpload> Found, (string Key, string Id)? Next)
    {
        /// <exception cref="StoreException">InvalidData when it is something else.</exception>
        public static Uploads Parse(ReadOnlyMemory<byte> text, string subject) => S3Xml.Read(text, subject, xml => Read(xml, subject));

        static Uploads Read(ServiceXml xml, string subject)
        {
            var found = new List<UnfinishedUpload>();
            string key = "", id = "";
            bool truncated = false, encoded = false;
            if (xml.Root != "ListMultipartUploadsResult")
                throw StoreException.InvalidData(subject, "the answer is no listing of uploads; check endpoint_url: is it an S3 service?");
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
                    case "Upload":
                        var fields = xml.Fields();
                        found.Add(new UnfinishedUpload(
                                fields.GetValueOrDefault("Key", ""), fields.GetValueOrDefault("UploadId", ""),
                                ServiceXml.Time(fields.GetValueOrDefault("Initiated"))));
                        break;
                }
            }
            if (encoded)
            {
                found = [.. found.Select(upload => upload with { Key = PercentText.Decode(upload.Key) })];
                key = PercentText.Decode(key);
            }
            if (truncated && key.Length == 0)
                throw StoreException.InvalidData(subject, "the listing of uploads is cut short and the server does not say how it goes on");
            return new Uploads(found, truncated ? (key, id) : null);
        }
    }
}
