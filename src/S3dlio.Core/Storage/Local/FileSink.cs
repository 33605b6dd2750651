using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace S3dlio.Storage.Local;

/// <summary>Takes the bytes of a file in order and writes them in pieces that the device or the kernel likes.</summary>
abstract class FileSink : IAsyncDisposable
{
    /// <summary>The memory is the caller's again when the task is done.</summary>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel);

    /// <summary>Writes what is still held back; the head, if one was announced, goes to the file's beginning.</summary>
    public abstract ValueTask FinishAsync(ReadOnlyMemory<byte> head, CancellationToken cancel);

    /// <summary>Waits for writes under way and gives the buffers back.</summary>
    public abstract ValueTask DisposeAsync();
}

/// <summary>Through the page cache: small pieces are gathered, large ones go straight from the caller's memory.</summary>
sealed class CachedSink(SafeFileHandle handle, string uri, int headLength) : FileSink
{
    const int BufferLength = 1 << 18;

    byte[]? _buffer;
    int _held;
    long _position = headLength;

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        if (data.Length + _held > BufferLength)
            Flush();
        if (data.Length >= BufferLength)
        {
            Write(data.Span);
            return ValueTask.CompletedTask;
        }
        _buffer ??= ArrayPool<byte>.Shared.Rent(BufferLength);
        data.Span.CopyTo(_buffer.AsSpan(_held));
        _held += data.Length;
        return ValueTask.CompletedTask;
    }

    public override ValueTask FinishAsync(ReadOnlyMemory<byte> head, CancellationToken cancel)
    {
        Flush();
        Errno.Check(Libc.Write(handle, head.Span, 0), uri, "write");
        return ValueTask.CompletedTask;
    }

    public override ValueTask DisposeAsync()
    {
        if (_buffer is not null)
            ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = null;
        return ValueTask.CompletedTask;
    }

    void Flush()
    {
        Write(_buffer.AsSpan(0, _held));
        _held = 0;
    }

    void Write(ReadOnlySpan<byte> data)
    {
        Errno.Check(Libc.Write(handle, data, _position), uri, "write");
        _position += data.Length;
    }
}
