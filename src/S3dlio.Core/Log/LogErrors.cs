using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>Failures of disk and segments in the words of the library's one error.</summary>
static class LogErrors
{
    public static StoreException Translate(Exception error, string log) => error switch
    {
        StoreException known => known,
        DiskException disk => new StoreException(Kind(disk), log, Words(disk), cause: disk),
        SegmentException segment => new StoreException(
            segment.Fault == SegmentFault.Damaged ? ErrorKind.ChecksumMismatch : ErrorKind.InvalidData,
            segment.Path, segment.Detail, segment.Offset, segment),
        _ => StoreException.Unforeseen(error, log),
    };

    public static StoreException Poisoned(Exception cause, string log)
    {
        var first = Translate(cause, log);
        return new StoreException(
            first.Kind, log,
            $"a write or flush failed earlier ({first.Detail}); what was not committed before it is not durable and"
            + " this writer stays closed to appends."
            + " Open the log again to go on", cause: cause);
    }

    public static StoreException Damaged(SegmentDamage damage) => new(
        ErrorKind.ChecksumMismatch, damage.Path,
        damage.Describe() + ". Nothing was changed; look with Log.inspect, then open with"
            + " on_damage=\"skip\" to leave the gap or \"cut\" to end the log there",
        damage.Offset);

    static ErrorKind Kind(DiskException error) => error.Errno switch
    {
        Errno.ENOENT => ErrorKind.NotFound,
        Errno.EEXIST => ErrorKind.AlreadyExists,
        Errno.EACCES or 1 or 30 => ErrorKind.PermissionDenied,
        20 => ErrorKind.NotDirectory,
        _ when error.IsOutOfSpace => ErrorKind.OutOfSpace,
        _ => ErrorKind.Unavailable,
    };

    static string Words(DiskException error) => error.Errno switch
    {
        _ when error.IsOutOfSpace => $"cannot {error.Operation} {error.Path}: no space is left; free some and call again, nothing was lost",
        Errno.ENOLCK or Errno.ENOSYS when error.Operation.StartsWith("lock", StringComparison.Ordinal) =>
            $"cannot {error.Operation} {error.Path}: {Interop.Describe(error.Errno)}; keep logs on a file system with record locks",
        Errno.EIO =>
            $"cannot {error.Operation} {error.Path}: the device reported an I/O error (EIO); check its health and the kernel's log",
        _ => $"cannot {error.Operation} {error.Path}: {Interop.Describe(error.Errno)}",
    };
}
