using System.Globalization;
using System.Text;
using S3dlio.Storage;
using S3dlio.Tensors;

namespace S3dlio.Checkpoint;

/// <summary>
/// The names of everything below a checkpoint store's address; the original's, with the save id in the place of its time.
/// </summary>
public static class CheckpointLayout
{
    public const string Manifests = "manifests/", Shards = "shards/", Saves = "saves/", Latest = "latest.json";

    const string Prefix = "ckpt-", ManifestSuffix = ".json";

    /// <summary>Partitions of the placements that have some.</summary>
    const int Partitions = 16;

    /// <summary>What the names of one save have in common.</summary>
    public static string Stem(long step, string saveId) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step}-{saveId}");

    public static string ManifestKey(long step, string saveId) => $"{Manifests}{Stem(step, saveId)}{ManifestSuffix}";

    /// <summary>What the manifests of a step begin with.</summary>
    public static string ManifestsOf(long step) => string.Create(CultureInfo.InvariantCulture, $"{Manifests}{Prefix}{step}-");

    /// <summary>Where the ranks of a save agree on its id; jobs of another <paramref name="run"/> have another.</summary>
    public static string ClaimKey(long step, string? run) =>
        string.Create(CultureInfo.InvariantCulture, $"{ClaimsOf(step)}{(run is null ? "" : $"-{run}")}{ManifestSuffix}");

    /// <summary>What the claims of a step begin with; those of 10 times the step do too.</summary>
    public static string ClaimsOf(long step) => string.Create(CultureInfo.InvariantCulture, $"{Saves}{Prefix}{step}");

    /// <param name="placement">Which partition.</param>
    /// <param name="step">The step.</param>
    /// <param name="saveId">The save.</param>
    /// <param name="rank">Whose.</param>
    /// <param name="nonce">Tells it from another shard of the same save and rank, one that a crashed attempt left.</param>
    /// <param name="ending">Tells what is in it.</param>
    public static string ShardKey(Placement placement, long step, string saveId, int rank, string? nonce, string ending = ".bin")
    {
        string partition = placement switch
        {
            Placement.RoundRobin => string.Create(CultureInfo.InvariantCulture, $"rr/{rank % Partitions:x2}/"),
            Placement.Binary => $"bin/{rank.ToString("b8", CultureInfo.InvariantCulture)[..4]}/",
            _ => "",
        };
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Shards}{partition}{Stem(step, saveId)}/rank-{rank}{(nonce is null ? "" : $"-{nonce}")}{ending}");
    }

    /// <summary>The directory of a shard, without the slash.</summary>
    public static string DirectoryOf(string shardKey) => shardKey[..shardKey.LastIndexOf('/')];

    /// <summary>The save that a shard was written for, or null where its key is not of this layout.</summary>
    public static string? StemOf(string shardKey)
    {
        string directory = DirectoryOf(shardKey);
        string stem = directory[(directory.LastIndexOf('/') + 1)..];
        return TryParseStem(stem, out _, out _) ? stem : null;
    }

    /// <summary>All directories that shards of a save can be in, each with its slash.</summary>
    public static IEnumerable<string> DirectoriesOf(string stem)
    {
        yield return $"{Shards}{stem}/";
        for (int i = 0; i < Partitions; i++)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"{Shards}rr/{i:x2}/{stem}/");
            yield return string.Create(CultureInfo.InvariantCulture, $"{Shards}bin/{i:b4}/{stem}/");
        }
    }

    /// <summary>Step and save id of a manifest's key; false for other objects.</summary>
    public static bool TryParseManifestKey(string key, out long step, out string saveId)
    {
        (step, saveId) = (0, "");
        return key.StartsWith(Manifests, StringComparison.Ordinal) && key.EndsWith(ManifestSuffix, StringComparison.Ordinal)
            && key.Length > Manifests.Length + ManifestSuffix.Length
            && TryParseStem(key[Manifests.Length..^ManifestSuffix.Length], out step, out saveId);
    }

    /// <summary>The same for a key that is known to be one.</summary>
    public static (long Step, string SaveId) ParseManifestKey(string key) => TryParseManifestKey(key, out long step, out string id)
        ? (step, id)
        : throw new ArgumentException("not the key of a manifest", nameof(key));

    public static bool TryParseStem(string stem, out long step, out string saveId)
    {
        (step, saveId) = (0, "");
        if (!stem.StartsWith(Prefix, StringComparison.Ordinal) || stem.Contains('/', StringComparison.Ordinal))
            return false;
        int dash = stem.IndexOf('-', Prefix.Length);
        if (dash <= Prefix.Length || dash == stem.Length - 1
            || !long.TryParse(stem.AsSpan(Prefix.Length, dash - Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out step))
            return false;
        saveId = stem[(dash + 1)..];
        return true;
    }

    /// <summary>Refuses what no shard is called: a manifest must not name what lies elsewhere.</summary>
    /// <exception cref="StoreException">Of the kind given.</exception>
    public static void CheckShardKey(string key, ErrorKind kind, string uri)
    {
        bool good = key.StartsWith(Shards, StringComparison.Ordinal)
            && Encoding.UTF8.GetByteCount(key) <= ObjectKey.MaxUtf8Length
            && !key.Any(static c => char.IsControl(c) || c == '\\')
            && key.Split('/').All(static part => part is not ("" or "." or ".."));
        if (!good)
            throw new StoreException(
                kind, uri, $"expected a shard's key, which begins with '{Shards}' and stays below it, found {MessageText.Quote(key)}");
    }
}
