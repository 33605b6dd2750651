using S3dlio.Datasets;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>Options of the reading of a batch.</summary>
sealed record SampleOptions(bool Whole, bool Validate, int InFlight, TimeSpan? HedgeAfter)
{
    static readonly string[] Known = ["whole", "validate", "max_in_flight", "hedge_after"];

    public static SampleOptions Parse(string json)
    {
        var result = new SampleOptions(false, true, 64, null);
        foreach (var option in OptionReader.Read(json, "s3dlio call"))
        {
            result = option.Name switch
            {
                "whole" => result with { Whole = option.AsBool() },
                "validate" => result with { Validate = option.AsBool() },
                "max_in_flight" => result with { InFlight = (int)option.AsInteger(1, 4096) },
                "hedge_after" => result with { HedgeAfter = option.AsSeconds() },
                _ => throw option.Unknown(Known),
            };
        }
        return result;
    }
}

/// <summary>
/// The operation that reads a batch of a data set; it ends well even when samples failed, and names them as <see cref="BulkJobs"/> does.
/// </summary>
static class SampleJobs
{
    public static Job Read(ObjectRef[] objects, SampleRead[] samples, SampleOptions options) => async (operation, cancel) =>
    {
        var report = await SampleReads.ReadAsync(
            objects, samples, options.Whole, options.Validate, options.InFlight, options.HedgeAfter, operation, cancel)
            .ConfigureAwait(false);
        operation.SetJson(BulkJobs.Report(report.Failures, null, report.Hedged));
    };

    /// <summary>JSON <c>{"samples":3}</c>.</summary>
    public static Job Index(ObjectStore store, string path, ObjectStore to, string key, IndexOptions options) =>
        async (operation, cancel) =>
        {
            long found = await ManifestIndex.WriteAsync(store, path, to, key, options, operation, cancel).ConfigureAwait(false);
            operation.SetJson(MetaJson.Write(json =>
            {
                json.WriteStartObject();
                json.WriteNumber("samples", found);
                json.WriteEndObject();
            }));
        };
}
