using System.Text;
using System.Text.Json;
using S3dlio.Checkpoint;
using S3dlio.Hashing;
using S3dlio.Storage;
using Xunit;
using static S3dlio.Tests.Checkpoint.CheckpointScene;

namespace S3dlio.Tests.Checkpoint;

public sealed class ManifestJsonTests
{
    static Manifest Example() => new()
    {
        FormatVersion = 2,
        Framework = "törch",
        Step = 12,
        Epoch = 3,
        WallTime = new DateTimeOffset(2026, 1, 31, 12, 0, 0, TimeSpan.Zero).AddMicroseconds(5),
        WorldSize = 2,
        Shards = [Shard(0), Shard(1)],
        IsComplete = true,
        UserMeta = JsonDocument.Parse("""{"loss":0.5,"manifest_checksum":"crc32c:12345678"}""").RootElement,
        SaveId = "20260131-120000-000005-0123abcd",
    };

    static ShardRecord Shard(int rank) => new()
    {
        Rank = rank,
        Key = CheckpointLayout.ShardKey(Placement.Flat, 12, "20260131-120000-000005-0123abcd", rank, null),
        Size = 9,
        RawSize = 9,
        Checksum = new Checksum(0xE3069283),
        StoredChecksum = new Checksum(0xE3069283),
        ETag = "\"e\"",
    };

    static StoreException Refused(string text) =>
        Assert.Throws<StoreException>(() => ManifestJson.Read(Encoding.UTF8.GetBytes(text), "memory://x"));

    [Fact]
    public void Read_WhatWriteMade_IsTheSame()
    {
        var manifest = ManifestJson.Read(ManifestJson.Write(Example()), "memory://x");
        Assert.True(manifest.HasSameShards(Example()));
        Assert.Equal((12, 3, 2, true, "törch", Example().WallTime, Example().SaveId),
            (manifest.Step, manifest.Epoch, manifest.WorldSize, manifest.IsComplete, manifest.Framework, manifest.WallTime,
                manifest.SaveId));
        Assert.Equal(0.5, manifest.UserMeta!.Value.GetProperty("loss").GetDouble());
        Assert.False(manifest.Shards[0].IsLegacy);
    }

