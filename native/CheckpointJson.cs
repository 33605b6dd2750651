using System.Text;
using System.Text.Json;
using S3dlio.Checkpoint;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>The JSON in which checkpoints are described across the ABI.</summary>
static class CheckpointJson
{
    /// <summary>A JSON object of the caller's; empty text is an empty one.</summary>
    public static JsonFields Parse(string text, string what, string uri) => new(
        JsonFields.Parse(Encoding.UTF8.GetBytes(text.Length == 0 ? "{}" : text), what, ErrorKind.InvalidArgument, uri), what,
        ErrorKind.InvalidArgument, uri);

    /// <summary>
    /// <c>{"step":1,"rank":0,"save_id":"…","claim":"…","run_id":"…","placement":"flat","compression":"zstd","level":3,"durable":true,
    /// "background":false,"extra":{}}</c>; without a save id the rank agrees on one with the others.
    /// </summary>
    public static (ShardTarget Target, string? SaveId, string? Run) ReadTarget(string text, string uri)
    {
        var fields = Parse(text, "shard_json", uri).RefuseOthers(
            "step", "rank", "save_id", "claim", "run_id", "placement", "compression", "level", "durable", "background", "extra");
        string? compression = fields.FindText("compression");
        int? level = (int?)fields.FindInteger("level", 1, 22);
        if (compression is not (null or "none" or "zstd"))
            throw fields.Fault("'compression' must be one of none, zstd");
        if (level is not null && compression != "zstd")
            throw fields.Fault("'level' needs \"compression\":\"zstd\"");
        string? id = fields.FindText("save_id");
        if (id is not null)
            SaveId.Check(id, "save_id", uri);
        return (new ShardTarget
        {
            Step = fields.Integer("step", 0, long.MaxValue),
            Rank = (int)fields.Integer("rank", 0, Manifest.MaxWorldSize - 1),
            Save = new AgreedSave(id ?? "", fields.FindText("claim")),
            Placement = ReadPlacement(fields),
            Level = compression == "zstd" ? level ?? Compression.SeekableFormat.DefaultLevel : null,
            Durable = fields.FindBool("durable") ?? true,
            Background = fields.FindBool("background") ?? false,
            Extra = fields.Find("extra"),
        }, id, fields.FindText("run_id"));
    }

    static Placement ReadPlacement(JsonFields fields) => fields.FindText("placement") switch
    {
        null or "flat" => Placement.Flat,
        "round_robin" => Placement.RoundRobin,
        "binary" => Placement.Binary,
        _ => throw fields.Fault("'placement' must be one of flat, round_robin, binary"),
    };

    public static CommitRequest ReadCommit(string text, string uri)
    {
        var fields = Parse(text, "checkpoint_json", uri).RefuseOthers(
            "step", "epoch", "framework", "world_size", "shards", "save_id", "user_meta", "extra", "wall_time", "durable", "verify");
        return new CommitRequest
        {
            Step = fields.Integer("step", 0, long.MaxValue),
            Epoch = fields.FindInteger("epoch", 0, long.MaxValue) ?? 0,
            Framework = fields.Text("framework"),
            WorldSize = (int)fields.Integer("world_size", 1, Manifest.MaxWorldSize),
            Shards = ReadShards(fields, uri),
            SaveId = fields.FindText("save_id"),
            UserMeta = fields.Find("user_meta"),
            Extra = fields.Find("extra"),
            WallTime = fields.Has("wall_time") ? ManifestJson.ReadTime(fields, "wall_time") : null,
            Durable = fields.FindBool("durable") ?? true,
            Verify = fields.FindBool("verify") ?? true,
        };
    }

    public static ShardRecord[] ReadShards(JsonFields fields, string uri) =>
        [.. fields.Array("shards", Manifest.MaxWorldSize).Select(element => ShardJson.Read(element, null, ErrorKind.InvalidArgument, uri))];

    public static RetentionRule ReadRule(string text, string uri)
    {
        var fields = Parse(text, "options_json", uri).RefuseOthers("keep_last", "keep_every", "grace", "check", "dry_run");
        return new RetentionRule
        {
            KeepLast = (int)fields.Integer("keep_last", 1, int.MaxValue),
            KeepEvery = fields.FindInteger("keep_every", 1, long.MaxValue),
            Grace = TimeSpan.FromSeconds(fields.FindInteger("grace", 0, 1_000_000_000) ?? 86_400),
            Check = fields.FindText("check") switch
            {
                null or "full" => KeptCheck.Full,
                "quick" => KeptCheck.Quick,
                _ => throw fields.Fault("'check' must be one of full, quick"),
            },
            DryRun = fields.FindBool("dry_run") ?? false,
        };
    }

