using S3dlio.Checkpoint;
using S3dlio.Storage;
using S3dlio.Tensors;
using S3dlio.Transfer;
using Xunit;
using static S3dlio.Tests.Checkpoint.CheckpointScene;

namespace S3dlio.Tests.Checkpoint;

/// <summary>Shards of tensors: what the library calls them, and what it says of them.</summary>
public sealed class ShardWriteTests
{
    static readonly byte[] Data = [.. Enumerable.Range(0, 24).Select(i => (byte)i)];

    static ShardTarget Target(int? level = null, Placement placement = Placement.Flat) =>
        new() { Step = 7, Rank = 1, Save = new AgreedSave("save", null), Level = level, Placement = placement };

    static ValueTask<(ShardRecord Shard, OutputSummary Output, IReadOnlyList<TensorBlocks> Tensors)> Put(
        ObjectStore store, ShardTarget target) =>
        ShardWrite.PutAsync(
            store, target, [new TensorSpec("w", DType.F32, [2, 3])], [LargeMemory.From(Data.AsMemory())], null, NoProgress.Instance, None);

    [Theory]
    [InlineData(null, Placement.Flat, "shards/ckpt-7-save/rank-1-", ".safetensors")]
    [InlineData(3, Placement.Flat, "shards/ckpt-7-save/rank-1-", ".safetensors.zst")]
    [InlineData(null, Placement.RoundRobin, "shards/rr/01/ckpt-7-save/rank-1-", ".safetensors")]
    public async Task Put_Tensors_AreWholeUnderAKeyOfTheLayout(int? level, Placement placement, string begin, string end)
    {
        var store = NewStore();
        var (shard, output, tensors) = await Put(store, Target(level, placement));
        Assert.StartsWith(begin, shard.Key, StringComparison.Ordinal);
        Assert.EndsWith(end, shard.Key, StringComparison.Ordinal);
        Assert.Equal(begin.Length + 8 + end.Length, shard.Key.Length);
        Assert.Equal((1, 7L, "save", level is not null), (shard.Rank, shard.Step, shard.SaveId, shard.IsCompressed));
        Assert.Equal((shard.Key, output.RawLength, output.RawChecksum), (output.Object.Key, shard.RawSize, shard.Checksum));
        byte[] whole = await ReadAsync(store, shard);
        Assert.Equal(Data, whole[(int)Assert.Single(tensors).Offset..]);
        var report = await CheckpointValidation.RunAsync(store, [shard], NoProgress.Instance, None);
        Assert.True(report.IsWhole);
    }

    [Fact]
    public async Task Put_TheSameRankTwice_ReplacesNothing()
    {
        var store = NewStore();
        var first = (await Put(store, Target())).Shard;
        var second = (await Put(store, Target())).Shard;
        Assert.NotEqual(first.Key, second.Key);
        Assert.Equal(2, (await KeysAsync(store)).Count);
    }
}
