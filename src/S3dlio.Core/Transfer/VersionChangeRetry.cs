using System.Globalization;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// Starts a read over where another writer replaced the object while it was read. S3 and Azure then no longer serve the version that the
/// first parts came from. A call that has returned nothing yet can as well return the new version.
/// </summary>
static class VersionChangeRetry
{
    /// <summary>Most reads of one call.</summary>
    public const int Reads = 5;

    /// <summary>From this read on the object is requested in one response, which a concurrent write does not break.</summary>
    const int OneAnswerFrom = 3;

    /// <param name="options">Options of the first read.</param>
    /// <param name="read">Reads once; its failure with Precondition means that the object changed.</param>
    /// <exception cref="StoreException">Precondition: each read found a new version.</exception>
    public static async ValueTask<ObjectMeta> RunAsync(ReadOptions options, Func<ReadOptions, ValueTask<ObjectMeta>> read)
    {
        for (int number = 1; ; number++)
        {
            try
            {
                return await read(Options(options, number)).ConfigureAwait(false);
            }
            catch (StoreException error) when (error.Kind == ErrorKind.Precondition)
            {
                if (number == Reads)
                    throw Final(error);
            }
        }
    }

    static ReadOptions Options(ReadOptions options, int number) =>
        number < OneAnswerFrom ? options : options == ReadOptions.Default ? ReadOptions.Undivided : options with { OneAnswer = true };

    static StoreException Final(StoreException error) => new(error.Kind, error.Uri,
        string.Create(CultureInfo.InvariantCulture,
            $"{error.Detail} ({Reads} reads from the start met a new version each; its writers leave no time to read it)"), error.Offset,
        error)
    { Reason = error.Reason };
}
