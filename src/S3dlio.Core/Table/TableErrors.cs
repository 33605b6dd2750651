using S3dlio.IO;
using S3dlio.Log;
using S3dlio.Segments;

namespace S3dlio.Table;

/// <summary>Failures of disk and segments in the words of the library's one error.</summary>
static class TableErrors
{
    public static StoreException Translate(Exception error, string directory) => error switch
    {
        PoisonedException { InnerException: { } first } => new StoreException(
            Translate(first, directory).Kind, directory,
            $"a write or flush failed earlier ({first.Message}); checkpoints and writes to files ended with it. The last checkpoint is"
            + " whole: open the table again to go on from it", cause: error),
        ObjectDisposedException => Closed(directory),
        _ => LogErrors.Translate(error, directory),
    };

    public static bool IsOurs(Exception error) =>
        error is DiskException or SegmentException or PoisonedException or ObjectDisposedException;

    public static StoreException Closed(string directory) => new(ErrorKind.Closed, directory, "the table is closed");

    public static StoreException DamagedRow(string path, long offset, long key) => new(
        ErrorKind.ChecksumMismatch, path,
        $"the row of key {key} is damaged: its checksum is wrong. Other rows can be read; recover the table from a checkpoint elsewhere",
        offset);
}