    public static byte[] Write(ShardRecord shard) => MetaJson.Write(json => ShardJson.WriteForCoordinator(json, shard));

    public static byte[] Write(AgreedSave save) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("save_id", save.SaveId);
        if (save.ClaimKey is not null)
            json.WriteString("claim", save.ClaimKey);
        json.WriteEndObject();
    });

    public static byte[] Write(CommitResult result) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        WriteFound(json, result.Found);
        if (result.PointerProblem is not null)
            json.WriteString("pointer_problem", result.PointerProblem);
        json.WriteEndObject();
    });

    public static byte[] Write(FoundManifest? found, IReadOnlyList<SkippedManifest> skipped) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        if (found is not null)
            WriteFound(json, found);
        WriteSkipped(json, skipped);
        json.WriteEndObject();
    });

    public static byte[] Write(Catalog catalog) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("checkpoints");
        foreach (var found in catalog.Found)
        {
            json.WriteStartObject();
            json.WriteString("manifest_key", found.Key);
            json.WriteNumber("total_size", found.Manifest.TotalSize);
            json.WriteStartObject("manifest");
            // a listing tells what there is; an index of tensors and a thousand shards are asked for one by one
            ManifestJson.WriteMembers(json, found.Manifest with { Shards = [], Extra = null });
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        WriteSkipped(json, catalog.Skipped);
        json.WriteEndObject();
    });

    public static byte[] Write(IntegrityReport report) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteBoolean("whole", report.IsWhole);
        json.WriteNumber("bytes", report.Bytes);
        json.WriteStartArray("problems");
        foreach (var finding in report.Findings)
        {
            json.WriteStartObject();
            if (finding.Rank >= 0)
                json.WriteNumber("rank", finding.Rank);
            json.WriteString("key", finding.Key);
            WriteError(json, finding.Error);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        WriteRanks(json, "unchecked", report.Unchecked);
        WriteRanks(json, "ieee_crc32", report.Ieee);
        json.WriteEndObject();
    });

    public static byte[] Write(PruneReport report) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        WriteTexts(json, "deleted", report.Deleted);
        WriteTexts(json, "kept", report.Kept);
        if (report.Verified is not null)
            json.WriteString("verified", report.Verified);
        WriteTexts(json, "collected", report.Collected);
        WriteSkipped(json, report.Skipped);
        json.WriteEndObject();
    });

    public static byte[] WriteTexts(IReadOnlyList<string> texts) => MetaJson.Write(json =>
    {
        json.WriteStartArray();
        foreach (string text in texts)
            json.WriteStringValue(text);
        json.WriteEndArray();
    });

    static void WriteFound(Utf8JsonWriter json, FoundManifest found)
    {
        json.WriteString("manifest_key", found.Key);
        json.WriteNumber("total_size", found.Manifest.TotalSize);
        json.WriteStartObject("manifest");
        ManifestJson.WriteMembers(json, found.Manifest);
        json.WriteEndObject();
    }

    static void WriteSkipped(Utf8JsonWriter json, IReadOnlyList<SkippedManifest> skipped)
    {
        json.WriteStartArray("skipped");
        foreach (var (key, reason) in skipped)
        {
            json.WriteStartObject();
            json.WriteString("manifest_key", key);
            WriteError(json, reason);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    static void WriteError(Utf8JsonWriter json, StoreException error)
    {
        json.WriteNumber("kind", (int)error.Kind);
        json.WriteNumber("reason", (int)error.Reason);
        json.WriteString("message", error.Message);
        json.WriteString("uri", error.Uri);
        json.WriteString("detail", error.Detail);
        if (error.Offset is { } offset)
            json.WriteNumber("offset", offset);
    }

    static void WriteTexts(Utf8JsonWriter json, string name, IReadOnlyList<string> texts)
    {
        json.WriteStartArray(name);
        foreach (string text in texts)
            json.WriteStringValue(text);
        json.WriteEndArray();
    }

    static void WriteRanks(Utf8JsonWriter json, string name, IReadOnlyList<int> ranks)
    {
        json.WriteStartArray(name);
        foreach (int rank in ranks)
            json.WriteNumberValue(rank);
        json.WriteEndArray();
    }
}
