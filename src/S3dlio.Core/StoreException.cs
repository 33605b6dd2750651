using S3dlio.IO;

namespace S3dlio;

/// <summary>The one exception type of the library: what kind of failure, on which object, where in it, and what to do.</summary>
public sealed class StoreException : Exception
{
    /// <param name="kind">The kind every backend maps its own errors to.</param>
    /// <param name="uri">The object or store, as the user names it; never holds credentials.</param>
    /// <param name="detail">Expected, found, and what to do, as one sentence or two.</param>
    /// <param name="offset">Byte offset in the object where the fault was found, when there is one.</param>
    /// <param name="cause">The underlying error.</param>
    public StoreException(ErrorKind kind, string uri, string detail, long? offset = null, Exception? cause = null)
        : base(Compose(uri, detail, offset), cause)
    {
        Kind = kind;
        Uri = uri;
        Detail = PathText.Show(detail);
        Offset = offset;
    }

    public ErrorKind Kind { get; }

    /// <summary>Which of the causes that this kind has, where they are told apart.</summary>
    public ErrorReason Reason { get; init; }

    /// <summary>
    /// A local file's name may hold what <see cref="PathText"/> makes of bytes that are not UTF-8; the message and the detail show them as
    /// <c>\xff</c>.
    /// </summary>
    public string Uri { get; }

    public string Detail { get; }

    public long? Offset { get; }

    public static StoreException InvalidArgument(string uri, string detail, long? offset = null, Exception? cause = null) =>
        new(ErrorKind.InvalidArgument, uri, detail, offset, cause);

    public static StoreException InvalidData(string uri, string detail, long? offset = null, Exception? cause = null) =>
        new(ErrorKind.InvalidData, uri, detail, offset, cause);

    public static StoreException Precondition(string uri, string detail, long? offset = null, Exception? cause = null) =>
        new(ErrorKind.Precondition, uri, detail, offset, cause);

    public static StoreException ChecksumMismatch(string uri, string detail, long? offset = null, Exception? cause = null) =>
        new(ErrorKind.ChecksumMismatch, uri, detail, offset, cause);

    /// <summary>A write that may replace nothing found an object.</summary>
    public static StoreException Exists(string uri, Exception? cause = null) =>
        new(ErrorKind.AlreadyExists, uri, "the object exists and overwrite is off", cause: cause);

    /// <summary>The object has another ETag than the condition names.</summary>
    public static StoreException WrittenSince(string uri, string? expected, string? found, Exception? cause = null) =>
        Precondition(uri, $"expected ETag {expected}, found {found}: the object was written since", cause: cause);

    /// <summary>A read beyond the object's end, or before its begin.</summary>
    public static StoreException OutsideObject(string uri, long offset, long length, long size, string kind = "") =>
        InvalidArgument(uri, $"bytes {offset}..{offset + length} were asked for, the object has {size}{kind}");

    /// <summary>What no code of ours has foreseen, as an error of an object: no memory, or a fault of this library.</summary>
    /// <param name="error">What was thrown.</param>
    /// <param name="uri">The object or store.</param>
    /// <param name="place">Where in the code, for the report.</param>
    public static StoreException Unforeseen(Exception error, string uri, string place = "") => error is OutOfMemoryException
        ? new StoreException(ErrorKind.OutOfSpace, uri, "the machine has not enough memory for this", cause: error)
        : new StoreException(
            ErrorKind.Internal, uri, $"internal error, please report it: {error.GetType().Name}: {error.Message}{place}", cause: error);

    static string Compose(string uri, string detail, long? offset) =>
        PathText.Show(offset is long at ? $"{uri}: at byte {at}: {detail}" : $"{uri}: {detail}");
}
