using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>Reads through the page cache, on the calling thread: a pool thread that copies from memory is not worth a switch.</summary>
class LocalReader(string uri, SafeFileHandle handle, ObjectMeta meta, FileAttributeRecord record) : ObjectReader
{
    public override ObjectMeta Meta => meta;

    /// <summary>What the file's attributes say, as they lie there.</summary>
    public FileAttributeRecord Record => record;

    public SafeFileHandle Handle => handle;

    /// <remarks>What was read lies in the core's own cache still when it is hashed.</remarks>
    public override TransferHints Hints => new(PartSize: 1 << 18, Concurrency: Math.Min(Environment.ProcessorCount, 4));

    public override ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (handle.IsClosed)
            throw new StoreException(ErrorKind.Closed, uri, "the reader was disposed");
        if (offset < 0 || offset > meta.Size - destination.Length)
            throw StoreException.OutsideObject(uri, offset, destination.Length, meta.Size);
        Fill(offset, destination, cancel);
        return ValueTask.CompletedTask;
    }

    public override ValueTask DisposeAsync()
    {
        handle.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <param name="size">The size of the file now.</param>
    public StoreException Shrunk(long size) =>
        new(ErrorKind.InvalidData, uri, $"the file has {size} bytes, expected {meta.Size}: it was changed while being read", size);

    protected virtual void Fill(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        // between the steps of one large read a cancel is heard
        const int step = 8 << 20;
        while (destination.Length > 0)
        {
            cancel.ThrowIfCancellationRequested();
            int count = ReadOnce(offset, destination.Span[..Math.Min(step, destination.Length)]);
            destination = destination[count..];
            offset += count;
        }
    }

    /// <returns>Bytes read, at least one.</returns>
    protected int ReadOnce(long offset, Span<byte> destination)
    {
        int errno = Interop.ReadOnce(handle, destination, offset, out int count);
        if (errno != 0)
        {
            var error = LocalError.Error(errno, uri, "read");
            throw new StoreException(error.Kind, uri, error.Detail, offset);
        }
        if (count == 0)
            throw Shrunk(offset);
        return count;
    }
}
