using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Checkpoint;

/// <summary>A manifest and where it is.</summary>
public sealed record FoundManifest(string Key, Manifest Manifest)
{
    public string Stem => CheckpointLayout.TryParseManifestKey(Key, out long step, out string id) ? CheckpointLayout.Stem(step, id) : "";
}

/// <summary>A manifest that was passed over, and why.</summary>
public sealed record SkippedManifest(string Key, StoreException Reason);

/// <summary>What a look at a checkpoint store found.</summary>
/// <param name="Found">Manifests that are whole, complete ones or not, the newest first.</param>
/// <param name="Skipped">Those that are damaged.</param>
public sealed record Catalog(IReadOnlyList<FoundManifest> Found, IReadOnlyList<SkippedManifest> Skipped)
{
    public IEnumerable<FoundManifest> Complete => Found.Where(static found => found.Manifest.IsComplete);

    /// <summary>What is left when some are gone.</summary>
    internal Survey Without(IReadOnlyCollection<string> gone)
    {
        var keys = new SortedSet<string>(
            Found.Select(static found => found.Key).Concat(Skipped.Select(static skipped => skipped.Key)), StringComparer.Ordinal);
        keys.ExceptWith(gone);
        return new Survey(
            keys, Complete.FirstOrDefault(found => keys.Contains(found.Key)), [.. Skipped.Where(skipped => keys.Contains(skipped.Key))]);
    }
}

/// <summary>Which manifests were listed, and the newest complete one among them.</summary>
/// <param name="Keys">Keys of all manifests, damaged ones and tombstones too.</param>
/// <param name="Newest">Null: none is complete.</param>
/// <param name="Skipped">Those that were read and are damaged.</param>
sealed record Survey(SortedSet<string> Keys, FoundManifest? Newest, IReadOnlyList<SkippedManifest> Skipped);

/// <summary>Finds checkpoints. The manifests alone tell which there are; <c>latest.json</c> only saves reading all of them.</summary>
public static class CheckpointCatalog
{
    const int ReadsInFlight = 32;

    /// <summary>At a store whose checkpoints are pruned faster than they are read.</summary>
    const int MostLooks = 5;

