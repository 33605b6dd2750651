using System.Buffers;
using System.Text.Json;
using S3dlio.Storage;

namespace S3dlio.Checkpoint;

/// <summary>
/// <c>latest.json</c>: which manifest was the newest when it was written. A hint that others read, too; it may be missing, stale, dangling or
/// damaged, and nothing is lost by that.
/// </summary>
/// <param name="ManifestKey">The manifest's key.</param>
/// <param name="Step">Its step.</param>
/// <param name="WallTime">Its time; null in the original's.</param>
public sealed record LatestPointer(string ManifestKey, long Step, DateTimeOffset? WallTime)
{
    const int MaxLength = 64 << 10;

    const int Attempts = 8;

    /// <summary>The hint; null where there is none, and where it is nonsense.</summary>
    public static async ValueTask<LatestPointer?> ReadAsync(ObjectStore store, CancellationToken cancel) =>
        (await FindAsync(store, cancel).ConfigureAwait(false)).Pointer;

    /// <summary>Has it name this checkpoint, unless it names a newer one that is there.</summary>
    public static async ValueTask PublishAsync(ObjectStore store, FoundManifest found, CancellationToken cancel)
    {
        for (int i = 0; i < Attempts; i++)
        {
            var (pointer, meta) = await FindAsync(store, cancel).ConfigureAwait(false);
            if (pointer is { WallTime: { } time } && (time, pointer.Step).CompareTo((found.Manifest.WallTime, found.Manifest.Step)) > 0
                && await StoreProbe.HeadAsync(store, pointer.ManifestKey, cancel).ConfigureAwait(false) is not null)
                return;
            if (await TryWriteAsync(store, found, meta, cancel).ConfigureAwait(false))
                return;
        }
    }

    /// <summary>Before or after a manifest goes: has it name the newest that stays, or nothing.</summary>
    public static async ValueTask RetractAsync(ObjectStore store, string manifestKey, CancellationToken cancel)
    {
        var (pointer, _) = await FindAsync(store, cancel).ConfigureAwait(false);
        if (pointer?.ManifestKey != manifestKey)
            return;
        await StoreProbe.DeleteAsync(store, [CheckpointLayout.Latest], cancel).ConfigureAwait(false);
        var (newest, _) = await CheckpointCatalog.NewestAsync(store, cancel).ConfigureAwait(false);
        if (newest is not null)
            await PublishAsync(store, newest, cancel).ConfigureAwait(false);
    }

    static async ValueTask<(LatestPointer? Pointer, ObjectMeta? Meta)> FindAsync(ObjectStore store, CancellationToken cancel)
    {
        try
        {
            return await StoreProbe.ReadAsync(store, CheckpointLayout.Latest, MaxLength, cancel).ConfigureAwait(false) is { } read
                ? (Parse(read.Bytes, store.Root.Child(CheckpointLayout.Latest)), read.Meta)
                : (null, null);
        }
        catch (StoreException error) when (StoreProbe.IsDamage(error))
        {
            return (null, await StoreProbe.HeadAsync(store, CheckpointLayout.Latest, cancel).ConfigureAwait(false));
        }
    }

    static LatestPointer? Parse(byte[] text, string uri)
    {
        try
        {
            const string what = "latest.json";
            var fields = new JsonFields(JsonFields.Parse(text, what, ErrorKind.InvalidData, uri), what, ErrorKind.InvalidData, uri);
            string key = fields.Text("manifest_key");
            if (!CheckpointLayout.TryParseManifestKey(key, out _, out _))
                return null;
            return new LatestPointer(key, fields.Integer("global_step", 0, long.MaxValue), fields.Has("wall_time") ? ManifestJson.ReadTime(fields, "wall_time") : null);
        }
        catch (StoreException error) when (StoreProbe.IsDamage(error))
        {
            return null;
        }
    }

    static async ValueTask<bool> TryWriteAsync(ObjectStore store, FoundManifest found, ObjectMeta? replaced, CancellationToken cancel)
    {
        var (step, id) = CheckpointLayout.ParseManifestKey(found.Key);
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("manifest_key", found.Key);
            json.WriteNumber("global_step", step);
            json.WriteString("ts", id);
            json.WriteString("wall_time", ManifestJson.FormatTime(found.Manifest.WallTime));
            json.WriteEndObject();
        }
        // a hint is not worth a wait for the device
        var options = PutOptions.Default with { Durable = false };
        options = replaced is null ? options with { Overwrite = false } : replaced.ETag is { } tag ? options with { IfMatch = tag } : options;
        try
        {
            await StoreProbe.PutAsync(store, CheckpointLayout.Latest, buffer.WrittenSpan.ToArray(), options, cancel).ConfigureAwait(false);
            return true;
        }
        catch (StoreException error) when (error.Kind is ErrorKind.AlreadyExists or ErrorKind.Precondition or ErrorKind.NotFound)
        {
            return false;
        }
    }
}
