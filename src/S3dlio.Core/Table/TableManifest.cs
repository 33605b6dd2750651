using System.Text.Json;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Table;

/// <summary>A file of a checkpoint.</summary>
/// <param name="Name">Relative to the table's directory, or to the place in a store.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Checksum">CRC32C of the bytes before the footer.</param>
sealed record ManifestSegment(string Name, long Length, uint Checksum)
{
    const int FolderLength = 13;

    public string Folder => Name[..FolderLength];

    /// <summary>The number of its first page, as its name tells.</summary>
    public long FirstPage => SegmentWriter.TryParseName(Name[(FolderLength + 1)..], out long first) ? first : -1;
}

/// <summary>A shard at the time of a checkpoint.</summary>
/// <param name="Pages">Pages that were made; rows lie in pages below.</param>
/// <param name="Rows">Keys that have a row.</param>
sealed record ManifestShard(long Pages, long Rows);

/// <summary>
/// What a checkpoint is: the table's kind, how far each session was, and every file that rows lie in. Version 0 is the empty table.
/// docs/formats.md has every member.
/// </summary>
sealed record TableManifest
{
    public const int FormatVersion = 2, MostSessions = 4096, MostSegments = 1 << 20, MaxLength = 256 << 20;

    static readonly System.Buffers.SearchValues<char> HexDigits = System.Buffers.SearchValues.Create("0123456789abcdef");

    public required Guid Table { get; init; }

    public required long Version { get; init; }

    /// <summary>The checkpoint before; -1 for version 0.</summary>
    public required long Parent { get; init; }

    /// <summary>Nanoseconds since 1970.</summary>
    public required long Created { get; init; }

    public required int Dimension { get; init; }

    public required RowType Type { get; init; }

    public required Optimizer Optimizer { get; init; }

    public required Initializer Initializer { get; init; }

    public required int RowsPerPage { get; init; }

    /// <summary>Whether each row has the time of its last update.</summary>
    public bool HasTimes { get; init; }

    /// <summary>Up to which its pages have changes: more than that of every checkpoint before, made or not.</summary>
    public required long Moment { get; init; }

    /// <summary>Batches of gradients that were applied.</summary>
    public required long Step { get; init; }

    /// <summary>Bytes of the files that the parent does not name.</summary>
    public required long NewBytes { get; init; }

    public required IReadOnlyDictionary<string, long> Sessions { get; init; }

    public required IReadOnlyList<ManifestShard> Shards { get; init; }

    public required IReadOnlyList<ManifestSegment> Segments { get; init; }

    public static string NameOf(long version) => $"checkpoint-{version:D12}.json";

    /// <summary>The version that a manifest's name tells; false for other names.</summary>
    public static bool TryParseName(string name, out long version)
    {
        version = -1;
        return name.StartsWith("checkpoint-", StringComparison.Ordinal) && name.EndsWith(".json", StringComparison.Ordinal)
            && long.TryParse(name.AsSpan(11, name.Length - 16), System.Globalization.NumberStyles.None, null, out version)
            && name == NameOf(version);
    }

