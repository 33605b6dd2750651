using System.Globalization;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// Reads that begin anew where the object was replaced under their eyes. On S3 and Azure the version that parts were read of is gone then;
/// a call that has handed nothing out yet can as well give the new one.
/// </summary>
static class Replaced
{
    /// <summary>How often such a call reads at most.</summary>
    public const int Reads = 5;

    /// <summary>From this read on the object is asked for in one answer, which a writer who never rests does not break.</summary>
    const int OneAnswerFrom = 3;

    /// <param name="options">Of the first read.</param>
    /// <param name="number">1 for the first.</param>
    /// <returns>Those of that read.</returns>
    public static ReadOptions Options(ReadOptions options, int number) =>
        number < OneAnswerFrom ? options : options == ReadOptions.Default ? ReadOptions.Undivided : options with { OneAnswer = true };

    /// <summary>Whether a read that failed may be begun anew; nothing that reads without a condition of the caller's fails so for another reason.</summary>
    public static bool Is(StoreException error) => error.Kind == ErrorKind.Precondition;

    /// <summary>The error of the last read.</summary>
    public static StoreException Final(StoreException error) => new(error.Kind, error.Uri,
        string.Create(CultureInfo.InvariantCulture, $"{error.Detail} ({Reads} reads from the start met a new version each; its writers leave no time to read it)"), error.Offset, error) { Reason = error.Reason };
}
