using System.Security.Cryptography;
using System.Text;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.S3;

/// <summary>Buckets.</summary>
sealed class S3Containers(S3Client client) : RemoteContainers(client, "s3://")
{
    public S3Containers(StoreUri root, StoreOptions options)
        : this(S3Client.Shared(S3Options.Read(options, root), root.ToString()))
    {
    }

    public override async ValueTask CreateAsync(string name, CancellationToken cancel)
    {
        // Amazon wants the region in the body, except for its first one, where it must not be
        byte[] body = client.Endpoint.IsAmazon && client.Options.Region != "us-east-1"
            ? Encoding.UTF8.GetBytes(
                $"<CreateBucketConfiguration xmlns=\"{S3Xml.Namespace}\"><LocationConstraint>{S3Xml.Escape(client.Options.Region)}"
                + "</LocationConstraint></CreateBucketConfiguration>")
            : [];
        try
        {
            await client.SendAsync(Request(HttpMethod.Put, name, body), cancel).ConfigureAwait(false);
        }
        catch (StoreException error)
            when (error.Kind == ErrorKind.AlreadyExists && error.Detail.Contains("OwnedByYou", StringComparison.Ordinal))
        {
            // it is as it should be
        }
    }

    public override async ValueTask DeleteAsync(string name, CancellationToken cancel)
    {
        await client.SendAsync(Request(HttpMethod.Delete, name), cancel).ConfigureAwait(false);
        client.Forget(name);
    }

    protected override RemoteRequest Request(HttpMethod method, string name) => Request(method, name, []);

    protected override RemoteRequest ListRequest(string? next) => Request(HttpMethod.Get, "").WithQuery("continuation-token", next);

    protected override string? ReadPage(ReadOnlyMemory<byte> text, List<ContainerInfo> all) => Parse(text, all, Account);

    internal static string? Parse(ReadOnlyMemory<byte> text, List<ContainerInfo> all, string subject) => S3Xml.Read(text, subject, xml =>
    {
        string? next = null;
        while (xml.Next() is { } name)
        {
            if (name == "ContinuationToken")
                next = xml.Text() is { Length: > 0 } found ? found : null;
            else if (name == "Bucket" && xml.Fields() is { Count: > 0 } fields)
                all.Add(new ContainerInfo(fields.GetValueOrDefault("Name", ""), ServiceXml.Time(fields.GetValueOrDefault("CreationDate"))));
        }
        return next;
    });

    RemoteRequest Request(HttpMethod method, string name, byte[] body) =>
        new(method, name, "", name.Length == 0 ? Account : $"s3://{name}/")
        {
            Body = body.Length > 0 ? new HttpBody(body) : null,
            PayloadHash = body.Length > 0 ? Convert.ToHexStringLower(SHA256.HashData(body)) : null,
        };
}
