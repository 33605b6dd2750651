using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Checkpoint;

/// <summary>
/// <c>latest.json</c>: which manifest was the newest of those that were listed when it was written. A hint that others read, too; it may be
/// missing, stale, dangling or damaged, and nothing is lost by that.
/// </summary>
/// <param name="ManifestKey">The manifest's key.</param>
/// <param name="Step">Its step.</param>
/// <param name="WallTime">Its time; null in the original's.</param>
/// <param name="Among">CRC32C of the keys of the manifests of which it is the newest, with key and time of it; null where that is not
/// known.</param>
public sealed record LatestPointer(string ManifestKey, long Step, DateTimeOffset? WallTime, Checksum? Among)
{
    const int MaxLength = 64 << 10;

    const int Attempts = 8;

    const string AmongName = "newest_of";

    /// <summary>The hint; null where there is none, and where it is nonsense.</summary>
    public static async ValueTask<LatestPointer?> ReadAsync(ObjectStore store, CancellationToken cancel) =>
        (await FindAsync(store, cancel).ConfigureAwait(false)).Pointer;

    /// <summary>Whether the pointer was written after a listing of exactly these manifests: then it names the newest of them.</summary>
    internal bool IsNewestOf(SortedSet<string> keys) =>
        Among is { } among && WallTime is { } time && keys.Contains(ManifestKey) && among == Of(keys, ManifestKey, time);

    /// <summary>To the microsecond, which is what it holds.</summary>
    internal bool HasTimeOf(FoundManifest found) =>
        WallTime is { } time && ManifestJson.FormatTime(time) == ManifestJson.FormatTime(found.Manifest.WallTime);

    /// <summary>The same after manifests went. It is a hint: what keeps it from being written keeps nothing else.</summary>
    internal static async ValueTask RenewAsync(ObjectStore store, Survey known, CancellationToken cancel)
    {
        try
        {
            await PublishAsync(store, known, cancel).ConfigureAwait(false);
        }
        catch (StoreException)
        {
            // a reader finds that it is of other manifests
        }
    }

    /// <summary>Has it name the newest checkpoint that there is.</summary>
    /// <param name="store">The checkpoint store.</param>
    /// <param name="known">What the caller knows of the manifests; those that came since are read.</param>
    internal static async ValueTask PublishAsync(ObjectStore store, Survey known, CancellationToken cancel)
    {
        for (int i = 0; i < Attempts; i++)
        {
            // the pointer first: where another takes its place after that, it is not replaced by what was listed before
            var (pointer, meta) = await FindAsync(store, cancel).ConfigureAwait(false);
            Checksum? among = null;
            try
            {
                known = await CheckpointCatalog.SurveyAsync(store, known, cancel).ConfigureAwait(false);
                // one that is damaged may be mended, and be newer
                if (known.Newest is { } newest && known.Skipped.Count == 0)
                    among = Of(known.Keys, newest.Key, newest.Manifest.WallTime);
            }
            catch (StoreException error) when (error.Kind == ErrorKind.PermissionDenied || CheckpointObjects.IsDamage(error))
            {
                // who may not list, and who finds a manifest of a later version, cannot say of which it is the newest
            }
            if (known.Newest is not { } found)
                return;
            if (pointer is not null && pointer.ManifestKey == found.Key && pointer.Among == among)
                return;
            if (among is null && pointer is { WallTime: { } time }
                    && (time, pointer.Step).CompareTo((found.Manifest.WallTime, found.Manifest.Step)) > 0
                && await CheckpointObjects.HeadAsync(store, pointer.ManifestKey, cancel).ConfigureAwait(false) is not null)
                return;
            if (await TryWriteAsync(store, found, among, meta, cancel).ConfigureAwait(false))
                return;
        }
    }

    /// <summary>Before or after a manifest goes: has it name the newest that stays, or nothing.</summary>
    public static async ValueTask RetractAsync(ObjectStore store, string manifestKey, CancellationToken cancel)
    {
        var (pointer, _) = await FindAsync(store, cancel).ConfigureAwait(false);
        if (pointer?.ManifestKey != manifestKey)
            return;
        await CheckpointObjects.DeleteAsync(store, [CheckpointLayout.Latest], cancel).ConfigureAwait(false);
        await PublishAsync(store, await CheckpointCatalog.SurveyAsync(store, cancel).ConfigureAwait(false), cancel).ConfigureAwait(false);
    }

    static async ValueTask<(LatestPointer? Pointer, ObjectMeta? Meta)> FindAsync(ObjectStore store, CancellationToken cancel)
    {
        try
        {
            return await CheckpointObjects.ReadAsync(store, CheckpointLayout.Latest, MaxLength, cancel).ConfigureAwait(false) is { } read
                ? (Parse(read.Bytes, store.Root.Child(CheckpointLayout.Latest)), read.Meta)
                : (null, null);
        }
        catch (StoreException error) when (CheckpointObjects.IsDamage(error))
        {
            return (null, await CheckpointObjects.HeadAsync(store, CheckpointLayout.Latest, cancel).ConfigureAwait(false));
        }
    }

    static LatestPointer? Parse(byte[] json, string uri)
    {
        try
        {
            const string what = "latest.json";
            var fields = new JsonFields(JsonFields.Parse(json, what, ErrorKind.InvalidData, uri), what, ErrorKind.InvalidData, uri);
            string key = fields.Text("manifest_key");
            if (!CheckpointLayout.TryParseManifestKey(key, out _, out _))
                return null;
            var among = fields.FindText(AmongName) is { } text && Checksum.TryParse(text, out var parsed) ? parsed : (Checksum?)null;
            return new LatestPointer(
                key, fields.Integer("global_step", 0, long.MaxValue), fields.Has("wall_time")
                    ? ManifestJson.ReadTime(fields, "wall_time")
                    : null, among);
        }
        catch (StoreException error) when (CheckpointObjects.IsDamage(error))
        {
            return null;
        }
    }

    static async ValueTask<bool> TryWriteAsync(
        ObjectStore store, FoundManifest found, Checksum? among, ObjectMeta? replaced, CancellationToken cancel)
    {
        var (step, id) = CheckpointLayout.ParseManifestKey(found.Key);
        byte[] text = JsonText.Object(json =>
        {
            json.WriteString("manifest_key", found.Key);
            json.WriteNumber("global_step", step);
            json.WriteString("ts", id);
            json.WriteString("wall_time", ManifestJson.FormatTime(found.Manifest.WallTime));
            if (among is { } value)
                json.WriteString(AmongName, value.ToString());
        });
        // a hint is not worth a wait for the device
        var options = PutOptions.Default with { Durable = false, Barrier = true };
        options = replaced is null ? options with { Overwrite = false } : replaced.ETag is { } tag
            ? options with { IfMatch = tag }
            : options;
        try
        {
            await CheckpointObjects.PutAsync(store, CheckpointLayout.Latest, text, options, cancel).ConfigureAwait(false);
            return true;
        }
        catch (StoreException error) when (error.Kind is ErrorKind.AlreadyExists or ErrorKind.Precondition or ErrorKind.NotFound)
        {
            return false;
        }
    }

    /// <summary>
    /// A line for each key, in the order of their code units, and one each for the newest's key and time: a flipped bit anywhere is
    /// another.
    /// </summary>
    static Checksum Of(SortedSet<string> keys, string newest, DateTimeOffset time)
    {
        var sum = Checksum.Empty;
        foreach (string line in keys.Append(newest).Append(ManifestJson.FormatTime(time)))
            sum = sum.Append(Encoding.UTF8.GetBytes(line)).Append("\n"u8);
        return sum;
    }
}
