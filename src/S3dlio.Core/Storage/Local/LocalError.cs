using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>The one place that turns the kernel's error numbers into kinds and words.</summary>
static class LocalError
{
    /// <param name="errno">0 when the call went well.</param>
    /// <param name="uri">The object, as the user names it.</param>
    /// <param name="operation">What was tried, as in "cannot {operation}".</param>
    public static void Check(int errno, string uri, string operation)
    {
        if (errno != 0)
            throw Error(errno, uri, operation);
    }

    public static StoreException Error(int errno, string uri, string operation)
    {
        var (kind, words) = Describe(errno);
        return new StoreException(kind, uri, $"cannot {operation}: {words}");
    }

    static (ErrorKind Kind, string Words) Describe(int errno) => errno switch
    {
        Errno.ENOENT => (ErrorKind.NotFound, "no such file or directory; check the path"),
        Errno.EEXIST => (ErrorKind.AlreadyExists, "the file exists already; allow overwriting or choose another name"),
        Errno.EACCES => (
            ErrorKind.PermissionDenied, "permission denied; check the permissions of the file and of the directories above it"),
        Errno.EPERM => (ErrorKind.PermissionDenied, "operation not permitted; the file may be immutable or belong to another user"),
        Errno.EROFS => (ErrorKind.PermissionDenied, "the file system is mounted read-only"),
        Errno.EISDIR => (ErrorKind.IsDirectory, "a directory stands there, an object was expected"),
        Errno.ENOTDIR => (ErrorKind.NotDirectory, "a file stands where the path needs a directory"),
        Errno.ENOSPC => (ErrorKind.OutOfSpace, "no space is left on the file system; free some and try again"),
        Errno.EDQUOT => (ErrorKind.OutOfSpace, "the disk quota is used up; free some space and try again"),
        Errno.EFBIG => (ErrorKind.OutOfSpace, "the file would be larger than the file system or the process's limit (ulimit -f) allows"),
        Errno.ENAMETOOLONG => (
            ErrorKind.InvalidArgument, "a name in the path is longer than the file system allows (commonly 255 bytes, 4095 for the path)"),
        Errno.ELOOP => (ErrorKind.InvalidArgument, "the path goes through too many symbolic links; look for a loop"),
        Errno.EINVAL => (ErrorKind.InvalidArgument, "the file system refuses this name or operation (EINVAL)"),
        Errno.EXDEV => (ErrorKind.InvalidArgument, "source and destination lie on different file systems (EXDEV)"),
        Errno.ENXIO or Errno.ENODEV => (ErrorKind.InvalidArgument, "a socket or device stands there, a regular file was expected"),
        Errno.EMFILE => (ErrorKind.Unavailable, "this process has too many files open; close some or raise ulimit -n"),
        Errno.ENFILE => (ErrorKind.Unavailable, "the system has too many files open"),
        Errno.ENOMEM => (ErrorKind.Unavailable, "the kernel is out of memory"),
        Errno.EIO => (ErrorKind.Unavailable, "the device reported an I/O error (EIO); check its health and the kernel's log"),
        Errno.ETIMEDOUT => (ErrorKind.Timeout, "the file system did not answer in time (ETIMEDOUT)"),
        Errno.ESTALE => (ErrorKind.Unavailable, "the network file system no longer knows the file (ESTALE); open it again"),
        Errno.EBUSY => (ErrorKind.Unavailable, "the file is in use (EBUSY)"),
        Errno.ETXTBSY => (ErrorKind.Unavailable, "the file is being executed (ETXTBSY)"),
        _ => (ErrorKind.Unavailable,
            $"the system reported error {errno} ({System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(errno)})"),
    };
}
