using System.Text.Json;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tensors;

namespace S3dlio.Checkpoint;

/// <summary>The JSON of one shard: in manifests, and from a writer to its coordinator.</summary>
public static class ShardJson
{
    /// <summary>Reads what came from elsewhere: nothing in it is believed before it was looked at.</summary>
    /// <param name="element">A JSON object; members not known are passed over.</param>
    /// <param name="legacy">It is of a manifest of the original. Null: as its own member <c>legacy</c> says.</param>
    /// <param name="kind">What a fault is: <see cref="ErrorKind.InvalidData"/> in manifests, <see cref="ErrorKind.InvalidArgument"/> from a
    /// caller.</param>
    /// <param name="uri">For messages.</param>
    public static ShardRecord Read(JsonElement element, bool? legacy, ErrorKind kind, string uri)
    {
        var fields = new JsonFields(element, "a shard", kind, uri);
        int rank = (int)fields.Integer("rank", 0, Manifest.MaxWorldSize - 1);
        string key = fields.Text("key");
        CheckpointLayout.CheckShardKey(key, kind, uri);
        bool old = legacy ?? fields.FindBool("legacy") ?? false;
        string? compression = fields.FindText("compression");
        if (compression is not (null or "none" or "zstd"))
            throw fields.Fault(
                $"expected 'none' or 'zstd' as compression of the shard of rank {rank}, found {MessageText.Quote(compression)}; update "
                + "s3dlio");
        return new ShardRecord
        {
            Rank = rank,
            Key = key,
            Size = fields.Integer("size", 0, long.MaxValue),
            ETag = fields.FindText("etag"),
            Checksum = ReadChecksum(fields, "checksum", old),
            RawSize = fields.FindInteger("raw_size", 0, long.MaxValue),
            StoredChecksum = ReadChecksum(fields, "stored_checksum", old),
            IsCompressed = compression is null ? key.EndsWith(".zst", StringComparison.Ordinal) : compression == "zstd",
            IsLegacy = old,
            Extra = fields.Find("extra")?.Clone(),
            SaveId = fields.FindText("save_id"),
            Step = fields.FindInteger("step", 0, long.MaxValue),
            Claim = fields.FindText("claim"),
        };
    }

    /// <summary>As it stands in a manifest.</summary>
    public static void Write(Utf8JsonWriter json, ShardRecord shard)
    {
        json.WriteStartObject();
        WriteMembers(json, shard);
        json.WriteEndObject();
    }

    /// <summary>As a writer hands it to its coordinator: with the save, and under the original's name for it, too.</summary>
    public static void WriteForCoordinator(Utf8JsonWriter json, ShardRecord shard)
    {
        json.WriteStartObject();
        if (shard.Step is { } step)
            json.WriteNumber("step", step);
        json.WriteString("timestamp", shard.SaveId);
        json.WriteString("save_id", shard.SaveId);
        if (shard.Claim is not null)
            json.WriteString("claim", shard.Claim);
        WriteMembers(json, shard);
        json.WriteEndObject();
    }

    static void WriteMembers(Utf8JsonWriter json, ShardRecord shard)
    {
        json.WriteNumber("rank", shard.Rank);
        json.WriteString("key", shard.Key);
        json.WriteNumber("size", shard.Size);
        if (shard.ETag is not null)
            json.WriteString("etag", shard.ETag);
        if (shard.Checksum is { } checksum)
            json.WriteString("checksum", checksum.ToString());
        if (shard.RawSize is { } raw)
            json.WriteNumber("raw_size", raw);
        if (shard.StoredChecksum is { } stored)
            json.WriteString("stored_checksum", stored.ToString());
        json.WriteString("compression", shard.IsCompressed ? "zstd" : "none");
        if (shard.IsLegacy)
            json.WriteBoolean("legacy", true);
        if (shard.Extra is { } extra)
        {
            json.WritePropertyName("extra");
            JsonFields.Copy(json, extra);
        }
    }

    /// <summary>The original writes some checksums with its label and some without.</summary>
    static Checksum? ReadChecksum(JsonFields fields, string name, bool legacy)
    {
        if (fields.FindText(name) is not { } text)
            return null;
        if (Checksum.TryParse(text, out var checksum) || (legacy && Checksum.TryParse($"crc32c:{text}", out checksum)))
            return checksum;
        throw fields.Fault(
            $"expected a checksum such as \"crc32c:1a2b3c4d\" in field '{name}' of a shard, found {MessageText.Quote(text)}");
    }
}