    public byte[] ToBytes() => ChecksummedJson.Write(json =>
    {
        // a library of before would take rows with times for rows of another size
        json.WriteNumber("format_version", HasTimes ? FormatVersion : 1);
        json.WriteString("table", Table.ToString());
        json.WriteNumber("version", Version);
        json.WriteNumber("parent", Parent);
        json.WriteNumber("created_ns", Created);
        json.WriteNumber("dimension", Dimension);
        json.WriteString("dtype", NameOf(Type));
        json.WriteStartObject("optimizer");
        json.WriteString("rule", NameOf(Optimizer.Rule));
        json.WriteNumber("lr", Optimizer.LearningRate);
        json.WriteNumber("momentum", Optimizer.Momentum);
        json.WriteNumber("beta1", Optimizer.Beta1);
        json.WriteNumber("beta2", Optimizer.Beta2);
        json.WriteNumber("eps", Optimizer.Epsilon);
        json.WriteNumber("weight_decay", Optimizer.WeightDecay);
        json.WriteNumber("initial_sum", Optimizer.InitialSum);
        json.WriteNumber("rate_decay", Optimizer.RateDecay);
        json.WriteNumber("clip_norm", Optimizer.ClipNorm);
        json.WriteNumber("clip_value", Optimizer.ClipValue);
        json.WriteEndObject();
        json.WriteStartObject("initial_rows");
        json.WriteString("kind", NameOf(Initializer.Rows));
        json.WriteNumber("low", Initializer.Low);
        json.WriteNumber("high", Initializer.High);
        json.WriteString("seed", Initializer.Seed.ToString(System.Globalization.CultureInfo.InvariantCulture));
        json.WriteEndObject();
        json.WriteNumber("rows_per_page", RowsPerPage);
        if (HasTimes)
            json.WriteBoolean("row_times", true);
        json.WriteNumber("moment", Moment);
        json.WriteNumber("step", Step);
        json.WriteNumber("new_bytes", NewBytes);
        json.WriteNumber("session_count", Sessions.Count);
        json.WriteStartArray("sessions");
        foreach (var (id, serial) in Sessions.OrderBy(one => one.Key, StringComparer.Ordinal))
        {
            json.WriteStartObject();
            json.WriteString("id", id);
            json.WriteNumber("serial", serial);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("shards");
        foreach (var one in Shards)
        {
            json.WriteStartObject();
            json.WriteNumber("pages", one.Pages);
            json.WriteNumber("rows", one.Rows);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("segments");
        foreach (var one in Segments)
        {
            json.WriteStartObject();
            json.WriteString("name", one.Name);
            json.WriteNumber("length", one.Length);
            json.WriteNumber("crc32c", one.Checksum);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    /// <exception cref="StoreException">InvalidData: no manifest, or one that cannot be true; it names the field.
    /// ChecksumMismatch: it was changed.</exception>
    public static TableManifest Read(ReadOnlyMemory<byte> text, string uri)
    {
        const string what = "a table's manifest";
        JsonFields Fields(JsonElement element, string name) => new(element, name, ErrorKind.InvalidData, uri);
        if (text.Length > MaxLength)
            throw new StoreException(ErrorKind.InvalidData, uri, $"expected a manifest of at most {MaxLength} bytes, found {text.Length}");
        var fields = Fields(JsonFields.Parse(text, what, ErrorKind.InvalidData, uri), what);
        long format = fields.Integer("format_version", 1, int.MaxValue);
        if (format > FormatVersion)
            throw fields.Fault($"expected a table's manifest of format version {FormatVersion} or before, found {format}; update s3dlio");
        ChecksummedJson.Check(text.Span, uri);
        var optimizer = Fields(fields.Find("optimizer") ?? default, "the optimizer of a table's manifest");
        var initial = Fields(fields.Find("initial_rows") ?? default, "the initial rows of a table's manifest");
        if (!ulong.TryParse(initial.Text("seed"), System.Globalization.NumberStyles.None, null, out ulong seed))
            throw initial.Fault("expected a whole number as text in field 'seed' of the initial rows of a table's manifest");
        var sessions = new Dictionary<string, long>(StringComparer.Ordinal);
        long count = fields.Integer("session_count", 0, MostSessions);
        foreach (var element in fields.Array("sessions", MostSessions))
        {
            var one = Fields(element, "a session of a table's manifest");
            string id = one.Text("id");
            if (!sessions.TryAdd(id, one.Integer("serial", 0, long.MaxValue)))
                throw fields.Fault($"expected each session once in a table's manifest, found {MessageText.Quote(id)} twice in 'sessions'");
        }
        if (sessions.Count != count)
            throw fields.Fault($"expected {count} sessions in a table's manifest, as field 'session_count' says, found {sessions.Count}");
        var manifest = new TableManifest
        {
            Table = Guid.TryParseExact(fields.Text("table"), "D", out var table)
                ? table
                : throw fields.Fault("expected a UUID in field 'table' of a table's manifest"),
            Version = fields.Integer("version", 0, long.MaxValue - 1),
            Parent = fields.Integer("parent", -1, long.MaxValue - 1),
            Created = fields.Integer("created_ns", 0, long.MaxValue),
            Dimension = (int)fields.Integer("dimension", 1, TableOptions.MostDimension),
            Type = Parse<RowType>(fields, "dtype", NameOf),
            Optimizer = new Optimizer
            {
                Rule = Parse<UpdateRule>(optimizer, "rule", NameOf),
                LearningRate = Number(optimizer, "lr"),
                Momentum = Number(optimizer, "momentum"),
                Beta1 = Number(optimizer, "beta1"),
                Beta2 = Number(optimizer, "beta2"),
                Epsilon = Number(optimizer, "eps"),
                WeightDecay = Number(optimizer, "weight_decay"),
                InitialSum = Number(optimizer, "initial_sum"),
                RateDecay = Number(optimizer, "rate_decay"),
                ClipNorm = Number(optimizer, "clip_norm"),
                ClipValue = Number(optimizer, "clip_value"),
            },
            Initializer = new Initializer
            {
                Rows = Parse<InitialRows>(initial, "kind", NameOf),
                Low = Number(initial, "low"),
                High = Number(initial, "high"),
                Seed = seed,
            },
            RowsPerPage = (int)fields.Integer("rows_per_page", 1, RowLayout.MostRowsPerPage),
            HasTimes = format >= 2 && Flag(fields, "row_times"),
            Moment = fields.Integer("moment", 0, uint.MaxValue - 1),
            Step = fields.Integer("step", 0, long.MaxValue),
            NewBytes = fields.Integer("new_bytes", 0, long.MaxValue),
            Sessions = sessions,
            Shards = [.. fields.Array("shards", TableOptions.MostShards).Select(element => Fields(element, "a shard of a table's manifest"))
                .Select(one => new ManifestShard(one.Integer("pages", 0, int.MaxValue / 2), one.Integer("rows", 0, long.MaxValue)))],
            Segments = [.. fields.Array("segments", MostSegments).Select(element => Fields(element, "a segment of a table's manifest"))
                .Select(one => new ManifestSegment(
                    SafeName(one), one.Integer("length", 0, 1L << 40), (uint)one.Integer("crc32c", 0, uint.MaxValue)))],
        };
        return Checked(manifest, fields);
    }

    public static string NameOf(RowType type) =>
        type switch { RowType.Float16 => "float16", RowType.BFloat16 => "bfloat16", _ => "float32" };

    public static string NameOf(UpdateRule rule) => rule switch
    {
        UpdateRule.Add => "add",
        UpdateRule.Sgd => "sgd",
        UpdateRule.Adagrad => "adagrad",
        UpdateRule.RowwiseAdagrad => "rowwise_adagrad",
        UpdateRule.Adam => "adam",
        _ => "rowwise_adam",
    };

    public static string NameOf(InitialRows rows) => rows switch
    {
        InitialRows.Constant => "constant",
        InitialRows.Uniform => "uniform",
        InitialRows.Normal => "normal",
        _ => "zeros",
    };

    static TableManifest Checked(TableManifest manifest, JsonFields fields)
    {
        if (manifest.Parent != manifest.Version - 1)
            throw fields.Fault(
                $"expected parent {manifest.Version - 1} of version {manifest.Version} in a table's manifest, found {manifest.Parent}");
        int shards = manifest.Shards.Count;
        if (shards == 0 || (shards & (shards - 1)) != 0)
            throw fields.Fault($"expected a power of two of shards in a table's manifest, found {shards}");
        if ((manifest.RowsPerPage & (manifest.RowsPerPage - 1)) != 0)
            throw fields.Fault($"expected a power of two in field 'rows_per_page' of a table's manifest, found {manifest.RowsPerPage}");
        foreach (var one in manifest.Shards)
        {
            if (one.Rows > one.Pages * manifest.RowsPerPage)
                throw fields.Fault(
                    $"expected at most {one.Pages * manifest.RowsPerPage} rows in {one.Pages} pages in 'shards', found {one.Rows}");
        }
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var one in manifest.Segments)
        {
            if (!names.Add(one.Name))
                throw fields.Fault($"expected each segment once in a table's manifest, found {one.Name} twice");
        }
        return manifest;
    }

    /// <summary>A name of ours only: it goes into paths and keys.</summary>
    static string SafeName(JsonFields fields)
    {
        string name = fields.Text("name");
        return IsSegmentName(name)
            ? name
            : throw fields.Fault(
                $"expected rows-XXXXXXXX/seg-XXXXXXXXXXXXXXXX.s3l in field 'name' of a segment, found {MessageText.Quote(name)}");
    }

    public static bool IsSegmentName(string name) =>
        name.Length == 38 && name.StartsWith("rows-", StringComparison.Ordinal) && name[13] == '/'
        && !name.AsSpan(5, 8).ContainsAnyExcept(HexDigits) && SegmentWriter.TryParseName(name[14..], out _);

    static float Number(JsonFields fields, string name)
    {
        var value = fields.Find(name);
        return value is { ValueKind: JsonValueKind.Number } found && found.TryGetSingle(out float number) && float.IsFinite(number)
            ? number
            : throw fields.Wrong(name, "a number", value ?? default);
    }

    static bool Flag(JsonFields fields, string name) => fields.Find(name) is { } found
        && (found.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? found.ValueKind == JsonValueKind.True
            : throw fields.Wrong(name, "true or false", found));

    static T Parse<T>(JsonFields fields, string name, Func<T, string> nameOf)
        where T : struct, Enum
    {
        string text = fields.Text(name);
        foreach (var one in Enum.GetValues<T>())
        {
            if (nameOf(one) == text)
                return one;
        }
        string names = string.Join(", ", Enum.GetValues<T>().Select(nameOf));
        throw fields.Fault($"expected one of {names} in field '{name}', found {MessageText.Quote(text)}");
    }
}
