using System.Runtime.InteropServices;
using S3dlio.Checkpoint;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>Checkpoints; the store is opened at the checkpoint store's address.</summary>
static unsafe partial class Exports
{
    [UnmanagedCallersOnly(EntryPoint = "s3dlio_checkpoint_agree_begin")]
    public static int CheckpointAgreeBegin(ulong store, long step, byte* options, ulong* outOperation) => Begin(outOperation, () =>
    {
        var (at, uri) = CheckpointStore(store);
        var fields = CheckpointJson.Parse(Json(options), "options_json", uri).RefuseOthers("save_id", "run_id");
        return step >= 0
            ? CheckpointJobs.Agree(at, step, fields.FindText("save_id"), fields.FindText("run_id"))
            : throw Arguments.Wrong("step", $"is {step}; steps begin at 0");
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_checkpoint_shard_put_begin")]
    public static int CheckpointShardPutBegin(ulong store, byte* shard, SegmentStruct* segments, nuint count, ulong* outOperation) =>
        Begin(outOperation, () =>
    {
        var (at, uri) = CheckpointStore(store);
        var (target, saveId, run) = CheckpointJson.ReadTarget(Arguments.Text(shard, "shard_json"), uri);
        return CheckpointJobs.PutShard(at, target, saveId, run, Arguments.Segments(segments, count));
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_checkpoint_shard_open_begin")]
    public static int CheckpointShardOpenBegin(ulong store, byte* shard, ulong* outOperation) => Begin(outOperation, () =>
    {
        var (at, uri) = CheckpointStore(store);
        var (target, saveId, run) = CheckpointJson.ReadTarget(Arguments.Text(shard, "shard_json"), uri);
        return CheckpointJobs.OpenShard(at, target, saveId, run);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_checkpoint_commit_begin")]
    public static int CheckpointCommitBegin(ulong store, byte* checkpoint, ulong* outOperation) => Begin(outOperation, () =>
    {
        var (at, uri) = CheckpointStore(store);
        return CheckpointJobs.Commit(at, CheckpointJson.ReadCommit(Arguments.Text(checkpoint, "checkpoint_json"), uri));
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_checkpoint_find_begin")]
    public static int CheckpointFindBegin(ulong store, byte* options, ulong* outOperation) => Begin(outOperation, () =>
    {
        var (at, uri) = CheckpointStore(store);
        var (step, key) = Which(options, uri);
        return key is not null ? CheckpointJobs.FindKey(at, key) : step is { } one
            ? CheckpointJobs.FindStep(at, one)
            : CheckpointJobs.FindNewest(at);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_checkpoint_list_begin")]
    public static int CheckpointListBegin(ulong store, ulong* outOperation) =>
        Begin(outOperation, () => CheckpointJobs.List(CheckpointStore(store).Store));

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_checkpoint_read_begin")]
    public static int CheckpointReadBegin(ulong store, byte* shard, void* data, ulong length, byte* options, ulong* outOperation) =>
        Begin(outOperation, () =>
    {
        var (at, uri) = CheckpointStore(store);
        bool validate = CheckpointJson.Parse(Json(options), "options_json", uri).RefuseOthers("validate").FindBool("validate") ?? true;
        var element = JsonFields.Parse(
            System.Text.Encoding.UTF8.GetBytes(Arguments.Text(shard, "shard_json")), "shard_json", ErrorKind.InvalidArgument, uri);
        var record = ShardJson.Read(element, null, ErrorKind.InvalidArgument, uri);
        return CheckpointJobs.Read(at, record, data is null && length == 0 ? null : Arguments.Memory(data, length, "data"), validate);
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_checkpoint_validate_begin")]
    public static int CheckpointValidateBegin(ulong store, byte* checkpoint, ulong* outOperation) => Begin(outOperation, () =>
    {
        var (at, uri) = CheckpointStore(store);
        var fields = CheckpointJson.Parse(
            Arguments.Text(checkpoint, "checkpoint_json"), "checkpoint_json", uri).RefuseOthers("manifest_key", "shards");
        return fields.FindText("manifest_key") is { } key
            ? CheckpointJobs.Validate(at, key)
            : CheckpointJobs.Validate(at, CheckpointJson.ReadShards(fields, uri));
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_checkpoint_delete_begin")]
    public static int CheckpointDeleteBegin(ulong store, byte* options, ulong* outOperation) => Begin(outOperation, () =>
    {
        var (at, uri) = CheckpointStore(store);
        var (step, key) = Which(options, uri);
        return key is not null ? CheckpointJobs.DeleteKey(at, key)
            : step is { } one ? CheckpointJobs.DeleteStep(at, one)
            : throw Arguments.Wrong("options_json", "names neither a 'step' nor a 'manifest_key' to delete");
    });

    [UnmanagedCallersOnly(EntryPoint = "s3dlio_checkpoint_prune_begin")]
    public static int CheckpointPruneBegin(ulong store, byte* options, ulong* outOperation) => Begin(outOperation, () =>
    {
        var (at, uri) = CheckpointStore(store);
        return CheckpointJobs.Prune(at, CheckpointJson.ReadRule(Json(options), uri));
    });

    static (ObjectStore Store, string Uri) CheckpointStore(ulong id)
    {
        var store = Store(id);
        return (store, store.Root.ToString());
    }

    /// <summary>A checkpoint by its step, by its manifest's key, or neither.</summary>
    static (long? Step, string? Key) Which(byte* options, string uri)
    {
        var fields = CheckpointJson.Parse(Json(options), "options_json", uri).RefuseOthers("step", "manifest_key");
        var (step, key) = (fields.FindInteger("step", 0, long.MaxValue), fields.FindText("manifest_key"));
        return step is null || key is null
            ? (step, key)
            : throw Arguments.Wrong("options_json", "names a 'step' and a 'manifest_key'; one of them says which checkpoint");
    }
}
