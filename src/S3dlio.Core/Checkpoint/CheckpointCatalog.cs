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
}

/// <summary>Finds checkpoints. The manifests alone tell which there are; <c>latest.json</c> only saves reading all of them.</summary>
public static class CheckpointCatalog
{
    const int ReadsInFlight = 32;

    /// <summary>
    /// Manifests of earlier steps that the store lists as this much older than the one that <c>latest.json</c> names need not be read: stores
    /// list whole seconds, and the pointer is written after its manifest.
    /// </summary>
    static readonly TimeSpan ListedSlack = TimeSpan.FromSeconds(5);

    /// <summary>The manifest of that key; null where there is none.</summary>
    /// <exception cref="StoreException">InvalidData, ChecksumMismatch: it is damaged, or of a later version.</exception>
    public static async ValueTask<FoundManifest?> ReadAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        string uri = store.Root.Child(key);
        if (!CheckpointLayout.TryParseManifestKey(key, out long step, out string id))
            throw new StoreException(ErrorKind.InvalidArgument, uri, "a manifest's key is manifests/ckpt-STEP-SAVE.json");
        if (await StoreProbe.ReadAsync(store, key, ManifestJson.MaxLength, cancel).ConfigureAwait(false) is not { } read)
            return null;
        var manifest = ManifestJson.Read(read.Bytes, uri);
        if (manifest.Step != step || (manifest.SaveId is { } own && own != id))
            throw new StoreException(ErrorKind.InvalidData, uri,
                $"expected the manifest of step {step} and save {id}, as its name says, found step {manifest.Step} and save {manifest.SaveId}; it was renamed or copied over another");
        return new FoundManifest(key, manifest);
    }

    /// <summary>Keys of all manifests, or of those of one step.</summary>
    public static async ValueTask<List<ObjectMeta>> ListAsync(ObjectStore store, long? step, CancellationToken cancel)
    {
        string prefix = step is { } one ? CheckpointLayout.ManifestsOf(one) : CheckpointLayout.Manifests;
        var listed = await StoreProbe.ListAsync(store, prefix, cancel).ConfigureAwait(false);
        return [.. listed.Where(static entry => CheckpointLayout.TryParseManifestKey(entry.Key, out _, out _))];
    }

    /// <summary>Reads all manifests, or those of one step.</summary>
    public static async ValueTask<Catalog> ReadAllAsync(ObjectStore store, long? step, CancellationToken cancel)
    {
        var listed = await ListAsync(store, step, cancel).ConfigureAwait(false);
        return await ReadAsync(store, [.. listed.Select(static entry => entry.Key)], cancel).ConfigureAwait(false);
    }

    /// <summary>The newest complete checkpoint that there is, and what was passed over on the way to it.</summary>
    public static async ValueTask<(FoundManifest? Found, IReadOnlyList<SkippedManifest> Skipped)> NewestAsync(ObjectStore store, CancellationToken cancel)
    {
        // the pointer first: what it names was there before the listing begins
        var pointer = await LatestPointer.ReadAsync(store, cancel).ConfigureAwait(false);
        var listed = await ListAsync(store, null, cancel).ConfigureAwait(false);
        var hinted = pointer is null ? null : listed.Find(entry => entry.Key == pointer.ManifestKey);
        var skipped = new List<SkippedManifest>();
        FoundManifest? best = null;
        if (hinted is not null)
        {
            var first = await ReadAsync(store, [hinted.Key], cancel).ConfigureAwait(false);
            skipped.AddRange(first.Skipped);
            best = first.Complete.FirstOrDefault();
        }
        var oldest = best is null ? DateTimeOffset.MinValue : hinted!.LastModified - ListedSlack;
        bool IsWorthALook(ObjectMeta entry) => entry.Key != hinted?.Key
            && (entry.LastModified >= oldest || CheckpointLayout.ParseManifestKey(entry.Key).Step > best!.Manifest.Step);
        var rest = await ReadAsync(store, [.. listed.Where(IsWorthALook).Select(static entry => entry.Key)], cancel).ConfigureAwait(false);
        skipped.AddRange(rest.Skipped);
        var other = rest.Complete.FirstOrDefault();
        if (best is null || (other is not null && Newer(other, best) > 0))
            best = other;
        return (best, skipped);
    }

    static async ValueTask<Catalog> ReadAsync(ObjectStore store, string[] keys, CancellationToken cancel)
    {
        var found = new FoundManifest?[keys.Length];
        var failures = await Bulk.RunAsync(keys.Length, ReadsInFlight, 0, async (i, stop) => found[i] = await ReadAsync(store, keys[i], stop).ConfigureAwait(false), i => store.Root.Child(keys[i]), cancel).ConfigureAwait(false);
        var skipped = new List<SkippedManifest>();
        for (int i = 0; i < keys.Length; i++)
        {
            if (failures[i] is not { } failure)
                continue;
            // what cannot be read now may be the newest; and a later version's is not ours to pass over
            if (!StoreProbe.IsDamage(failure) || ManifestJson.IsNewerFormat(failure))
                throw failure;
            skipped.Add(new SkippedManifest(keys[i], failure));
        }
        return new Catalog([.. found.OfType<FoundManifest>().OrderDescending(Comparer<FoundManifest>.Create(Newer))], skipped);
    }

    internal static int Newer(FoundManifest a, FoundManifest b) => a.Manifest.CompareAge(b.Manifest) is var age && age != 0 ? age : string.CompareOrdinal(a.Key, b.Key);
}
