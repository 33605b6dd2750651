using S3dlio.Datasets;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>Options of the reading of a batch.</summary>
sealed record SampleOptions(bool Whole, bool Validate, int InFlight)
{
    static readonly string[] Known = ["whole", "validate", "max_in_flight"];

    public static SampleOptions Parse(string json)
    {
        var result = new SampleOptions(false, true, 64);
        foreach (var option in OptionReader.Read(json, "s3dlio call"))
        {
            result = option.Name switch
            {
                "whole" => result with { Whole = option.AsBool() },
                "validate" => result with { Validate = option.AsBool() },
                "max_in_flight" => result with { InFlight = (int)option.AsInteger(1, 4096) },
                _ => throw option.Unknown(Known),
            };
        }
        return result;
    }
}

/// <summary>The operation that reads a batch of a data set; it ends well even when samples failed, and names them as <see cref="BulkJobs"/> does.</summary>
static class SampleJobs
{
    public static Job Read(ObjectRef[] objects, SampleRead[] samples, SampleOptions options) => async (operation, cancel) =>
        operation.SetJson(BulkJobs.Report(
            await SampleReads.ReadAsync(
                objects, samples, options.Whole, options.Validate, options.InFlight, operation, cancel).ConfigureAwait(false), null));
}
