using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using S3dlio.Cache;
using S3dlio.Cli.CommandLine;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Addresses;

/// <summary>Opens the stores that arguments name, each once, with the options of the command line.</summary>
sealed class Stores(Parsed parsed)
{
    static readonly (string Option, string Name)[] Direct =
        [("endpoint-url", "endpoint_url"), ("region", "region"), ("profile", "profile"), ("ca-bundle", "ca_bundle")];

    /// <summary>Options as a JSON object, for what should not stand in a command line that others can see.</summary>
    public const string OptionsVariable = "S3DLIO_STORAGE_OPTIONS";

    static readonly string[] Schemes = ["s3", "az", "file", "direct", "memory"];

    readonly Dictionary<string, ObjectStore> _open = new(StringComparer.Ordinal);
    Bandwidth? _reads, _writes;

    /// <summary>Put around every store that is opened.</summary>
    public Func<ObjectStore, ObjectStore> Wrap { get; set; } = static store => store;

    /// <param name="text">As the user wrote it.</param>
    /// <param name="wildcards">Whether wildcards are looked for.</param>
    public Place Open(string text, bool wildcards = true)
    {
        if (text == "-")
            throw new UsageException("'-' stands for standard input or output, which this cannot be");
        wildcards &= !parsed.Has("raw");
        int mark = wildcards ? Glob.FirstWildcard(text) : -1;
        bool isAddress = StoreUri.IsAddress(text);
        // a local file of that very name is meant
        if (mark >= 0 && !isAddress && Path.Exists(text))
            mark = -1;
        if (mark < 0)
            return Literal(text);
        int slash = text.LastIndexOf('/', mark);
        if (isAddress && slash < text.IndexOf("://", StringComparison.Ordinal) + 3)
            throw new UsageException($"{text}: wildcards stand in keys, not in the name of a bucket or container");
        string head = text[..(slash + 1)];
        var above = Literal(head.Length == 0 ? "./" : head);
        return above with { Typed = head, Glob = new Glob(text[(slash + 1)..]) };
    }

    Place Literal(string text)
    {
        if (!StoreUri.IsAddress(text))
        {
            string path = LocalPaths.Absolute(text);
            return new Place(Root(StoreUri.Parse("file:///")), path[1..], text);
        }
        var uri = StoreUri.Parse(text);
        if (uri.IsLocal)
            return new Place(Root(new StoreUri(uri.Scheme, "", "")), uri.Key, text);
        string typed = uri.Key.Length == 0 && !text.EndsWith('/') ? text + "/" : text;
        return new Place(Root(uri with { Key = "" }), uri.Key, typed);
    }

    ObjectStore Root(StoreUri root)
    {
        string name = root.ToString();
        if (!_open.TryGetValue(name, out var store))
            _open[name] = store = Open(root, Options(name));
        return store;
    }

    /// <summary>A store whose keys are those below a path.</summary>
    public ObjectStore Folder(string text)
    {
        var place = Open(text, wildcards: false);
        var root = place.Store.Root;
        var uri = root with { Key = place.Key.TrimEnd('/') };
        return Open(uri, Options(root.ToString()));
    }

    ObjectStore Open(StoreUri uri, StoreOptions options)
    {
        long heard = Events.Count;
        var store = StoreFactory.Open(uri, options);
        // what the options give up, which no call will tell
        for (; Events.Find(heard) is { } told; heard = told.Number + 1)
        {
            if (told.Level >= EventLevel.Warning)
                Console.Error.WriteLine($"s3dlio: {told.Text}");
        }
        return Wrap(HybridStore.Wrap(Limited(store), options));
    }

    /// <summary>Each byte that is copied is read once and written once, so that both ways have the whole rate.</summary>
    ObjectStore Limited(ObjectStore store)
    {
        if (!parsed.Given.TryGetValue(Common.BandwidthLimit.Name, out var values))
            return store;
        long rate = Quantity.Size(values[^1], "--bwlimit");
        if (rate == 0)
            throw new UsageException("--bwlimit: nothing would go through at 0 bytes a second");
        return new LimitedStore(store, _reads ??= new Bandwidth(rate), _writes ??= new Bandwidth(rate));
    }

