namespace S3dlio;

/// <summary>What went wrong, in the words every backend shares. The numbers are the C ABI's status codes and never change.</summary>
public enum ErrorKind
{
    /// <summary>The object, its parent or its bucket is not there.</summary>
    NotFound = 1,
    /// <summary>A create-only write met an object of that name.</summary>
    AlreadyExists = 2,
    /// <summary>A condition of the call (such as an ETag) no longer holds.</summary>
    Precondition = 3,
    /// <summary>The credentials are known and not allowed to do this.</summary>
    PermissionDenied = 4,
    /// <summary>The credentials are missing, wrong or expired.</summary>
    Authentication = 5,
    /// <summary>The call itself is wrong; repeating it cannot help.</summary>
    InvalidArgument = 6,
    /// <summary>The object is there and is not what its format demands.</summary>
    InvalidData = 7,
    /// <summary>The bytes read are not the bytes that were written.</summary>
    ChecksumMismatch = 8,
    /// <summary>The time given for the call ran out.</summary>
    Timeout = 9,
    /// <summary>The store cannot be reached or cannot answer now; trying later may help.</summary>
    Unavailable = 10,
    /// <summary>The disk, the quota or the memory budget is full.</summary>
    OutOfSpace = 11,
    /// <summary>The caller cancelled the call.</summary>
    Cancelled = 12,
    /// <summary>The store, reader, writer or operation was closed before the call.</summary>
    Closed = 13,
    /// <summary>A fault of this library.</summary>
    Internal = 14,
    /// <summary>A directory stands where an object was asked for.</summary>
    IsDirectory = 15,
    /// <summary>An object stands where the path needs a directory.</summary>
    NotDirectory = 16,
}
