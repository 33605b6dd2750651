using System.Security.Cryptography;
using System.Text;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

sealed partial class S3Store
{
    /// <summary>S3's limit for one request.</summary>
    const int MostDeleted = 1000;

    /// <summary>Keys of a batch that failed for the moment are asked for again this often.</summary>
    const int DeleteRounds = 4;

    protected override RemoteRequest DeleteRequest(string key, string? ifMatch)
    {
        var request = Request(HttpMethod.Delete, key);
        if (ifMatch is not null)
            S3Meta.WriteCondition(request, new PutOptions { IfMatch = ifMatch }, _client.Capabilities);
        return request;
    }

    protected override bool IsMissing(HttpFailure failure) =>
        failure.Error.Kind == ErrorKind.NotFound && failure.Error.Reason != ErrorReason.NoSuchBucket;

    protected override bool EndsDeletion(StoreException error) =>
        error.Kind is ErrorKind.Authentication or ErrorKind.Unavailable or ErrorKind.Timeout;

    protected override async Task DeleteAsync(IReadOnlyList<string> keys, List<DeleteFailure> failures, CancellationToken cancel)
    {
        // XML cannot hold some characters, so keys that have them go one by one, as a single key does
        var batch = keys.Count == 1 ? [] : keys.Where(S3Xml.CanHold).ToList();
        await base.DeleteAsync(batch.Count == keys.Count ? [] : [.. keys.Except(batch)], failures, cancel).ConfigureAwait(false);
        var chunks = batch.Chunk(MostDeleted).ToArray();
        await ParallelWork.ForAsync(
            chunks.Length, 4, (i, stop) => new(DeleteManyAsync(chunks[i], failures, stop)), cancel,
            WorkerThreads.Pool).ConfigureAwait(false);
    }

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
        var text = new StringBuilder($"<Delete xmlns=\"{S3Xml.Namespace}\"><Quiet>true</Quiet>");
        foreach (string key in keys)
            text.Append("<Object><Key>").Append(S3Xml.Escape(key)).Append("</Key></Object>");
        byte[] body = S3Xml.Bytes(text.Append("</Delete>"));
        var request = Request(HttpMethod.Post, "", new HttpBody(body), Convert.ToHexStringLower(SHA256.HashData(body))).WithQuery("delete");
        request.WithHeader("Content-Type", "application/xml");
#pragma warning disable CA5351 // S3 demands one of its checksums here; this is the one that all servers know
        request.WithHeader("Content-MD5", Convert.ToBase64String(MD5.HashData(body)));
#pragma warning restore CA5351
        if (_client.Capabilities.Put == Support.Yes)
            S3Meta.WriteChecksum(request, Checksum.Of(body));
        return await _client.SendAsync(
            request, async (answer, stop) => ParseRefused(
                await _client.ReadTextAsync(answer, request, stop).ConfigureAwait(false), request.Subject)
            .ConvertAll(found => (found.Key, found.Error.ToFailure(Request(HttpMethod.Delete, found.Key), _client))),
                cancel).ConfigureAwait(false);
    }

    internal static List<(string Key, S3Error Error)> ParseRefused(ReadOnlyMemory<byte> text, string subject) =>
        text.Span.IndexOf((byte)'<') < 0 ? [] : S3Xml.Read(text, subject, static xml =>
        {
            var refused = new List<(string, S3Error)>();
            while (xml.Next() is { } name)
            {
                if (name != "Error")
                    continue;
                var fields = xml.Fields();
                string code = fields.GetValueOrDefault("Code", "");
                refused.Add((fields.GetValueOrDefault("Key", ""),
                        new S3Error(code == "InternalError" ? 500 : 400, code, fields.GetValueOrDefault("Message", ""))));
            }
            return refused;
        });
}
