using S3dlio.Checkpoint;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Fuzz.Targets;

/// <summary>A checkpoint's manifest, of this library and of the original.</summary>
sealed class ManifestTarget : Target
{
    const string Uri = "s3://bucket/run/manifests/ckpt-1-x.json";

    const string Checksum0 = "\"manifest_checksum\":\"crc32c:";

    public override string Name => "manifest";

    public override IEnumerable<byte[]> Seeds => Texts(
        """{"format_version":2,"framework":"torch","global_step":1,"epoch":0,"wall_time":"2026-01-31T12:00:00.000001Z","world_size":1,"shards":[{"rank":0,"key":"shards/ckpt-1-x/rank-0.bin","size":9,"etag":null,"checksum":"crc32c:e3069283","raw_size":9,"stored_checksum":"crc32c:e3069283"}],"status":"complete","user_meta":{"a":[1]},"save_id":"x","extra":null,"manifest_checksum":"crc32c:00000000"}""",
        """{"format_version":1,"framework":"jax","global_step":7,"epoch":2,"wall_time":"2025-01-31T12:00:00+00:00","world_size":2,"shards":[{"rank":1,"key":"shards/rr/01/ckpt-7-20250131-120000/rank-1.bin","size":0,"checksum":"crc32c:00000000"},{"rank":0,"key":"shards/rr/00/ckpt-7-20250131-120000/rank-0.bin.zst","size":3}],"status":"complete","user_meta":null}""",
        """{"format_version":2,"framework":"f","global_step":0,"epoch":0,"wall_time":"2026-01-31T12:00:00Z","world_size":1000000,"shards":[],"status":"incomplete","save_id":"a","manifest_checksum":"crc32c:00000000"}""");

    public override IReadOnlyList<string> Tokens { get; } =
        ["\"rank\":", "\"key\":\"shards/../x\"", "\"key\":\"/etc/x\"", "\"size\":-1", "\"size\":9223372036854775807",
            "\"compression\":\"zstd\"", "\"format_version\":3", "\"world_size\":1000000", "\"save_id\":\"\"", "null", "[", "]", "{", "}",
            ",", "\\u0000", "\\ud800", "1e999", "\"status\":\"complete\"", Checksum0];

    public override Grammar Grammar { get; } = new("manifest", new Dictionary<string, string[]>
    {
        ["manifest"] = [
            $$"""{"format_version":«version»,"framework":"«text»","global_step":«number»,"epoch":«number»,"wall_time":"«time»","world_size":«world»,"shards":[«shards»],"status":"«status»","user_meta":«json»,"save_id":"«id»","extra":«json»,{{Checksum0}}00000000"}"""],
        ["version"] = ["1", "2", "3", "0", "«number»", "\"2\""],
        ["world"] = ["1", "2", "3", "1000000", "«number»"],
        ["shards"] = ["", "«shard»", "«shard»,«shard»", "«shard»,«shard»,«shard»"],
        ["shard"] = ["""{"rank":«rank»,"key":"«key»","size":«number»,"checksum":«sum»,"raw_size":«number»,"stored_checksum":«sum»}""",
            """{"rank":«rank»,"key":"«key»","size":«number»,"etag":"«text»"«more»}""", "«json»"],
        ["more"] = ["", ""","compression":"zstd" """, ""","compression":"«text»" """, ""","extra":«json»"""],
        ["rank"] = ["0", "1", "2", "«number»"],
        ["key"] = ["shards/ckpt-1-x/rank-0.bin", "shards/bin/0000/ckpt-1-x/rank-0.bin", "shards/«text»", "«text»", "../shards/a",
            "shards/a/../b", "shards//a"],
        ["sum"] = ["\"crc32c:e3069283\"", "\"«text»\"", "null", "«number»"],
        ["status"] = ["complete", "incomplete", "«text»"],
        ["time"] = ["2026-01-31T12:00:00Z", "9999-12-31T23:59:59.9999999Z", "0001-01-01T00:00:00+14:00", "«text»"],
        ["id"] = ["x", "20260131-120000-000005-0123abcd", "«text»", ".."],
        ["json"] = ["null", "1", "\"«text»\"", "[«json»,«json»]", """{"«text»":«json»}"""],
    });

    public override byte[] Repair(byte[] input)
    {
        byte[] whole = [.. input];
        int at = whole.AsSpan().LastIndexOf(Bytes(Checksum0)) + Checksum0.Length - "crc32c:".Length;
        if (at < Checksum0.Length - "crc32c:".Length || at + Checksum.TextLength > whole.Length)
            return input;
        Checksum.Empty.TryFormat(whole.AsSpan(at));
        Checksum.Of(whole).TryFormat(whole.AsSpan(at));
        return whole;
    }

    public override bool Documents(Exception fault) =>
        fault is StoreException { Kind: ErrorKind.InvalidData or ErrorKind.ChecksumMismatch };

    public override string Run(byte[] input)
    {
        var manifest = ManifestJson.Read(input, Uri);
        Must(manifest.Shards.Count <= manifest.WorldSize && (!manifest.IsComplete || manifest.Shards.Count == manifest.WorldSize),
            "a complete one has all ranks");
        for (int i = 0; i < manifest.Shards.Count; i++)
        {
            var shard = manifest.Shards[i];
            Must(shard.Size >= 0 && shard.RawSize is null or >= 0, "sizes are sizes");
            Must(i == 0 || manifest.Shards[i - 1].Rank < shard.Rank, "ranks are in order");
            Must(shard.Key.StartsWith("shards/", StringComparison.Ordinal)
                    && !shard.Key.Split('/').Any(static part => part is "" or "." or ".."), "a shard lies among the shards");
        }
        if (!manifest.IsLegacy)
            Must(ManifestJson.Read(ManifestJson.Write(manifest), Uri).HasSameShards(manifest), "what is read can be written and read");
        return $"{manifest.FormatVersion} {manifest.Shards.Count} {manifest.IsComplete} {manifest.UserMeta?.ValueKind}";
    }
}
