using System.Globalization;
using System.Text.Json;
using S3dlio.Storage;
using S3dlio.Tensors;

namespace S3dlio.Checkpoint;

/// <summary>The bytes of a manifest: docs/formats.md. What is read may have been written by anybody.</summary>
public static class ManifestJson
{
    /// <summary>Bytes of a manifest: hundreds of thousands of ranks, or an index of as many tensors.</summary>
    public const int MaxLength = 64 << 20;

    /// <summary>
    /// Writes a manifest of the current version; its last member is the CRC32C of the whole text, taken with zeros in its place.
    /// </summary>
    public static byte[] Write(Manifest manifest)
    {
        byte[] text = ChecksummedJson.Write(json => WriteMembers(json, manifest));
        if (text.Length > MaxLength)
            throw StoreException.InvalidArgument(CheckpointLayout.ManifestKey(manifest.Step, manifest.SaveId ?? ""),
                $"the manifest would have {text.Length} bytes; at most {MaxLength} are read: keep less JSON with the checkpoint");
        return text;
    }

    /// <summary>All members but the checksum, which is of one text and none other.</summary>
    public static void WriteMembers(Utf8JsonWriter json, Manifest manifest)
    {
        json.WriteNumber("format_version", manifest.FormatVersion);
        json.WriteString("framework", manifest.Framework);
        json.WriteNumber("global_step", manifest.Step);
        json.WriteNumber("epoch", manifest.Epoch);
        json.WriteString("wall_time", FormatTime(manifest.WallTime));
        json.WriteNumber("world_size", manifest.WorldSize);
        json.WriteStartArray("shards");
        foreach (var shard in manifest.Shards)
            ShardJson.Write(json, shard);
        json.WriteEndArray();
        json.WriteString("status", manifest.IsComplete ? "complete" : "incomplete");
        json.WritePropertyName("user_meta");
        if (manifest.UserMeta is { } user)
            JsonFields.Copy(json, user);
        else
            json.WriteNullValue();
        if (manifest.SaveId is not null)
            json.WriteString("save_id", manifest.SaveId);
        if (manifest.Extra is { } extra)
        {
            json.WritePropertyName("extra");
            JsonFields.Copy(json, extra);
        }
    }

    /// <exception cref="StoreException">InvalidData: no manifest, or one that cannot be true. ChecksumMismatch: it was changed.</exception>
    public static Manifest Read(ReadOnlyMemory<byte> text, string uri)
    {
        if (text.Length > MaxLength)
            throw Fault(uri, $"expected a manifest of at most {MaxLength} bytes, found {text.Length}");
        var fields = new JsonFields(
            JsonFields.Parse(text, "a manifest", ErrorKind.InvalidData, uri), "a manifest", ErrorKind.InvalidData, uri);
        // first: a later version may have changed everything else
        int version = (int)fields.Integer("format_version", 1, int.MaxValue);
        if (version > Manifest.CurrentVersion)
            throw NewerFormat(uri, version);
        ChecksummedJson.Check(text.Span, uri, required: version > Manifest.LegacyVersion || fields.Has("save_id"));
        return Read(fields, version, uri);
    }

    /// <summary>True for the refusal of a format that is later than this library: that is no damage, and nothing to pass over.</summary>
    public static bool IsNewerFormat(StoreException error) => error.InnerException is NotSupportedException;

    static StoreException NewerFormat(string uri, int version)
    {
        string detail = $"expected a manifest of format version {Manifest.CurrentVersion} or before, found {version}; update s3dlio";
        return StoreException.InvalidData(uri, detail, cause: new NotSupportedException(detail));
    }

    static Manifest Read(JsonFields fields, int version, string uri)
    {
        string framework = fields.Text("framework");
        if (framework.Length == 0)
            throw Fault(uri, "expected a framework's name in the manifest, found an empty text");
        int worldSize = (int)fields.Integer("world_size", 1, Manifest.MaxWorldSize);
        string status = fields.Text("status");
        if (status is not ("complete" or "incomplete"))
            throw Fault(uri, $"expected status 'complete' or 'incomplete' in the manifest, found {MessageText.Quote(status)}");
        var shards = new List<ShardRecord>();
        foreach (var element in fields.Array("shards", worldSize))
            shards.Add(ShardJson.Read(element, version == Manifest.LegacyVersion, ErrorKind.InvalidData, uri));
        var manifest = new Manifest
        {
            FormatVersion = version,
            Framework = framework,
            Step = fields.Integer("global_step", 0, long.MaxValue),
            Epoch = fields.Integer("epoch", 0, long.MaxValue),
            WallTime = ReadTime(fields, "wall_time"),
            WorldSize = worldSize,
            Shards = InOrder(shards, worldSize, status == "complete", detail => Fault(uri, detail)),
            IsComplete = status == "complete",
            UserMeta = fields.Find("user_meta")?.Clone(),
            SaveId = version == Manifest.LegacyVersion ? fields.FindText("save_id") : fields.Text("save_id"),
            Extra = fields.Find("extra")?.Clone(),
        };
        if (manifest.SaveId is { } id && !SaveId.IsValid(id))
            throw Fault(uri, $"expected a save id of letters, digits, '.', '_' and '-' in the manifest, found {MessageText.Quote(id)}");
        return manifest;
    }

    /// <summary>The shards by rank: none twice, none beyond the world's size, and of a complete one all.</summary>
    internal static IReadOnlyList<ShardRecord> InOrder(
        List<ShardRecord> shards, int worldSize, bool complete, Func<string, StoreException> fault)
    {
        // in memory that depends on the shards that are there, not on the number that a few bytes can claim
        shards.Sort(static (one, other) => one.Rank.CompareTo(other.Rank));
        for (int i = 0; i < shards.Count; i++)
        {
            if (shards[i].Rank >= worldSize)
                throw fault($"expected ranks from 0 to {worldSize - 1}, found rank {shards[i].Rank}");
            if (i > 0 && shards[i].Rank == shards[i - 1].Rank)
                throw fault($"expected each rank once, found rank {shards[i].Rank} twice");
        }
        if (complete && shards.Count < worldSize)
        {
            int missing = 0;
            while (missing < shards.Count && shards[missing].Rank == missing)
                missing++;
            throw fault(
                $"expected the shards of all {worldSize} ranks, found {shards.Count}; the first that is missing is rank {missing}'s");
        }
        return shards;
    }

    internal static string FormatTime(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    public static DateTimeOffset ReadTime(JsonFields fields, string name)
    {
        string text = fields.Text(name);
        return DateTimeOffset.TryParse(
            text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time)
            ? time
            : throw fields.Fault($"expected a time such as 2026-01-31T12:00:00Z in field '{name}', found {MessageText.Quote(text)}");
    }

    static StoreException Fault(string uri, string detail) =>
        new(ErrorKind.InvalidData, uri, $"{detail}; the manifest is damaged or not one");
}
