namespace S3dlio.IO;

/// <summary>A call on a file or directory that the system refused: which call, on what, and its errno.</summary>
sealed class DiskException(int errno, string path, string operation)
    : Exception($"{path}: cannot {operation}: {Interop.Describe(errno)} (errno {errno})")
{
    public int Errno => errno;

    public string Path => path;

    public string Operation => operation;

    /// <summary>The device or the quota is full: freeing space and calling again may help.</summary>
    public bool IsOutOfSpace => errno is IO.Errno.ENOSPC or IO.Errno.EDQUOT or IO.Errno.EFBIG;

    public bool IsMissing => errno == IO.Errno.ENOENT;
}
