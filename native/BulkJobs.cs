using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>Options of calls over many objects.</summary>
sealed record BulkOptions(int InFlight, bool Validate, Decompress Mode, PutOptions Put)
{
    static readonly string[] Known =
        ["max_in_flight", "validate", "decompress", "overwrite", "durable", "content_type", "metadata", "attributes", "tags"];

    public static BulkOptions Parse(string json)
    {
        var result = new BulkOptions(64, true, Decompress.Never, PutOptions.Default);
        foreach (var option in OptionReader.Read(json, "s3dlio call"))
        {
            result = option.Name switch
            {
                "max_in_flight" => result with { InFlight = (int)option.AsInteger(1, 4096) },
                "validate" => result with { Validate = option.AsBool() },
                "decompress" => result with { Mode = option.AsDecompress() },
                "if_match" => throw option.Unknown(Known),
                _ => result with { Put = Arguments.Put(result.Put, option) ?? throw option.Unknown(Known) },
            };
        }
        return result;
    }
}

/// <summary>
/// The operations over many objects. Each ends well even when objects failed: its JSON names the failures, by index, as
/// <c>{"errors":[{"index":3,"kind":1,"message":…}],"objects":[…]}</c>.
/// </summary>
static class BulkJobs
{
    public static Job Get(ObjectRef[] objects, BulkOptions options) => async (operation, cancel) =>
    {
        operation.ReserveItems(objects.Length);
        var failures = await Bulk.GetAsync(
            objects, options.InFlight, options.Mode, operation.AllocateItem, options.Validate, operation, cancel).ConfigureAwait(false);
        for (int i = 0; i < failures.Length; i++)
        {
            if (failures[i] is not null)
                operation.DropItem(i);
        }
        operation.SetJson(Report(failures, null));
    };

    public static Job Put(ObjectRef[] objects, LargeMemory[] data, BulkOptions options) => async (operation, cancel) =>
    {
        var found = new ObjectMeta?[objects.Length];
        operation.SetJson(
            Report(await Bulk.PutAsync(objects, data, found, options.InFlight, options.Put, operation, cancel).ConfigureAwait(false),
                found));
    };

    public static Job Head(ObjectRef[] objects, BulkOptions options) => async (operation, cancel) =>
    {
        var found = new ObjectMeta?[objects.Length];
        operation.SetJson(Report(await Bulk.HeadAsync(objects, found, options.InFlight, operation, cancel).ConfigureAwait(false), found));
    };

    public static Job Copy(ObjectRef[] sources, ObjectRef[] destinations, BulkOptions options) => async (operation, cancel) =>
    {
        var found = new ObjectMeta?[sources.Length];
        operation.SetJson(
            Report(await Bulk.CopyAsync(
                    sources, destinations, found, options.InFlight, options.Put, operation, cancel).ConfigureAwait(false), found));
    };

    /// <summary>All of it, or the first failure: a part of a checkpoint is none.</summary>
    public static Job Scatter(ObjectRef[] objects, ScatterRange[] ranges, Decompress mode, int inFlight) => async (operation, cancel) =>
        await ObjectScatter.ReadAsync(objects, ranges, mode, inFlight, operation, cancel).ConfigureAwait(false);

    internal static byte[] Report(StoreException?[] failures, ObjectMeta?[]? found, int hedged = 0) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("errors");
        for (int i = 0; i < failures.Length; i++)
        {
            if (failures[i] is not { } error)
                continue;
            json.WriteStartObject();
            json.WriteNumber("index", i);
            json.WriteNumber("kind", (int)error.Kind);
            if (error.Reason != ErrorReason.None)
                json.WriteNumber("reason", (int)error.Reason);
            json.WriteString("message", error.Message);
            json.WriteString("uri", error.Uri);
            json.WriteString("detail", error.Detail);
            if (error.Offset is { } offset)
                json.WriteNumber("offset", offset);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        if (hedged > 0)
            json.WriteNumber("hedged", hedged);
        if (found is not null)
        {
            json.WriteStartArray("objects");
            foreach (var meta in found)
            {
                if (meta is null)
                    json.WriteNullValue();
                else
                    MetaJson.Append(json, meta);
            }
            json.WriteEndArray();
        }
        json.WriteEndObject();
    });
}
