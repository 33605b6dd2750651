using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Checkpoint;

/// <summary>How sure a prune has to be of what it keeps.</summary>
public enum KeptCheck
{
    /// <summary>Every byte of the newest checkpoint that is kept is read and compared.</summary>
    Full,
    /// <summary>Its shards are there, with the right sizes and, where the store keeps them, checksums.</summary>
    Quick,
}

/// <summary>What to keep.</summary>
public sealed record RetentionRule
{
    /// <summary>So many of the newest complete ones, at least 1.</summary>
    public required int KeepLast { get; init; }

    /// <summary>And those whose step is a multiple of this; null: no others.</summary>
    public long? KeepEvery { get; init; }

    /// <summary>What no manifest refers to goes when it is older than this: until then a running save may own it.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromDays(1);

    public KeptCheck Check { get; init; } = KeptCheck.Full;

    /// <summary>Only tell what would be done.</summary>
    public bool DryRun { get; init; }
}

/// <summary>What a prune did.</summary>
/// <param name="Deleted">Manifests of checkpoints that are gone.</param>
/// <param name="Kept">Manifests of complete checkpoints that are there, the newest first.</param>
/// <param name="Verified">The kept one that was found whole; null where nothing was to be deleted.</param>
/// <param name="Collected">Shards that no manifest referred to.</param>
/// <param name="Skipped">Damaged manifests, which stay.</param>
public sealed record PruneReport(
    IReadOnlyList<string> Deleted, IReadOnlyList<string> Kept, string? Verified, IReadOnlyList<string> Collected,
    IReadOnlyList<SkippedManifest> Skipped);

/// <summary>Deletes old checkpoints, but never the last one that is known to be good.</summary>
public static class Retention
{
    public static async ValueTask<PruneReport> RunAsync(
        ObjectStore store, RetentionRule rule, ITransferProgress progress, CancellationToken cancel)
    {
        if (rule.KeepLast < 1 || rule.KeepEvery < 1)
            throw StoreException.InvalidArgument(store.Root.ToString(),
                $"keep_last and keep_every must be 1 or more, found {rule.KeepLast} and {rule.KeepEvery}");
        // before the manifests: what is listed here and committed meanwhile is seen to be referred to
        var shards = await CheckpointObjects.ListAsync(store, CheckpointLayout.Shards, cancel).ConfigureAwait(false);
        var catalog = await CheckpointCatalog.ReadAllAsync(store, null, cancel).ConfigureAwait(false);
        FoundManifest[] complete = [.. catalog.Complete];
        var kept = complete.Where(
            (found, i) => i < rule.KeepLast || (rule.KeepEvery is { } every && found.Manifest.Step % every == 0)).ToHashSet();
        FoundManifest? verified = null;
        if (kept.Count < complete.Length)
            verified = await FindVerifiedAsync(store, complete, kept, rule.Check, progress, cancel).ConfigureAwait(false);
        FoundManifest[] doomed = verified is null ? [] : [.. complete.Where(found => !kept.Contains(found)).Reverse()];
        var gone = doomed.Select(static found => found.Key).ToHashSet(StringComparer.Ordinal);
        if (!rule.DryRun)
        {
            var needed = ShardReferences.Of(catalog, gone.Contains);
            foreach (var found in doomed)
                await CheckpointDelete.RunAsync(store, found.Key, found.Manifest, needed, cancel).ConfigureAwait(false);
        }
        var collected = await Orphans.CollectAsync(store, shards, catalog, rule, cancel).ConfigureAwait(false);
        if (!rule.DryRun)
            await LatestPointer.RenewAsync(store, catalog.Without(gone), cancel).ConfigureAwait(false);
        string[] left = [.. complete.Where(found => !gone.Contains(found.Key)).Select(static found => found.Key)];
        return new PruneReport([.. gone], left, verified?.Key, collected, catalog.Skipped);
    }

    /// <summary>
    /// The newest that is found whole. It is kept, even where the rule would have let it go; where none is, nothing is deleted.
    /// </summary>
    static async ValueTask<FoundManifest?> FindVerifiedAsync(
        ObjectStore store, FoundManifest[] complete, HashSet<FoundManifest> kept, KeptCheck check, ITransferProgress progress,
        CancellationToken cancel)
    {
        // those that stay anyhow come first: what they prove costs nothing
        foreach (var found in complete.Where(kept.Contains).Concat(complete.Where(found => !kept.Contains(found))))
        {
            if (!await IsWholeAsync(store, found, check, progress, cancel).ConfigureAwait(false))
                continue;
            kept.Add(found);
            return found;
        }
        return null;
    }

    static async ValueTask<bool> IsWholeAsync(
        ObjectStore store, FoundManifest found, KeptCheck check, ITransferProgress progress, CancellationToken cancel)
    {
        if (check == KeptCheck.Full)
            return (await CheckpointValidation.RunAsync(store, found.Manifest.Shards, progress, cancel).ConfigureAwait(false)).IsWhole;
        foreach (var shard in found.Manifest.Shards)
        {
            try
            {
                ShardCheck.CompareMeta(store, shard, await store.HeadAsync(shard.Key, cancel).ConfigureAwait(false));
            }
            catch (StoreException error) when (ShardCheck.IsFinding(error))
            {
                return false;
            }
        }
        return true;
    }
}