    /// <summary>The manifest of that key; null where there is none.</summary>
    /// <exception cref="StoreException">InvalidData, ChecksumMismatch: it is damaged, or of a later version.</exception>
    public static async ValueTask<FoundManifest?> ReadAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        string uri = store.Root.Child(key);
        if (!CheckpointLayout.TryParseManifestKey(key, out long step, out string id))
            throw StoreException.InvalidArgument(uri, "a manifest's key is manifests/ckpt-STEP-SAVE.json");
        if (await CheckpointObjects.ReadAsync(store, key, ManifestJson.MaxLength, cancel).ConfigureAwait(false) is not { } read)
            return null;
        var manifest = ManifestJson.Read(read.Bytes, uri);
        if (manifest.Step != step || (manifest.SaveId is { } own && own != id))
            throw StoreException.InvalidData(uri,
                $"expected the manifest of step {step} and save {id}, as its name says, found step {manifest.Step} and save "
                + $"{manifest.SaveId}; it was renamed or copied over another");
        return new FoundManifest(key, manifest);
    }

    /// <summary>Keys of all manifests, or of those of one step.</summary>
    public static async ValueTask<List<ObjectMeta>> ListAsync(ObjectStore store, long? step, CancellationToken cancel)
    {
        string prefix = step is { } one ? CheckpointLayout.ManifestsOf(one) : CheckpointLayout.Manifests;
        var listed = await CheckpointObjects.ListAsync(store, prefix, cancel).ConfigureAwait(false);
        return [.. listed.Where(static entry => CheckpointLayout.TryParseManifestKey(entry.Key, out _, out _))];
    }

    /// <summary>Reads all manifests, or those of one step.</summary>
    public static async ValueTask<Catalog> ReadAllAsync(ObjectStore store, long? step, CancellationToken cancel)
    {
        for (int look = 1; ; look++)
        {
            var listed = await ListAsync(store, step, cancel).ConfigureAwait(false);
            var all = await ReadAsync(store, [.. listed.Select(static entry => entry.Key)], cancel).ConfigureAwait(false);
            if (look == MostLooks || !AreGone(listed.Count, all))
                return all;
        }
    }

    /// <summary>The newest complete checkpoint that there is, and what was passed over on the way to it.</summary>
    public static async ValueTask<(FoundManifest? Found, IReadOnlyList<SkippedManifest> Skipped)> NewestAsync(
        ObjectStore store, CancellationToken cancel)
    {
        var survey = await SurveyAsync(store, cancel).ConfigureAwait(false);
        return (survey.Newest, survey.Skipped);
    }

    /// <summary>
    /// Looks which manifests there are and which of them is the newest. No clock is asked: not this machine's, nor the store's.
    /// </summary>
    /// <remarks>
    /// What <c>latest.json</c> says is a statement about one set of manifests, which stays true whatever comes later: where that set is
    /// what is listed, one manifest is read, and otherwise all.
    /// </remarks>
    internal static async ValueTask<Survey> SurveyAsync(ObjectStore store, CancellationToken cancel)
    {
        for (int look = 1; ; look++)
        {
            // the pointer first: what it names was there before the listing begins
            var pointer = await LatestPointer.ReadAsync(store, cancel).ConfigureAwait(false);
            var keys = await KeysAsync(store, cancel).ConfigureAwait(false);
            if (pointer is not null && pointer.IsNewestOf(keys))
            {
                var named = await ReadAsync(store, [pointer.ManifestKey], cancel).ConfigureAwait(false);
                if (named.Complete.FirstOrDefault() is { } newest && pointer.HasTimeOf(newest))
                    return new Survey(keys, newest, []);
            }
            var all = await ReadAsync(store, [.. keys], cancel).ConfigureAwait(false);
            if (look == MostLooks || !AreGone(keys.Count, all))
                return new Survey(keys, all.Complete.FirstOrDefault(), all.Skipped);
        }
    }

    /// <summary>All that was listed was pruned before it was read, so there is something newer: that is no empty store.</summary>
    static bool AreGone(int listed, Catalog read) => listed > 0 && read.Found.Count + read.Skipped.Count == 0;

    /// <summary>The same some time after an earlier look: only what came since is read.</summary>
    internal static async ValueTask<Survey> SurveyAsync(ObjectStore store, Survey before, CancellationToken cancel)
    {
        var keys = await KeysAsync(store, cancel).ConfigureAwait(false);
        if (before.Newest is { } known && !keys.Contains(known.Key))
            return await ReadAllAsync(store, keys, cancel).ConfigureAwait(false);
        var since = await ReadAsync(store, [.. keys.Where(key => !before.Keys.Contains(key))], cancel).ConfigureAwait(false);
        return new Survey(keys, Later(before.Newest, since.Complete.FirstOrDefault()), [.. before.Skipped, .. since.Skipped]);
    }

    /// <summary>The one that is newer; null where there is none.</summary>
    internal static FoundManifest? Later(FoundManifest? one, FoundManifest? other) =>
        one is null || (other is not null && Newer(other, one) > 0) ? other : one;

    static async ValueTask<SortedSet<string>> KeysAsync(ObjectStore store, CancellationToken cancel) =>
        new((await ListAsync(store, null, cancel).ConfigureAwait(false)).Select(static entry => entry.Key), StringComparer.Ordinal);

    static async ValueTask<Survey> ReadAllAsync(ObjectStore store, SortedSet<string> keys, CancellationToken cancel)
    {
        var all = await ReadAsync(store, [.. keys], cancel).ConfigureAwait(false);
        return new Survey(keys, all.Complete.FirstOrDefault(), all.Skipped);
    }

    static async ValueTask<Catalog> ReadAsync(ObjectStore store, string[] keys, CancellationToken cancel)
    {
        var found = new FoundManifest?[keys.Length];
        var failures = await Bulk.RunAsync(
            keys.Length, ReadsInFlight, 0, async (i, stop) => found[i] = await ReadAsync(store, keys[i], stop).ConfigureAwait(false),
            i => store.Root.Child(keys[i]), cancel).ConfigureAwait(false);
        var skipped = new List<SkippedManifest>();
        for (int i = 0; i < keys.Length; i++)
        {
            if (failures[i] is not { } failure)
                continue;
            // what cannot be read now may be the newest; and a later version's is not ours to pass over
            if (!CheckpointObjects.IsDamage(failure) || ManifestJson.IsNewerFormat(failure))
                throw failure;
            skipped.Add(new SkippedManifest(keys[i], failure));
        }
        return new Catalog([.. found.OfType<FoundManifest>().OrderDescending(Comparer<FoundManifest>.Create(Newer))], skipped);
    }

    internal static int Newer(FoundManifest a, FoundManifest b) =>
        a.Manifest.CompareAge(b.Manifest) is var age && age != 0 ? age : string.CompareOrdinal(a.Key, b.Key);
}