    [Fact]
    public void Read_EveryFlippedBit_IsRefused()
    {
        byte[] text = ManifestJson.Write(Example());
        for (int bit = 0; bit < text.Length * 8; bit++)
        {
            text[bit / 8] ^= (byte)(1 << (bit % 8));
            var error = Assert.Throws<StoreException>(() => ManifestJson.Read(text, "memory://x"));
            Assert.True(error.Kind is ErrorKind.InvalidData or ErrorKind.ChecksumMismatch);
            text[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Read_EveryCut_IsRefused()
    {
        byte[] text = ManifestJson.Write(Example());
        for (int length = 0; length < text.Length; length++)
            Assert.Throws<StoreException>(() => ManifestJson.Read(text.AsMemory(0, length), "memory://x"));
    }

    [Fact]
    public void Read_LaterVersion_IsToldApartFromDamage()
    {
        var error = Refused("""{"format_version":3,"everything":"else"}""");
        Assert.True(ManifestJson.IsNewerFormat(error));
        Assert.Contains("update s3dlio", error.Message, StringComparison.Ordinal);
        Assert.False(ManifestJson.IsNewerFormat(Refused("{}")));
    }

    const string Legacy =
        """{"format_version":1,"framework":"f","global_step":1,"epoch":0,"wall_time":"2025-08-28T10:00:00.123456789Z","world_size":1,"shards":[{"rank":0,"key":"shards/ckpt-1-20250828-100000/rank-0.bin","size":9,"etag":null,"checksum":"crc32c:cbf43926"}],"status":"complete","user_meta":null}""";

    [Fact]
    public void Read_ManifestOfTheOriginal_IsTakenAsOne()
    {
        var manifest = ManifestJson.Read(Encoding.UTF8.GetBytes(Legacy), "memory://x");
        Assert.True(manifest.IsLegacy && manifest.Shards[0].IsLegacy && manifest.IsComplete);
        Assert.Equal(new Checksum(0xCBF43926), manifest.Shards[0].Checksum);
    }

    [Theory]
    [InlineData("\"framework\":\"f\"", "\"framework\":\"\"")]
    [InlineData("\"framework\":\"f\"", "\"framework\":5")]
    [InlineData("\"framework\":\"f\"", "\"framework\":\"f\",\"framework\":\"g\"")]
    [InlineData("\"framework\":\"f\"", "\"framework\":\"\\ud800\"")]
    [InlineData("\"format_version\":1", "\"format_version\":0")]
    [InlineData("\"format_version\":1", "\"format_version\":\"1\"")]
    [InlineData("\"format_version\":1", "\"format_version\":2")]
    [InlineData("\"format_version\":1,", "")]
    [InlineData("\"global_step\":1", "\"global_step\":-1")]
    [InlineData("\"global_step\":1", "\"global_step\":1.5")]
    [InlineData("\"global_step\":1", "\"global_step\":18446744073709551616")]
    [InlineData("\"world_size\":1", "\"world_size\":0")]
    [InlineData("\"world_size\":1", "\"world_size\":2")]
    [InlineData("\"world_size\":1", "\"world_size\":2000000000")]
    [InlineData("\"rank\":0", "\"rank\":1")]
    [InlineData("\"rank\":0", "\"rank\":-1")]
    [InlineData("\"size\":9", "\"size\":-9")]
    [InlineData("\"size\":9", "\"size\":9e300")]
    [InlineData("shards/ckpt-1-20250828-100000/rank-0.bin", "/etc/passwd")]
    [InlineData("shards/ckpt-1-20250828-100000/rank-0.bin", "shards/../latest.json")]
    [InlineData("shards/ckpt-1-20250828-100000/rank-0.bin", "shards//x")]
    [InlineData("shards/ckpt-1-20250828-100000/rank-0.bin", "shards/./x")]
    [InlineData("shards/ckpt-1-20250828-100000/rank-0.bin", "shards/x/")]
    [InlineData("shards/ckpt-1-20250828-100000/rank-0.bin", "shards/x\\u0000")]
    [InlineData("shards/ckpt-1-20250828-100000/rank-0.bin", "shards/..\\\\x")]
    [InlineData("shards/ckpt-1-20250828-100000/rank-0.bin", "s3://other/shards/x")]
    [InlineData("\"complete\"", "\"done\"")]
    [InlineData("2025-08-28T10:00:00.123456789Z", "yesterday")]
    [InlineData("crc32c:cbf43926", "crc32c:cbf4392")]
    [InlineData("crc32c:cbf43926", "md5:cbf43926")]
    [InlineData("\"etag\":null", "\"etag\":{}")]
    [InlineData("\"shards\":[", "\"shards\":[[],")]
    [InlineData("\"user_meta\":null", "\"user_meta\":null,\"manifest_checksum\":\"crc32c:00000000\"")]
    [InlineData("\"user_meta\":null", "\"user_meta\":null,\"save_id\":\"x\"")]
    [InlineData("\"user_meta\":null}", "\"user_meta\":null} ]")]
    public void Read_ManifestThatCannotBe_IsRefused(string old, string replacement)
    {
        Assert.Contains(old, Legacy, StringComparison.Ordinal);
        var error = Refused(Legacy.Replace(old, replacement, StringComparison.Ordinal));
        Assert.True(error.Kind is ErrorKind.InvalidData or ErrorKind.ChecksumMismatch, error.Message);
        Assert.True(error.Message.Length < 1000, "a hostile text fills the message");
    }

    [Fact]
    public void Read_TextThatIsNoManifest_IsRefused()
    {
        foreach (string text in (
                string[])["", " ", "null", "[]", "5", "{", new string('[', 100_000),
                "{\"a\":" + new string('[', 70) + new string(']', 70) + "}", "\ufeff{}", Legacy + Legacy])
            Assert.Equal(ErrorKind.InvalidData, Refused(text).Kind);
    }

    [Theory]
    [InlineData(Placement.Flat, 0, "shards/ckpt-50-test/rank-0.bin")]
    [InlineData(Placement.RoundRobin, 0, "shards/rr/00/ckpt-50-test/rank-0.bin")]
    [InlineData(Placement.RoundRobin, 16, "shards/rr/00/ckpt-50-test/rank-16.bin")]
    [InlineData(Placement.RoundRobin, 31, "shards/rr/0f/ckpt-50-test/rank-31.bin")]
    [InlineData(Placement.Binary, 8, "shards/bin/0000/ckpt-50-test/rank-8.bin")]
    [InlineData(Placement.Binary, 16, "shards/bin/0001/ckpt-50-test/rank-16.bin")]
    [InlineData(Placement.Binary, 255, "shards/bin/1111/ckpt-50-test/rank-255.bin")]
    [InlineData(Placement.Binary, 256, "shards/bin/1000/ckpt-50-test/rank-256.bin")]
    public void ShardKey_EachPlacement_IsTheOriginals(Placement placement, int rank, string expected)
    {
        Assert.Equal(expected, CheckpointLayout.ShardKey(placement, 50, "test", rank, null));
        Assert.Equal("ckpt-50-test", CheckpointLayout.StemOf(expected));
        Assert.Contains(CheckpointLayout.DirectoryOf(expected) + "/", CheckpointLayout.DirectoriesOf("ckpt-50-test"));
    }

    [Fact]
    public async Task Read_ManifestUnderAnotherName_IsRefused()
    {
        var store = NewStore();
        var found = await SaveAsync(store, 5);
        await store.CopyAsync(found.Key, "manifests/ckpt-6-x.json", PutOptions.Default, None);
        var (newest, skipped) = await CheckpointCatalog.NewestAsync(store, None);
        Assert.Equal(5, newest!.Manifest.Step);
        await store.DeleteAsync(["latest.json"], None);
        (newest, skipped) = await CheckpointCatalog.NewestAsync(store, None);
        Assert.Equal((5, "manifests/ckpt-6-x.json"), (newest!.Manifest.Step, Assert.Single(skipped).Key));
    }
}
