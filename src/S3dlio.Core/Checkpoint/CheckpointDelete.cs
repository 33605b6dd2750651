using S3dlio.Storage;

namespace S3dlio.Checkpoint;

/// <summary>Shards that manifests need, as far as manifests can be read.</summary>
/// <param name="Keys">Those that they name.</param>
/// <param name="Stems">Saves whose manifest is damaged: whatever lies in their directories may be theirs.</param>
sealed record ShardReferences(HashSet<string> Keys, HashSet<string> Stems)
{
    public static ShardReferences Of(Catalog catalog, Func<string, bool> isGone)
    {
        var keys = new HashSet<string>(StringComparer.Ordinal);
        var stems = new HashSet<string>(StringComparer.Ordinal);
        foreach (var found in catalog.Found.Where(found => !isGone(found.Key)))
            keys.UnionWith(found.Manifest.Shards.Select(static shard => shard.Key));
        foreach (var skipped in catalog.Skipped.Where(skipped => !isGone(skipped.Key)))
        {
            if (CheckpointLayout.TryParseManifestKey(skipped.Key, out long step, out string id))
                stems.Add(CheckpointLayout.Stem(step, id));
        }
        return new ShardReferences(keys, stems);
    }

    public bool Needs(string shardKey) =>
        Keys.Contains(shardKey) || (CheckpointLayout.StemOf(shardKey) is { } stem && Stems.Contains(stem));
}

/// <summary>
/// Takes checkpoints away. First what makes them be joined, then the manifest: from that moment there is no checkpoint, and what a crash
/// leaves are shards without a reference, which the next prune collects.
/// </summary>
public static class CheckpointDelete
{
    /// <summary>All checkpoints of a step, damaged ones too.</summary>
    /// <returns>The manifests that were deleted.</returns>
    public static async ValueTask<IReadOnlyList<string>> OfStepAsync(ObjectStore store, long step, CancellationToken cancel)
    {
        string[] keys = [.. (await CheckpointCatalog.ListAsync(store, step, cancel).ConfigureAwait(false)).Select(
                static entry => entry.Key)];
        if (keys.Length > 0)
            await RunAsync(store, keys, cancel).ConfigureAwait(false);
        return keys;
    }

    /// <summary>One checkpoint; false when it is not there.</summary>
    public static async ValueTask<bool> OfKeyAsync(ObjectStore store, string manifestKey, CancellationToken cancel)
    {
        if (!CheckpointLayout.TryParseManifestKey(manifestKey, out _, out _))
            throw StoreException.InvalidArgument(store.Root.Child(manifestKey), "a manifest's key is manifests/ckpt-STEP-SAVE.json");
        if (await CheckpointObjects.HeadAsync(store, manifestKey, cancel).ConfigureAwait(false) is null)
            return false;
        await RunAsync(store, [manifestKey], cancel).ConfigureAwait(false);
        return true;
    }

    static async ValueTask RunAsync(ObjectStore store, IReadOnlyList<string> manifestKeys, CancellationToken cancel)
    {
        var catalog = await CheckpointCatalog.ReadAllAsync(store, null, cancel).ConfigureAwait(false);
        var needed = ShardReferences.Of(catalog, manifestKeys.Contains);
        foreach (string key in manifestKeys)
            await RunAsync(store, key, catalog.Found.FirstOrDefault(found => found.Key == key)?.Manifest, needed, cancel)
                .ConfigureAwait(false);
        await LatestPointer.RenewAsync(store, catalog.Without(manifestKeys), cancel).ConfigureAwait(false);
    }

    /// <param name="store">The checkpoint store.</param>
    /// <param name="manifestKey">The checkpoint.</param>
    /// <param name="manifest">Its manifest; null where that is damaged, and all that lies in its directories goes.</param>
    /// <param name="needed">What others need.</param>
    internal static async ValueTask RunAsync(
        ObjectStore store, string manifestKey, Manifest? manifest, ShardReferences needed, CancellationToken cancel)
    {
        var (step, id) = CheckpointLayout.ParseManifestKey(manifestKey);
        await SaveClaim.WithdrawAsync(store, step, id, cancel).ConfigureAwait(false);
        await CheckpointObjects.DeleteAsync(store, [manifestKey], cancel).ConfigureAwait(false);
        // a crash of the machine must not bring the manifest back and leave the shards deleted
        await store.FlushDirectoryAsync(CheckpointLayout.Manifests, cancel).ConfigureAwait(false);
        await LatestPointer.RetractAsync(store, manifestKey, cancel).ConfigureAwait(false);
        var keys = new List<string>();
        if (manifest is not null)
        {
            keys.AddRange(manifest.Shards.Select(static shard => shard.Key));
        }
        else
        {
            foreach (string directory in CheckpointLayout.DirectoriesOf(CheckpointLayout.Stem(step, id)))
                keys.AddRange((await CheckpointObjects.ListAsync(store, directory, cancel).ConfigureAwait(false)).Select(
                        static entry => entry.Key));
        }
        keys.RemoveAll(needed.Needs);
        await CheckpointObjects.DeleteAsync(store, keys, cancel).ConfigureAwait(false);
        foreach (string directory in keys.Select(CheckpointLayout.DirectoryOf).Distinct())
            await store.RemoveDirectoryAsync(directory, cancel).ConfigureAwait(false);
    }
}
