using S3dlio.Native;
using S3dlio.Storage;
using S3dlio.Storage.Remote.Azure;
using S3dlio.Http;
using S3dlio.Storage.Remote.S3;

namespace S3dlio.Fuzz.Targets;

/// <summary>JSON of some options, by their names.</summary>
static class OptionsJson
{
    public static Grammar Grammar(IEnumerable<string> names) => new("options", new Dictionary<string, string[]>
    {
        ["options"] = ["{}", "{«pairs»}", "«value»", "{\"defaults\":{«pairs»},«pairs»}", "{\"endpoints\":[«values»],«pairs»}"],
        ["pairs"] = ["\"region\":\"x\"", "«pair»", "«pair»,«pairs»"],
        ["pair"] = ["\"«name»\":«value»", "\"«name»\": «value» ", "\"«text»\":«value»"],
        ["name"] = [.. names],
        ["value"] = ["\"x\"", "true", "false", "null", "«number»", "\"«text»\"", "[«values»]", "{«pairs»}", "\"http://«text»:«number»\"",
            "\"\\ud800\"", "1e400", "0.25"],
        ["values"] = ["", "«value»", "«value»,«values»"],
    });

    public static IReadOnlyList<string> Tokens(IEnumerable<string> names) =>
        [.. names.Select(name => $"\"{name}\":"), "{", "}", "[", "]", ",", "true", "null", "\\ud800"];
}

/// <summary>Options of stores: the first character of the input says for which address.</summary>
sealed class OptionsTarget : Target
{
    static readonly string[] Addresses = ["s3://bucket/", "az://account/container/", "file:///fuzz/", "memory://fuzz/", "direct:///fuzz/"];

    public override string Name => "options";

    public override IEnumerable<byte[]> Seeds => Texts(
        "0{\"endpoint_url\":\"http://127.0.0.1:1\",\"region\":\"r\",\"access_key_id\":\"a\",\"secret_access_key\":\"b\",\"part_size\":5242880}",
        "0{\"sse_customer_key\":\"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\",\"region\":\"r\",\"read_timeout\":0.5}",
        "1{\"account_key\":\"a2V5\",\"transfer_check\":\"md5\"}", "1{\"sas_token\":\"sv=1&sig=2\"}",
        "2{\"durable\":true,\"direct_fallback\":false}",
        "3{\"defaults\":{\"region\":\"x\",\"durable\":true}}",
        "3{\"endpoints\":[\"memory://a/\",{\"uri\":\"memory://b/\"}],\"strategy\":\"round_robin\",\"replicas\":true}");

    public override Grammar Grammar { get; } = new("all", Prefixed(OptionsJson.Grammar(BackendOptions.All)));

    public override IReadOnlyList<string> Tokens { get; } = OptionsJson.Tokens(BackendOptions.All);

    public override bool Documents(Exception fault) => fault is StoreException { Kind: ErrorKind.InvalidArgument };

    public override string Run(byte[] input)
    {
        if (input.Length == 0)
            return "empty";
        string text = Text(input.AsSpan(1)), address = Addresses[input[0] % Addresses.Length];
        var uri = StoreUri.Parse(address);
        var options = StoreOptions.Parse(text, address);
        foreach (var option in options.Backend.Concat(options.Several))
            Must(BackendOptions.IsKnown(uri.Scheme, option.Name), "only known options come through");
        if (options.Several.Count > 0)
            return uri.Scheme == "memory" && !text.Contains("://", StringComparison.Ordinal)
                ? StoreFactory.Open(uri, options).GetType().Name
                : "several";
        if (uri.Scheme == "s3")
        {
            var (host, path) = new S3Endpoint(S3Options.Read(options, uri)).Locate("bucket", "key/x", "region");
            return $"s3 {host.Length > 0} {path.Length > 0}";
        }
        if (uri.Scheme != "az")
            return $"{uri.Scheme} {options.Durable} {options.DirectFallback}";
        var account = AzureAccount.Resolve(AzureOptions.Read(options, uri), "account", address, static _ => null);
        Must(account.Endpoint.StartsWith("http", StringComparison.Ordinal), "an account is reached by HTTP");
        return $"az {account.Credential.GetType().Name}";
    }

    static Dictionary<string, string[]> Prefixed(Grammar grammar) =>
        new(grammar.Rules) { ["all"] = ["«digit»«options»"], ["digit"] = ["0", "1", "2", "3", "4"] };
}

