using System.Globalization;
using System.Security.Cryptography;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>Buckets.</summary>
sealed class S3Containers : ContainerService
{
    readonly S3Client _client;

    public S3Containers(StoreUri root, StoreOptions options) => _client = S3Client.Shared(S3Options.Read(options, root), root.ToString());

    public override async ValueTask CreateAsync(string name, CancellationToken cancel)
    {
        // Amazon wants the region in the body, except for its first one, where it must not be
        byte[] body = _client.Endpoint.IsAmazon && _client.Options.Region != "us-east-1"
            ? System.Text.Encoding.UTF8.GetBytes($"<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{S3Xml.Escape(_client.Options.Region)}</LocationConstraint></CreateBucketConfiguration>")
            : [];
        try
        {
            await _client.SendAsync(Request(HttpMethod.Put, name, body), static _ => true, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.AlreadyExists && error.Detail.Contains("OwnedByYou", StringComparison.Ordinal))
        {
            // it is as it should be
        }
    }

    public override async ValueTask DeleteAsync(string name, CancellationToken cancel)
    {
        await _client.SendAsync(Request(HttpMethod.Delete, name), static _ => true, cancel).ConfigureAwait(false);
        _client.Forget(name);
    }

    public override async ValueTask<bool> ExistsAsync(string name, CancellationToken cancel)
    {
        try
        {
            return await _client.SendAsync(Request(HttpMethod.Head, name), static _ => true, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.NotFound)
        {
            return false;
        }
    }

    public override async ValueTask<IReadOnlyList<ContainerInfo>> ListAsync(CancellationToken cancel)
    {
        var all = new List<ContainerInfo>();
        string? token = null;
        do
        {
            var request = Request(HttpMethod.Get, "");
            if (token is not null)
                request.Ask("continuation-token", token);
            string? next = await _client.SendAsync(request, async (answer, _, stop) => Parse(await answer.ReadTextAsync(16 << 20, stop).ConfigureAwait(false), all, request.Subject), cancel).ConfigureAwait(false);
            token = next == token ? null : next;
        }
        while (token is not null);
        return all;
    }

    /// <returns>What asks for the next page; null at the end.</returns>
    internal static string? Parse(ReadOnlyMemory<byte> text, List<ContainerInfo> all, string subject) => S3Xml.Read(text, subject, xml =>
    {
        string? next = null;
        xml.Root();
        while (xml.Next() is { } name)
        {
            if (name == "ContinuationToken")
                next = xml.Text() is { Length: > 0 } found ? found : null;
            if (name != "Bucket" || xml.IsEmpty)
                continue;
            int depth = xml.Depth;
            string bucket = "";
            DateTimeOffset? created = null;
            while (xml.NextWithin(depth) is { } inner)
            {
                if (inner == "Name")
                    bucket = xml.Text();
                else if (inner == "CreationDate")
                    created = DateTimeOffset.TryParse(xml.Text(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
            }
            all.Add(new ContainerInfo(bucket, created));
        }
        return next;
    });

    static S3Request Request(HttpMethod method, string name, byte[]? body = null) =>
        new(method, name, "", name.Length == 0 ? "s3://" : $"s3://{name}/")
        {
            Body = body is { Length: > 0 } ? new HttpBody(body) : null,
            PayloadHash = body is { Length: > 0 } ? Convert.ToHexStringLower(SHA256.HashData(body)) : null,
        };
}
