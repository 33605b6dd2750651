using System.Text.Json;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Checkpoint;

/// <summary>A checkpoint to be.</summary>
public sealed record CommitRequest
{
    public required long Step { get; init; }

    public required long Epoch { get; init; }

    public required string Framework { get; init; }

    public required int WorldSize { get; init; }

    /// <summary>One of each rank.</summary>
    public required IReadOnlyList<ShardRecord> Shards { get; init; }

    /// <summary>Null: that of the shard of rank 0.</summary>
    public string? SaveId { get; init; }

    public JsonElement? UserMeta { get; init; }

    public JsonElement? Extra { get; init; }

    /// <summary>When the state was taken; null: now, or just after the newest checkpoint that is there.</summary>
    public DateTimeOffset? WallTime { get; init; }

    public bool Durable { get; init; } = true;

    /// <summary>Look whether every shard is there, whole, before the manifest says so.</summary>
    public bool Verify { get; init; } = true;
}

/// <summary>A checkpoint that is there.</summary>
/// <param name="Found">Its manifest.</param>
/// <param name="PointerProblem">Why <c>latest.json</c> could not be brought up to date; the checkpoint is found without it.</param>
public sealed record CommitResult(FoundManifest Found, string? PointerProblem);

/// <summary>Makes a checkpoint of shards: the one moment at which it begins to exist is when its manifest does.</summary>
public static class CheckpointCommit
{
    const int LooksInFlight = 64;

    const int OtherNames = 8;

    /// <summary>A manifest cannot have a later time.</summary>
    static readonly DateTimeOffset LastTime = DateTimeOffset.MaxValue.AddMilliseconds(-1);

    /// <exception cref="StoreException">
    /// InvalidArgument: the shards are not one of each rank. NotFound, InvalidData: one is not there, or not as it was written.
    /// Precondition: the save was given up by a prune.
    /// </exception>
    public static async ValueTask<CommitResult> RunAsync(ObjectStore store, CommitRequest request, CancellationToken cancel)
    {
        var manifest = Describe(store, request);
        if (request.Verify)
            await VerifyAsync(store, manifest.Shards, cancel).ConfigureAwait(false);
        var known = await SurveyAsync(store, cancel).ConfigureAwait(false);
        manifest = manifest with { WallTime = FindTime(request, known.Newest) };
        var found = await PutAsync(store, manifest, request.Durable, cancel).ConfigureAwait(false);
        // from here on the checkpoint exists, and nothing that follows can take that back
        string? problem = null;
        try
        {
            known.Keys.Add(found.Key);
            await LatestPointer.PublishAsync(
                store, known with { Newest = CheckpointCatalog.Later(known.Newest, found) }, cancel).ConfigureAwait(false);
            string[] claims = [.. request.Shards.Select(static shard => shard.Claim).OfType<string>().Distinct()];
            foreach (string claim in claims.Where(static key => key.StartsWith(CheckpointLayout.Saves, StringComparison.Ordinal)))
                await RemoveSpentAsync(store, claim, found.Manifest, cancel).ConfigureAwait(false);
        }
        catch (Exception error) when (error is StoreException or OperationCanceledException)
        {
            problem = error.Message;
        }
        return new CommitResult(found, problem);
    }

    static Manifest Describe(ObjectStore store, CommitRequest request)
    {
        string uri = store.Root.ToString();
        StoreException Wrong(string detail) =>
            new(ErrorKind.InvalidArgument, uri, $"{detail}; a checkpoint needs the shard of each rank, as its writer returned it");
        if (request.Framework.Length == 0)
            throw StoreException.InvalidArgument(uri, "the framework's name is empty");
        foreach (var shard in request.Shards)
        {
            if (shard.Step is { } step && step != request.Step)
                throw Wrong($"the shard of rank {shard.Rank} is of step {step}, the checkpoint of step {request.Step}");
        }
        var shards = ManifestJson.InOrder([.. request.Shards], request.WorldSize, complete: true, Wrong);
        string id = request.SaveId ?? shards[0].SaveId ?? SaveIdOf(shards[0]) ?? SaveId.New(DateTimeOffset.UtcNow);
        return new Manifest
        {
            FormatVersion = Manifest.CurrentVersion,
            Framework = request.Framework,
            Step = request.Step,
            Epoch = request.Epoch,
            WallTime = default,
            WorldSize = request.WorldSize,
            Shards = shards,
            IsComplete = true,
            UserMeta = request.UserMeta,
            SaveId = SaveId.Check(id, "save_id", uri),
            Extra = request.Extra,
        };
    }

    static string? SaveIdOf(ShardRecord shard) =>
        CheckpointLayout.StemOf(shard.Key) is { } stem && CheckpointLayout.TryParseStem(stem, out _, out string id) && SaveId.IsValid(id)
            ? id
            : null;