/// <summary>JSON of single calls: puts, and descriptions of arrays and tensors.</summary>
sealed class PutOptionsTarget : Target
{
    static readonly string[] Names =
        ["overwrite", "if_match", "durable", "content_type", "metadata", "attributes", "tags", "descr", "fortran_order", "shape",
            "extension_type", "tensors", "name", "dtype", "checksums"];

    public override string Name => "call-options";

    public override IEnumerable<byte[]> Seeds => Texts(
        "{\"overwrite\":false,\"if_match\":\"x\",\"durable\":true,\"content_type\":\"a/b\",\"metadata\":{\"a\":\"b\"},\"attributes\":{\"cache_control\":\"x\"},\"tags\":{\"a b\":\"c&=d\"}}",
        "{\"descr\":\"'<f4'\",\"fortran_order\":false,\"shape\":[2,3],\"extension_type\":\"x\"}",
        "{\"tensors\":[{\"name\":\"w\",\"dtype\":\"F32\",\"shape\":[2,3]}],\"metadata\":{\"a\":\"b\"},\"checksums\":true}");

    public override Grammar Grammar { get; } = OptionsJson.Grammar(Names);

    public override IReadOnlyList<string> Tokens { get; } = OptionsJson.Tokens(Names);

    public override bool Documents(Exception fault) => fault is StoreException { Kind: ErrorKind.InvalidArgument };

    public override string Run(byte[] input)
    {
        string json = Text(input);
        // each kind of call knows other names; all but one of them refuse
        return Attempt(() => Put(json)) + Attempt(() => $"array of {TensorJson.ParseArray(json, "memory://fuzz/x").Length > 0}")
            + Attempt(() => Tensors(json));
    }

    static string Put(string json)
    {
        var options = Arguments.Put(json, "memory://fuzz/x");
        if (options.Tags is { Count: > 0 } tags)
        {
            var again = ObjectAttributes.Query(tags)!.Split('&').Select(pair => pair.Split('=')).ToDictionary(
                pair => Uri.UnescapeDataString(pair[0]), pair => Uri.UnescapeDataString(pair[1]), StringComparer.Ordinal);
            Must(again.Count == tags.Count && again.All(pair => tags.TryGetValue(pair.Key, out string? value) && value == pair.Value),
                "tags that are sent are those that were given");
        }
        return $"put {options.Overwrite} {options.Durable} {options.Metadata?.Count > 0} {options.Tags?.Count > 0}";
    }

    static string Tensors(string json)
    {
        var (tensors, metadata, checksums, _, _, shard) = TensorJson.ParseTensors(json, "memory://fuzz/x");
        return $"{Math.Min(2, tensors.Length)} tensors {metadata?.Count > 0} {checksums} {shard is null}";
    }

    string Attempt(Func<string> call)
    {
        try
        {
            return call();
        }
        catch (Exception error) when (Documents(error))
        {
            return new string([.. error.Message.Where(char.IsAsciiLetter).Take(40)]);
        }
    }
}

/// <summary>URLs of endpoints and proxies, with hosts of any look, and the requests that are made of them.</summary>
sealed class EndpointTarget : Target
{
    public override string Name => "endpoint";

    // the URL is put together and taken apart for three buckets
    public override long Allowance(int length) => 4 * base.Allowance(length);

    public override IEnumerable<byte[]> Seeds => Texts(
        "http://127.0.0.1:7480", "https://s3.example.com/base/", "http://[::1]:80", "https://bücher.example", "http://user:pw@host/?q#f");

    public override Grammar Grammar { get; } = new("url", new Dictionary<string, string[]>
    {
        ["url"] = ["«scheme»://«host»«port»«path»"],
        ["scheme"] = ["http", "https", "HTTP", "ftp", "file", "«text»"],
        ["host"] = ["h", "127.0.0.1", "[::1]", "[«text»]", "xn--«text»", "«text».amazonaws.com", "a..b", "0x7f.1", "«text»", "a@b", "％41"],
        ["port"] = ["", ":80", ":«number»"],
        ["path"] = ["", "/", "/a/b", "/../x", "?q", "#f", "/«text»", "\\«text»"],
    });

    public override bool Documents(Exception fault) => fault is StoreException { Kind: ErrorKind.InvalidArgument };

