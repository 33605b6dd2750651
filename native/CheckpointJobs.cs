using S3dlio.Checkpoint;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>The operations on checkpoints.</summary>
static class CheckpointJobs
{
    public static Job Agree(ObjectStore store, long step, string? saveId, string? run) => async (operation, cancel) =>
        operation.SetJson(CheckpointJson.Write(await SaveClaim.AgreeAsync(store, step, saveId, run, cancel).ConfigureAwait(false)));

    public static Job PutShard(ObjectStore store, ShardTarget target, string? saveId, string? run, IReadOnlyList<LargeMemory> data) =>
        async (operation, cancel) =>
    {
        target = await AgreeAsync(store, target, saveId, run, cancel).ConfigureAwait(false);
        operation.SetJson(CheckpointJson.Write(await ShardWrite.PutAsync(store, target, data, operation, cancel).ConfigureAwait(false)));
    };

    public static Job OpenShard(ObjectStore store, ShardTarget target, string? saveId, string? run) => async (operation, cancel) =>
    {
        target = await AgreeAsync(store, target, saveId, run, cancel).ConfigureAwait(false);
        var write = await ShardWrite.OpenAsync(store, target, cancel).ConfigureAwait(false);
        ulong number = operation.OwnOpened(new WriterHandle(write.Output, store.Root.Child(write.Output.Key)) { Shard = write });
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("writer", number);
            json.WriteString("key", write.Output.Key);
            json.WriteEndObject();
        }));
    };

    public static Job Commit(ObjectStore store, CommitRequest request) => async (operation, cancel) =>
        operation.SetJson(CheckpointJson.Write(await CheckpointCommit.RunAsync(store, request, cancel).ConfigureAwait(false)));

    public static Job FindNewest(ObjectStore store) => async (operation, cancel) =>
    {
        var (found, skipped) = await CheckpointCatalog.NewestAsync(store, cancel).ConfigureAwait(false);
        operation.SetJson(CheckpointJson.Write(found, skipped));
    };

    public static Job FindStep(ObjectStore store, long step) => async (operation, cancel) =>
    {
        var catalog = await CheckpointCatalog.ReadAllAsync(store, step, cancel).ConfigureAwait(false);
        operation.SetJson(CheckpointJson.Write(catalog.Complete.FirstOrDefault(), catalog.Skipped));
    };

    public static Job FindKey(ObjectStore store, string manifestKey) => async (operation, cancel) =>
        operation.SetJson(CheckpointJson.Write(await CheckpointCatalog.ReadAsync(store, manifestKey, cancel).ConfigureAwait(false), []));

    public static Job List(ObjectStore store) => async (operation, cancel) =>
        operation.SetJson(CheckpointJson.Write(await CheckpointCatalog.ReadAllAsync(store, null, cancel).ConfigureAwait(false)));

    public static Job Read(ObjectStore store, ShardRecord shard, LargeMemory? target, bool validate) => async (operation, cancel) =>
    {
        LargeMemory Fit(long size) => target is null ? operation.Allocate(size) : size == target.Length
            ? target
            : throw new StoreException(
                ErrorKind.InvalidArgument, store.Root.Child(shard.Key), $"the shard has {size} bytes, the caller's buffer {target.Length}");
        var by = await ShardRead.RunAsync(store, shard, Fit, validate, operation, cancel).ConfigureAwait(false);
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString(
                "verified_by", by switch { VerifiedBy.Crc32C => "crc32c", VerifiedBy.IeeeCrc32 => "ieee_crc32", _ => "nothing" });
            json.WriteEndObject();
        }));
    };

    public static Job Validate(ObjectStore store, string manifestKey) => async (operation, cancel) =>
        operation.SetJson(
            CheckpointJson.Write(await CheckpointValidation.RunAsync(store, manifestKey, operation, cancel).ConfigureAwait(false)));

    public static Job Validate(ObjectStore store, ShardRecord[] shards) => async (operation, cancel) =>
        operation.SetJson(
            CheckpointJson.Write(await CheckpointValidation.RunAsync(store, shards, operation, cancel).ConfigureAwait(false)));

    public static Job DeleteStep(ObjectStore store, long step) => async (operation, cancel) =>
        operation.SetJson(CheckpointJson.WriteTexts(await CheckpointDelete.OfStepAsync(store, step, cancel).ConfigureAwait(false)));

    public static Job DeleteKey(ObjectStore store, string manifestKey) => async (operation, cancel) =>
        operation.SetJson(
            CheckpointJson.WriteTexts(
                await CheckpointDelete.OfKeyAsync(store, manifestKey, cancel).ConfigureAwait(false) ? [manifestKey] : []));

    public static Job Prune(ObjectStore store, RetentionRule rule) => async (operation, cancel) =>
        operation.SetJson(CheckpointJson.Write(await Retention.RunAsync(store, rule, operation, cancel).ConfigureAwait(false)));

    internal static async ValueTask<ShardTarget> AgreeAsync(
        ObjectStore store, ShardTarget target, string? saveId, string? run, CancellationToken cancel) =>
        saveId is null
            ? target with { Save = await SaveClaim.AgreeAsync(store, target.Step, null, run, cancel).ConfigureAwait(false) }
            : target;
}
