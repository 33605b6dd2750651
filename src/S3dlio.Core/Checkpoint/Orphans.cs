using S3dlio.Storage;

namespace S3dlio.Checkpoint;

/// <summary>
/// What crashed saves left: shards without a manifest, claims, tombstones, uploads. A save is given up as a whole, when all that it wrote
/// is older than the grace, and only after its place among the manifests was taken by a tombstone: an incomplete manifest, which a
/// coordinator that comes late runs into.
/// </summary>
static class Orphans
{
    /// <returns>The keys of shards that were deleted, or would be.</returns>
    public static async ValueTask<IReadOnlyList<string>> CollectAsync(
        ObjectStore store, List<ObjectMeta> shards, Catalog catalog, RetentionRule rule, CancellationToken cancel)
    {
        var limit = DateTimeOffset.UtcNow - rule.Grace;
        // tombstones refer to nothing, so they protect nothing
        var needed = ShardReferences.Of(catalog, static _ => false);
        var manifests = catalog.Found.Select(static found => found.Key).ToHashSet(StringComparer.Ordinal);
        var claimed = await FindClaimsAsync(store, limit, rule, cancel).ConfigureAwait(false);
        var collected = new List<string>();
        foreach (var save in shards.Where(
                shard => CheckpointLayout.StemOf(shard.Key) is not null).GroupBy(static shard => CheckpointLayout.StemOf(shard.Key)!))
        {
            if (claimed.Contains(save.Key) || save.Any(shard => shard.LastModified > limit)
                    || !CheckpointLayout.TryParseStem(save.Key, out long step, out string id))
                continue;
            string[] keys = [.. save.Select(static shard => shard.Key).Where(key => !needed.Needs(key))];
            if (keys.Length == 0 || needed.Stems.Contains(save.Key))
                continue;
            collected.AddRange(keys);
            if (rule.DryRun)
                continue;
            if (!manifests.Contains(CheckpointLayout.ManifestKey(step, id))
                    && !await TryBuryAsync(store, step, id, cancel).ConfigureAwait(false))
            {
                // committed just now
                collected.RemoveRange(collected.Count - keys.Length, keys.Length);
                continue;
            }
            await CheckpointObjects.DeleteAsync(store, keys, cancel).ConfigureAwait(false);
            foreach (string directory in keys.Select(CheckpointLayout.DirectoryOf).Distinct())
                await store.RemoveDirectoryAsync(directory, cancel).ConfigureAwait(false);
        }
        if (!rule.DryRun)
            await SweepAsync(store, catalog, limit, cancel).ConfigureAwait(false);
        return collected;
    }

    /// <summary>Stems of saves that ranks may still join. Claims that are older than the limit go.</summary>
    static async ValueTask<HashSet<string>> FindClaimsAsync(
        ObjectStore store, DateTimeOffset limit, RetentionRule rule, CancellationToken cancel)
    {
        var stems = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in await CheckpointObjects.ListAsync(store, CheckpointLayout.Saves, cancel).ConfigureAwait(false))
        {
            if (entry.LastModified <= limit)
            {
                if (!rule.DryRun)
                    await CheckpointObjects.DeleteAsync(store, [entry.Key], cancel).ConfigureAwait(false);
            }
            else if (await SaveClaim.ReadAsync(store, entry.Key, cancel).ConfigureAwait(false) is { Id: { } id } claim)
            {
                stems.Add(CheckpointLayout.Stem(claim.Step, id));
            }
        }
        return stems;
    }

    /// <summary>Takes a save's place among the manifests; false when a checkpoint has it.</summary>
    static async ValueTask<bool> TryBuryAsync(ObjectStore store, long step, string id, CancellationToken cancel)
    {
        if (!SaveId.IsValid(id))
            return true;
        var tombstone = new Manifest
        {
            FormatVersion = Manifest.CurrentVersion,
            Framework = "none",
            Step = step,
            Epoch = 0,
            WallTime = DateTimeOffset.UtcNow,
            WorldSize = 1,
            Shards = [],
            IsComplete = false,
            SaveId = id,
        };
        try
        {
            await CheckpointObjects.PutAsync(
                store, CheckpointLayout.ManifestKey(step, id), ManifestJson.Write(tombstone),
                PutOptions.Default with { Overwrite = false, Durable = true }, cancel).ConfigureAwait(false);
            return true;
        }
        catch (StoreException error) when (error.Kind == ErrorKind.AlreadyExists)
        {
            return false;
        }
    }

    /// <summary>Tombstones older than the longest save, and unfinished uploads.</summary>
    static async ValueTask SweepAsync(ObjectStore store, Catalog catalog, DateTimeOffset limit, CancellationToken cancel)
    {
        string[] tombstones =
            [.. catalog.Found.Where(
                    found => found.Manifest is { IsComplete: false, Shards.Count: 0, IsLegacy: false }
                        && found.Manifest.WallTime <= limit).Select(static found => found.Key)];
        await CheckpointObjects.DeleteAsync(store, tombstones, cancel).ConfigureAwait(false);
        foreach (var upload in await store.ListUploadsAsync(CheckpointLayout.Shards, cancel).ConfigureAwait(false))
        {
            if (upload.Begun is { } begun && begun <= limit)
                await store.AbortUploadAsync(upload, cancel).ConfigureAwait(false);
        }
        await SweepDirectoriesAsync(store, limit, cancel).ConfigureAwait(false);
    }

    /// <summary>
    /// What writers that were killed left in directories, and directories with nothing else; of saves whose id tells that they are old.
    /// </summary>
    static async ValueTask SweepDirectoriesAsync(ObjectStore store, DateTimeOffset limit, CancellationToken cancel)
    {
        if (!store.IsNear)
            return;
        // beside manifests, claims and the pointer, in directories that stay
        foreach (string directory in (string[])[CheckpointLayout.Manifests, CheckpointLayout.Saves, ""])
            await store.SweepDirectoryAsync(directory, cancel).ConfigureAwait(false);
        var pending = new Stack<string>([CheckpointLayout.Shards]);
        while (pending.TryPop(out string? folder))
        {
            var below = new List<string>();
            try
            {
                await foreach (var page in store.ListAsync(
                        folder, ListOptions.Default with { Recursive = false }, cancel).ConfigureAwait(false))
                    below.AddRange(page.Prefixes);
            }
            catch (StoreException error) when (CheckpointObjects.IsAbsence(error))
            {
                continue;
            }
            foreach (string prefix in below)
            {
                string name = prefix[folder.Length..^1];
                if (!CheckpointLayout.TryParseStem(name, out _, out string id))
                {
                    // partitions of the placements, no deeper
                    if (prefix.Count(static c => c == '/') <= 3)
                        pending.Push(prefix);
                }
                else if (SaveId.FindTime(id) <= limit)
                {
                    await store.RemoveDirectoryAsync(prefix[..^1], cancel).ConfigureAwait(false);
                }
            }
        }
    }
}
