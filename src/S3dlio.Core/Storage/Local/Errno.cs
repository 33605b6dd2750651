namespace S3dlio.Storage.Local;

/// <summary>The one place that turns the kernel's error numbers (the same on every Linux architecture) into kinds and words.</summary>
static class Errno
{
    public const int EPERM = 1, ENOENT = 2, EINTR = 4, EIO = 5, ENXIO = 6, E2BIG = 7, EBADF = 9, EAGAIN = 11, ENOMEM = 12, EACCES = 13, EBUSY = 16,
        EEXIST = 17, EXDEV = 18, ENODEV = 19, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ENFILE = 23, EMFILE = 24, ETXTBSY = 26, EFBIG = 27,
        ENOSPC = 28, EROFS = 30, EMLINK = 31, ERANGE = 34, ENAMETOOLONG = 36, ENOSYS = 38, ENOTEMPTY = 39, ELOOP = 40, ENODATA = 61,
        EOPNOTSUPP = 95, ETIMEDOUT = 110, ESTALE = 116, EDQUOT = 122;

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
        ENOENT => (ErrorKind.NotFound, "no such file or directory; check the path"),
        EEXIST => (ErrorKind.AlreadyExists, "the file exists already; allow overwriting or choose another name"),
        EACCES => (ErrorKind.PermissionDenied, "permission denied; check the permissions of the file and of the directories above it"),
        EPERM => (ErrorKind.PermissionDenied, "operation not permitted; the file may be immutable or belong to another user"),
        EROFS => (ErrorKind.PermissionDenied, "the file system is mounted read-only"),
        EISDIR => (ErrorKind.IsDirectory, "a directory stands there, an object was expected"),
        ENOTDIR => (ErrorKind.NotDirectory, "a file stands where the path needs a directory"),
        ENOSPC => (ErrorKind.OutOfSpace, "no space is left on the file system; free some and try again"),
        EDQUOT => (ErrorKind.OutOfSpace, "the disk quota is used up; free some space and try again"),
        EFBIG => (ErrorKind.OutOfSpace, "the file would be larger than the file system or the process's limit (ulimit -f) allows"),
        ENAMETOOLONG => (ErrorKind.InvalidArgument, "a name in the path is longer than the file system allows (commonly 255 bytes, 4095 for the path)"),
        ELOOP => (ErrorKind.InvalidArgument, "the path goes through too many symbolic links; look for a loop"),
        EINVAL => (ErrorKind.InvalidArgument, "the file system refuses this name or operation (EINVAL)"),
        EXDEV => (ErrorKind.InvalidArgument, "source and destination lie on different file systems (EXDEV)"),
        ENXIO or ENODEV => (ErrorKind.InvalidArgument, "a socket or device stands there, a regular file was expected"),
        EMFILE => (ErrorKind.Unavailable, "this process has too many files open; close some or raise ulimit -n"),
        ENFILE => (ErrorKind.Unavailable, "the system has too many files open"),
        ENOMEM => (ErrorKind.Unavailable, "the kernel is out of memory"),
        EIO => (ErrorKind.Unavailable, "the device reported an I/O error (EIO); check its health and the kernel's log"),
        ETIMEDOUT => (ErrorKind.Timeout, "the file system did not answer in time (ETIMEDOUT)"),
        ESTALE => (ErrorKind.Unavailable, "the network file system no longer knows the file (ESTALE); open it again"),
        EBUSY => (ErrorKind.Unavailable, "the file is in use (EBUSY)"),
        ETXTBSY => (ErrorKind.Unavailable, "the file is being executed (ETXTBSY)"),
        _ => (ErrorKind.Unavailable, $"the system reported error {errno} ({System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(errno)})"),
    };
}