    public override string Run(byte[] input)
    {
        string text = Text(input);
        if (HttpProxy.TryParse(text, "option proxy", out var proxy))
            Must(proxy.Origin.Host.Length > 0 && proxy.Origin.Port is > 0 and < 65536, "a proxy has a place");
        string json = System.Text.Json.JsonSerializer.Serialize(
            new Dictionary<string, string> { ["endpoint_url"] = text, ["region"] = "r" });
        var root = new StoreUri("s3", "bucket", "");
        var endpoint = new S3Endpoint(S3Options.Read(StoreOptions.Parse(json, "s3://bucket/"), root));
        string made = "";
        foreach (string bucket in (string[])["", "bucket", "Under_Score"])
        {
            var (host, path) = endpoint.Locate(bucket, "a/../b c", "region");
            var call = new HttpCall
            {
                Method = HttpMethod.Get,
                Origin = endpoint.Origin(host),
                Target = path + "?x=1",
                Subject = "s3://bucket/"
            };
            Must(call.Address.Query == "?x=1" && call.Address.AbsolutePath == path, "path and query go out as they were signed");
            Must(HttpFault.Place(call).Length > 1, "a server has a place");
            made += call.Address.HostNameType;
        }
        return made + endpoint.IsTls + endpoint.IsAmazon;
    }
}

/// <summary>Azure's connection strings, keys and signatures.</summary>
sealed class ConnectionStringTarget : Target
{
    public override string Name => "connection-string";

    public override IEnumerable<byte[]> Seeds => Texts(
        "DefaultEndpointsProtocol=https;AccountName=account;AccountKey=a2V5;EndpointSuffix=core.windows.net", "UseDevelopmentStorage=true",
        "BlobEndpoint=https://account.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=2",
        "BlobEndpoint=http://127.0.0.1:1/account;AccountName=account;AccountKey=a2V5");

    public override IReadOnlyList<string> Tokens { get; } =
        ["AccountName=", "AccountKey=", "SharedAccessSignature=", "BlobEndpoint=", "DefaultEndpointsProtocol=", "EndpointSuffix=",
            "UseDevelopmentStorage=true", ";", "=", "account", "sig="];

    public override Grammar Grammar { get; } = new("all", new Dictionary<string, string[]>
    {
        ["all"] = ["", "«part»;«all»"],
        ["part"] = ["AccountName=account", "AccountName=«text»", "AccountKey=«text»", "AccountKey=a2V5", "SharedAccessSignature=sig=«text»",
            "BlobEndpoint=http://«text»", "BlobEndpoint=https://account.x/", "DefaultEndpointsProtocol=«text»", "EndpointSuffix=«text»",
            "UseDevelopmentStorage=true", "«text»=«text»"],
    });

    public override bool Documents(Exception fault) => fault is StoreException { Kind: ErrorKind.InvalidArgument };

    public override string Run(byte[] input)
    {
        var options = new AzureOptions { ConnectionString = Text(input) };
        var account = AzureAccount.Resolve(options, "account", "az://account/c/", static _ => null);
        Must(Uri.TryCreate(account.Endpoint, UriKind.Absolute, out var url) && url.Scheme is "http" or "https",
            "an account is reached by HTTP");
        return $"{account.Credential.GetType().Name} {account.IsTls} {account.IsDerived}";
    }
}

/// <summary>Amazon's configuration files.</summary>
sealed class ProfileTarget : Target
{
    public override string Name => "profile";

    public override IEnumerable<byte[]> Seeds => Texts(
        "[default]\nregion = eu-west-1\naws_access_key_id=a\n\n[profile x]\ns3 =\n  endpoint_url = http://y\n# z\n[services s]\ns3 =\n  "
        + "endpoint_url=http://w\n");

    public override IReadOnlyList<string> Tokens { get; } =
        ["[default]", "[profile \"x\"]", "\n", "=", "  ", "s3 =\n  endpoint_url = ", "region=", "#", ";", "]"];

    // nothing in such a file is refused: what is not understood is another program's
    public override bool Documents(Exception fault) => false;

    public override string Run(byte[] input)
    {
        var sections = AwsProfile.Parse(Text(input).Split('\n'));
        Must(sections.All(section => section.Value.Keys.All(key => key.Length > 0)), "every value has a name");
        return $"{Math.Min(4, sections.Count)} sections, {Math.Min(6, sections.Sum(section => section.Value.Count))} values";
    }
}
