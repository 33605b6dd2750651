using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>
/// What C holds as a file: an open array or tensor object. A type of its own, so that no other handle can be closed as one.
/// </summary>
sealed class OpenFile(IAsyncDisposable content) : IAsyncDisposable
{
    /// <exception cref="StoreException">Closed; InvalidArgument when it is no file, or one of the other format.</exception>
    public static T Get<T>(ulong id, string noun)
        where T : class, IAsyncDisposable =>
        Handles.Get<OpenFile>(id, "file").Content as T
            ?? throw new StoreException(ErrorKind.InvalidArgument, $"file {id}", $"this is not {noun}");

    IAsyncDisposable Content => content;

    public ValueTask DisposeAsync() => content.DisposeAsync();
}
