using System.Security.Cryptography;
using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

public sealed partial class S3Store
{
    /// <summary>S3's limit for one request.</summary>
    const int MostDeleted = 1000;

    /// <summary>Keys of a batch that failed for the moment are asked for again this often.</summary>
    const int DeleteRounds = 4;

    public override async ValueTask<IReadOnlyList<DeleteFailure>> DeleteAsync(IReadOnlyList<string> keys, CancellationToken cancel)
    {
        foreach (string key in keys)
            ObjectKey.CheckListed(Root, key);
        var failures = new List<DeleteFailure>();
        // XML has no place for some characters, so keys that hold them go one by one
        var batch = keys.Where(S3Xml.CanHold).Distinct(StringComparer.Ordinal).ToList();
        var single = keys.Where(key => !S3Xml.CanHold(key)).Distinct(StringComparer.Ordinal).ToList();
        if (batch.Count == 1)
        {
            single.Add(batch[0]);
            batch.Clear();
        }
        await Crew.RunAsync(single.Count, PutConcurrency, (i, stop) => DeleteOneAsync(single[i], failures, stop), cancel).ConfigureAwait(false);
        var chunks = batch.Chunk(MostDeleted).ToArray();
        if (chunks.Length > 0)
            await Crew.RunAsync(chunks.Length, 4, (i, stop) => DeleteManyAsync(chunks[i], failures, stop), cancel).ConfigureAwait(false);
        return failures;
    }

    /// <remarks>
    /// Amazon S3 and newer gateways take the condition. A server that does not know it deletes all the same, what it was shown a moment before;
    /// and a tag is the content's, so the same bytes written again in that moment pass for those that were seen.
    /// </remarks>
    protected override async ValueTask<bool> DeleteMatchingAsync(string key, ObjectMeta seen, CancellationToken cancel)
    {
        var request = Request(HttpMethod.Delete, key);
        if (seen.ETag is { } tag && !ETags.IsWeak(tag))
            S3Meta.WriteCondition(request, new PutOptions { IfMatch = tag }, _client.Capabilities);
        try
        {
            return await _client.SendAsync(request, static _ => true, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.Precondition)
        {
            return false;
        }
        catch (StoreException error) when (error.Kind == ErrorKind.NotFound && error.Reason != ErrorReason.NoSuchBucket)
        {
            // an earlier attempt whose answer was lost
            return true;
        }
    }

    async Task DeleteOneAsync(string key, List<DeleteFailure> failures, CancellationToken cancel)
    {
        try
        {
            await _client.SendAsync(Request(HttpMethod.Delete, key), static _ => true, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (IsOfOneKey(error))
        {
            // what is not there counts as deleted; a bucket that is not there is another matter
            if (error.Kind != ErrorKind.NotFound || error.Reason == ErrorReason.NoSuchBucket)
            {
                lock (failures)
                    failures.Add(new DeleteFailure(key, error));
            }
        }
    }

    static bool IsOfOneKey(StoreException error) => error.Kind is not (ErrorKind.Authentication or ErrorKind.Unavailable or ErrorKind.Timeout);

    async Task DeleteManyAsync(string[] keys, List<DeleteFailure> failures, CancellationToken cancel)
    {
        for (int round = 1; keys.Length > 0; round++)
        {
            var refused = await DeleteBatchAsync(keys, cancel).ConfigureAwait(false);
            var again = new List<string>();
            foreach (var (key, failure) in refused)
            {
                if (failure.Transient && round < DeleteRounds)
                    again.Add(key);
                else if (failure.Error.Kind != ErrorKind.NotFound)
                {
                    lock (failures)
                        failures.Add(new DeleteFailure(key, failure.Error));
                }
            }
            keys = [.. again];
            if (keys.Length > 0)
                await Task.Delay(TimeSpan.FromMilliseconds(200 * round), _client.Retry.Clock, cancel).ConfigureAwait(false);
        }
    }

    async ValueTask<List<(string Key, HttpFailure Failure)>> DeleteBatchAsync(string[] keys, CancellationToken cancel)
    {
        var text = new StringBuilder("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
        foreach (string key in keys)
            text.Append("<Object><Key>").Append(S3Xml.Escape(key)).Append("</Key></Object>");
        byte[] body = S3Xml.Bytes(text.Append("</Delete>"));
        var request = Request(HttpMethod.Post, "", new HttpBody(body), Convert.ToHexStringLower(SHA256.HashData(body))).Ask("delete");
        request.Say("Content-Type", "application/xml");
#pragma warning disable CA5351 // S3 demands one of its checksums here; this is the one that all servers know
        request.Say("Content-MD5", Convert.ToBase64String(MD5.HashData(body)));
#pragma warning restore CA5351
        if (_client.Capabilities.Put == Support.Yes)
            request.Say(S3Meta.ChecksumHeader, Checksum.Of(body).ToBase64()).Say("x-amz-sdk-checksum-algorithm", "CRC32C");
        return await _client.SendAsync(request, async (answer, _, stop) =>
        {
            var result = await S3Upload.ReadResultAsync(_client, answer, request, stop).ConfigureAwait(false);
            return ParseRefused(result, request.Subject)
                .ConvertAll(found => (found.Key, found.Error.ToFailure(Request(HttpMethod.Delete, found.Key), _client, _client.Options.Region, _client.Retry.Clock)));
        }, cancel).ConfigureAwait(false);
    }

    internal static List<(string Key, S3Error Error)> ParseRefused(ReadOnlyMemory<byte> text, string subject) =>
        text.Span.IndexOf((byte)'<') < 0 ? [] : S3Xml.Read(text, subject, static xml =>
        {
            var refused = new List<(string, S3Error)>();
            xml.Root();
            while (xml.Next() is { } name)
            {
                if (name == "Error" && !xml.IsEmpty)
                    refused.Add(ParseError(xml));
            }
            return refused;
        });

    static (string Key, S3Error Error) ParseError(S3Xml xml)
    {
        int depth = xml.Depth;
        string key = "", code = "", message = "";
        while (xml.NextWithin(depth) is { } inner)
        {
            switch (inner)
            {
                case "Key":
                    key = xml.Text();
                    break;
                case "Code":
                    code = xml.Text();
                    break;
                case "Message":
                    message = xml.Text();
                    break;
            }
        }
        return (key, new S3Error(code == "InternalError" ? 500 : 400, code, message));
    }
}