    /// <summary>
    /// Now; but always after the newest checkpoint that there is, whatever this machine's clock says, or said on the one that made it:
    /// times give the order, and clocks only what they are called. A time that the caller gives stays, unless it is of a later step.
    /// </summary>
    static DateTimeOffset FindTime(CommitRequest request, FoundManifest? newest)
    {
        var time = request.WallTime ?? DateTimeOffset.UtcNow;
        // manifests have microseconds
        time = time.AddTicks(-(time.Ticks % TimeSpan.TicksPerMicrosecond));
        if (newest is null || newest.Manifest.WallTime < time || (request.WallTime is not null && newest.Manifest.Step >= request.Step))
            return time;
        return newest.Manifest.WallTime < LastTime ? newest.Manifest.WallTime.AddMicroseconds(1) : newest.Manifest.WallTime;
    }

    /// <summary>
    /// What is there. Who may not list, and who finds a manifest of a later version, knows no more than the pointer says.
    /// </summary>
    static async ValueTask<Survey> SurveyAsync(ObjectStore store, CancellationToken cancel)
    {
        try
        {
            return await CheckpointCatalog.SurveyAsync(store, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.PermissionDenied || CheckpointObjects.IsDamage(error))
        {
            var none = new SortedSet<string>(StringComparer.Ordinal);
            var named = await LatestPointer.ReadAsync(store, cancel).ConfigureAwait(false) is { } pointer
                ? await ReadOrNullAsync(store, pointer.ManifestKey, cancel).ConfigureAwait(false)
                : null;
            if (named is not null)
                none.Add(named.Key);
            return new Survey(none, named, []);
        }
    }

    static async ValueTask VerifyAsync(ObjectStore store, IReadOnlyList<ShardRecord> shards, CancellationToken cancel)
    {
        var failures = await Bulk.RunAsync(shards.Count, LooksInFlight, 0, async (i, stop) =>
        {
            var shard = shards[i];
            var meta = await store.HeadAsync(shard.Key, stop).ConfigureAwait(false);
            ShardCheck.CompareMeta(store, shard, meta);
        }, i => store.Root.Child(shards[i].Key), cancel).ConfigureAwait(false);
        for (int i = 0; i < shards.Count; i++)
        {
            if (failures[i] is { } failure)
                throw new StoreException(
                    failure.Kind, failure.Uri, $"the shard of rank {shards[i].Rank} cannot be committed: {failure.Detail}",
                    cause: failure)
                { Reason = failure.Reason };
        }
    }

    /// <summary>
    /// Takes the save's one place. Of several that want it one gets it; the others' checkpoints are no less whole and take one beside it.
    /// </summary>
    static async ValueTask<FoundManifest> PutAsync(ObjectStore store, Manifest manifest, bool durable, CancellationToken cancel)
    {
        string first = manifest.SaveId!;
        for (int i = 0; ; i++)
        {
            string key = CheckpointLayout.ManifestKey(manifest.Step, manifest.SaveId!);
            try
            {
                await CheckpointObjects.PutAsync(
                    store, key, ManifestJson.Write(manifest),
                    PutOptions.Default with { Overwrite = false, Durable = durable, Barrier = true },
                    cancel).ConfigureAwait(false);
                return new FoundManifest(key, manifest);
            }
            catch (StoreException error) when (error.Kind == ErrorKind.AlreadyExists && i < OtherNames)
            {
                var there = await ReadOrNullAsync(store, key, cancel).ConfigureAwait(false);
                if (there is not null && there.Manifest.HasSameShards(manifest))
                    return there;
                if (there is { Manifest.IsComplete: false })
                    throw StoreException.Precondition(store.Root.Child(key),
                        "this save was given up by a prune, which took it for dead; save the step again, and prune with a longer grace",
                        cause: error);
                manifest = manifest with { SaveId = SaveId.Beside(first) };
            }
        }
    }

    /// <summary>A manifest that is damaged or of a later version is another one in any case.</summary>
    static async ValueTask<FoundManifest?> ReadOrNullAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        try
        {
            return await CheckpointCatalog.ReadAsync(store, key, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (CheckpointObjects.IsDamage(error))
        {
            return null;
        }
    }

    /// <summary>Removes the claim of a committed save, unless it was replaced meanwhile.</summary>
    static async ValueTask RemoveSpentAsync(ObjectStore store, string claim, Manifest manifest, CancellationToken cancel)
    {
        if (await SaveClaim.ReadAsync(store, claim, cancel).ConfigureAwait(false) is { } found && found.Step == manifest.Step
                && found.Id == manifest.SaveId)
            await CheckpointObjects.DeleteAsync(store, [claim], cancel).ConfigureAwait(false);
    }
}