    /// <summary>The buckets or containers of an account; <c>s3://</c> or <c>az://account</c> alone names them all.</summary>
    /// <returns>The service, and the name of the container, or null for all.</returns>
    public (ContainerService Service, string? Name, string Base)? Containers(string text)
    {
        string plain = text.TrimEnd('/');
        if (plain is "s3:")
            return (StoreFactory.OpenContainers(new StoreUri("s3", "x", ""), Options("s3://x/")), null, "s3://");
        if (plain.StartsWith("s3://", StringComparison.Ordinal) && plain[5..] is var server
            && !server.Contains('/', StringComparison.Ordinal) && server.Contains(':', StringComparison.Ordinal))
            return (StoreFactory.OpenContainers(new StoreUri("s3", $"{server}/x", ""), Options($"s3://{server}/x/")), null,
                $"s3://{server}/");
        if (plain.StartsWith("az://", StringComparison.Ordinal) && plain[5..] is var account && account.Length > 0
            && !account.Contains('/', StringComparison.Ordinal))
            return (StoreFactory.OpenContainers(new StoreUri("az", $"{account}/x", ""), Options($"az://{account}/x/")), null,
                $"az://{account}/");
        if (!StoreUri.IsAddress(text))
            return null;
        var uri = StoreUri.Parse(text);
        return uri.IsLocal || uri.Scheme == "memory" || uri.Key.Trim('/').Length > 0
            ? null
            : (StoreFactory.OpenContainers(uri, Options(uri.ToString())), uri.ContainerName, "");
    }

    /// <summary>
    /// The options as the library takes them: those that another kind of store has are passed over. The command line goes before the
    /// environment.
    /// </summary>
    StoreOptions Options(string uri) => StoreOptions.Parse($$"""{"defaults":{{OptionsFor(uri)}}}""", uri);

    /// <summary>The same as a JSON object of names and values, for another program.</summary>
    public string OptionsFor(string uri)
    {
        var chosen = new SortedDictionary<string, Action<Utf8JsonWriter>>(StringComparer.Ordinal);
        string scheme = uri[..uri.IndexOf(':', StringComparison.Ordinal)];
        var own = new List<JsonProperty>();
        using var given = Environment.GetEnvironmentVariable(OptionsVariable) is { Length: > 0 } text ? FromEnvironment(text) : null;
        if (given is not null)
        {
            foreach (var member in given.RootElement.EnumerateObject())
            {
                if (!Schemes.Contains(member.Name))
                    chosen[member.Name] = member.Value.WriteTo;
                else if (member.Name == scheme)
                    own.AddRange(member.Value.EnumerateObject());
            }
            foreach (var member in own)
                chosen[member.Name] = member.Value.WriteTo;
        }
        foreach (var (option, name) in Direct)
        {
            if (parsed.Given.TryGetValue(option, out var values))
                chosen[name] = json => json.WriteStringValue(values[^1]);
        }
        if (parsed.Has("anonymous"))
            chosen["anonymous"] = static json => json.WriteBooleanValue(true);
        foreach (string pair in parsed.Given.TryGetValue("option", out var pairs) ? pairs : [])
        {
            int equals = pair.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
                throw new UsageException("--option: write NAME=VALUE, such as part_size=16777216; docs/configuration.md lists the names");
            string name = pair[..equals];
            int dot = name.IndexOf('.', StringComparison.Ordinal);
            // of one kind of store alone, where two have an option of the same name
            if (dot < 0 || name[..dot] == scheme)
                chosen[name[(dot + 1)..]] = json => WriteValue(json, pair[(equals + 1)..]);
        }
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            foreach (var (name, write) in chosen)
            {
                json.WritePropertyName(name);
                write(json);
            }
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    static JsonDocument FromEnvironment(string text)
    {
        try
        {
            var document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind == JsonValueKind.Object ? document : throw new JsonException();
        }
        catch (JsonException)
        {
            // it may hold secrets, so it is not repeated
            throw new UsageException($"{OptionsVariable} is no JSON object; write one such as {{\"region\":\"eu-central-1\"}}");
        }
    }

    static void WriteValue(Utf8JsonWriter json, string value)
    {
        if (value is "true" or "false" or ['[' or '{', ..]
            || long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            json.WriteRawValue(value);
        else
            json.WriteStringValue(value);
    }
}
