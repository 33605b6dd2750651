using S3dlio.Storage;
using S3dlio.Storage.Local;

namespace S3dlio.Fuzz.Targets;

/// <summary>Addresses and paths, and the keys in them.</summary>
class UriTarget : Target
{
    public override string Name => "uri";

    public override IEnumerable<byte[]> Seeds => Texts(
        "/data/x.npy", "x.npy", "file:///data/x.npy", "file://localhost/x", "direct:///data/x", "memory://name/key", "s3://bucket/key/more",
        "az://account/container/key", "S3://b/k");

    public override Grammar Grammar { get; } = new("uri", new Dictionary<string, string[]>
    {
        ["uri"] = ["«scheme»://«parts»", "«parts»", "«scheme»:/«parts»", "«text»://«parts»"],
        ["scheme"] = ["s3", "az", "file", "direct", "memory", "S3", "gs", "https", "«text»"],
        ["parts"] = ["", "«text»", "«text»/«parts»", "/«parts»", "a/«parts»", "../«parts»"],
    });

    public override IReadOnlyList<string> Tokens { get; } = ["://", "s3", "az", "file", "memory", "localhost", "//", "/../", "@"];

    public override bool Documents(Exception fault) => fault is StoreException { Kind: ErrorKind.InvalidArgument };

    public override string Run(byte[] input)
    {
        string text = Text(input);
        var uri = StoreUri.Parse(text);
        Must(StoreUri.Parse(uri.ToString()) == uri, $"the address of {uri} is read as it is written");
        Must(!uri.Key.Contains('\0', StringComparison.Ordinal) && !uri.Container.Contains('\0', StringComparison.Ordinal),
            "no NUL comes through");
        Must(uri.IsLocal == (uri.Container.Length == 0), "files have no container, all else has one");
        ObjectKey.Check(uri, uri.Key);
        ObjectKey.CheckPrefix(uri, uri.Key);
        if (!uri.IsLocal)
            return $"{uri.Scheme}, depth {Math.Min(3, uri.Key.Count(c => c == '/'))}";
        string path = new LocalPath(new StoreUri(uri.Scheme, "", "fuzz")).Object(uri.Key);
        Must(path.StartsWith("/fuzz/", StringComparison.Ordinal) && Path.GetFullPath(path) == path,
            $"the key does not leave its store: {path}");
        return $"{uri.Scheme} path";
    }
}

/// <summary>Azure's URLs, the one percent-encoded form.</summary>
sealed class BlobUrlTarget : UriTarget
{
    public override string Name => "blob-url";

    public override IEnumerable<byte[]> Seeds => Texts(
        "https://account.blob.core.windows.net/container/key%20x", "https://account.blob.core.chinacloudapi.cn/container/key?sv=1&sig=2",
        "HTTPS://A.blob.core.windows.net/c/%00");

    public override Grammar Grammar { get; } = new("url", new Dictionary<string, string[]>
    {
        ["url"] = ["https://«host»/«container»/«key»"],
        ["host"] = ["account.blob.core.windows.net", "«text».blob.core.windows.net", "account.blob.«text»", "«text»",
            "a@account.blob.core.windows.net"],
        ["container"] = ["c", "«encoded»"],
        ["key"] = ["k", "«encoded»", "«encoded»/«key»", "?sig=x", "#x"],
        ["encoded"] = ["%20", "%2F", "%00", "%40", "%C3%A4", "%FF", "%ED%A0%80", "%«text»", "«text»", "%2e%2e", "%25"],
    });
}
