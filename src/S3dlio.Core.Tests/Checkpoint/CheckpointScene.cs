using System.Text;
using S3dlio.Checkpoint;
using S3dlio.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Checkpoint;

/// <summary>A checkpoint store in memory and what tests do with it.</summary>
static class CheckpointScene
{
    public static readonly CancellationToken None = CancellationToken.None;

    public static ObjectStore NewStore() => StoreFactory.Open(StoreUri.Parse($"memory://{Guid.NewGuid()}/"), StoreOptions.Default);

    public static byte[] Content(long step, int rank) => Encoding.UTF8.GetBytes($"step {step} rank {rank} ");

    public static async ValueTask<ShardRecord> PutShardAsync(
        ObjectStore store, long step, int rank, AgreedSave save, byte[]? data = null, int? level = null) =>
        await ShardWrite.PutAsync(
            store, new ShardTarget { Step = step, Rank = rank, Save = save, Level = level },
            [LargeMemory.From((data ?? Content(step, rank)).AsMemory())], NoProgress.Instance, None);

    public static async ValueTask<FoundManifest> SaveAsync(ObjectStore store, long step, int worldSize = 2, int? level = null)
    {
        var shards = new List<ShardRecord>();
        for (int rank = 0; rank < worldSize; rank++)
            shards.Add(await PutShardAsync(store, step, rank, await SaveClaim.AgreeAsync(store, step, null, null, None), level: level));
        return (await CommitAsync(store, step, shards)).Found;
    }

    public static ValueTask<CommitResult> CommitAsync(ObjectStore store, long step, IReadOnlyList<ShardRecord> shards) =>
        CheckpointCommit.RunAsync(
            store, new CommitRequest { Step = step, Epoch = 1, Framework = "test", WorldSize = shards.Count, Shards = shards }, None);

    /// <summary>Every checkpoint that is reported complete is whole, bit for bit.</summary>
    public static async ValueTask<long[]> StepsThatAreWholeAsync(ObjectStore store)
    {
        var catalog = await CheckpointCatalog.ReadAllAsync(store, null, None);
        Assert.Empty(catalog.Skipped);
        foreach (var found in catalog.Complete)
        {
            var report = await CheckpointValidation.RunAsync(store, found.Key, NoProgress.Instance, None);
            Assert.True(report.IsWhole, $"{found.Key}: {string.Join("; ", report.Findings.Select(finding => finding.Error.Message))}");
            Assert.Empty(report.Unchecked);
            foreach (var shard in found.Manifest.Shards)
                Assert.Equal(Content(found.Manifest.Step, shard.Rank), await ReadAsync(store, shard));
        }
        return [.. catalog.Complete.Select(found => found.Manifest.Step)];
    }

    public static async ValueTask<byte[]> ReadAsync(ObjectStore store, ShardRecord shard)
    {
        byte[] bytes = [];
        await ShardRead.RunAsync(
            store, shard, size => LargeMemory.From((bytes = new byte[size]).AsMemory()), validate: true, NoProgress.Instance, None);
        return bytes;
    }

    public static async ValueTask<List<string>> KeysAsync(ObjectStore store, string prefix = "")
    {
        var keys = new List<string>();
        await foreach (var page in store.ListAsync(prefix, ListOptions.Default, None))
            keys.AddRange(page.Objects.Select(entry => entry.Key));
        return keys;
    }

    public static ValueTask<ObjectMeta> PutAsync(ObjectStore store, string key, byte[] data) =>
        store.PutAsync(key, new Payload(data.AsMemory()), PutOptions.Default, null, None);
}
