using System.Text.Json;
using S3dlio.Compression;
using S3dlio.Storage;
using S3dlio.Tensors;
using S3dlio.Transfer;

namespace S3dlio.Checkpoint;

/// <summary>What is to be known of a shard before its bytes.</summary>
public sealed record ShardTarget
{
    public required long Step { get; init; }

    public required AgreedSave Save { get; init; }

    public required int Rank { get; init; }

    public Placement Placement { get; init; }

    /// <summary>zstd's, 1 to 22; null stores the bytes as they are.</summary>
    public int? Level { get; init; }

    /// <summary>Have it on the device before it counts as written.</summary>
    public bool Durable { get; init; } = true;

    /// <summary>It goes on beside a program that computes.</summary>
    public bool Background { get; init; }

    public JsonElement? Extra { get; init; }
}

/// <summary>
/// A shard that is being written. It replaces nothing: where a crashed attempt left one of its name it takes another name.
/// </summary>
public sealed class ShardWrite : IAsyncDisposable
{
    const string TensorsEnding = ".safetensors";

    readonly ShardTarget _target;

    ShardWrite(ShardTarget target, ObjectOutput output) => (_target, Output) = (target, output);

    public ObjectOutput Output { get; }

    public static async ValueTask<ShardWrite> OpenAsync(ObjectStore store, ShardTarget target, CancellationToken cancel)
    {
        string key = await FindKeyAsync(store, target, cancel).ConfigureAwait(false);
        return new ShardWrite(
            target, await ObjectOutput.OpenAsync(store, key, target.Level, Options(target), cancel).ConfigureAwait(false));
    }

    /// <summary>Writes a whole shard from the caller's memory.</summary>
    public static async ValueTask<ShardRecord> PutAsync(
        ObjectStore store, ShardTarget target, IReadOnlyList<LargeMemory> data, ITransferProgress progress, CancellationToken cancel)
    {
        var payload = new Payload(data);
        progress.Begin(payload.Length);
        if (target.Level is null)
        {
            string key = await FindKeyAsync(store, target, cancel).ConfigureAwait(false);
            var meta = await store.PutAsync(key, payload, Options(target), progress, cancel).ConfigureAwait(false);
            return Describe(target, new OutputSummary(meta, payload.Length, meta.Checksum, null));
        }
        var write = await OpenAsync(store, target, cancel).ConfigureAwait(false);
        await using (write.ConfigureAwait(false))
        {
            foreach (var piece in data)
                await write.Output.WriteAsync(piece, progress, cancel).ConfigureAwait(false);
            return write.Describe(await write.Output.CompleteAsync(cancel).ConfigureAwait(false));
        }
    }

    /// <summary>Writes a shard of tensors as safetensors, and tells where each of them lies.</summary>
    /// <remarks>Its name is no other's, so none is looked for.</remarks>
    public static async ValueTask<(ShardRecord Shard, OutputSummary Output, IReadOnlyList<TensorBlocks> Tensors)> PutAsync(
        ObjectStore store, ShardTarget target, IReadOnlyList<TensorSpec> tensors, IReadOnlyList<LargeMemory> data,
        IReadOnlyDictionary<string, string>? metadata, ITransferProgress progress, CancellationToken cancel)
    {
        string key = CheckpointLayout.ShardKey(
            target.Placement, target.Step, target.Save.SaveId, target.Rank, SaveId.Nonce(), TensorsEnding);
        var (output, places) = await SafetensorsObject.SaveBlocksAsync(
            store, key, tensors, data, metadata, target.Level, Options(target), progress, cancel).ConfigureAwait(false);
        return (Describe(target, output), output, places);
    }

    /// <summary>What the manifest will say of it.</summary>
    public ShardRecord Describe(OutputSummary written) => Describe(_target, written);

    public ValueTask DisposeAsync() => Output.DisposeAsync();

    static ShardRecord Describe(ShardTarget target, OutputSummary written) => new()
    {
        Rank = target.Rank,
        Key = written.Object.Key,
        Size = written.Object.Size,
        ETag = written.Object.ETag,
        Checksum = written.RawChecksum,
        RawSize = written.RawLength,
        StoredChecksum = written.Object.Checksum,
        IsCompressed = written.Level is not null,
        Extra = target.Extra,
        Step = target.Step,
        SaveId = target.Save.SaveId,
        Claim = target.Save.ClaimKey,
    };

    static async ValueTask<string> FindKeyAsync(ObjectStore store, ShardTarget target, CancellationToken cancel)
    {
        string? nonce = null;
        while (true)
        {
            string key = CheckpointLayout.ShardKey(target.Placement, target.Step, target.Save.SaveId, target.Rank, nonce);
            if (target.Level is not null)
                key = SeekableFormat.Name(key);
            if (await CheckpointObjects.HeadAsync(store, key, cancel).ConfigureAwait(false) is null)
                return key;
            nonce = SaveId.Nonce();
        }
    }

    /// <summary>Create-only: what a manifest refers to never changes, whatever a late or repeated rank does.</summary>
    static PutOptions Options(ShardTarget target) =>
        PutOptions.Default with { Overwrite = false, Durable = target.Durable, Background = target.Background };
}
