using System.Buffers;
using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>Takes the bytes of a file in order and writes them in pieces that the device or the kernel likes.</summary>
abstract class FileSink : IAsyncDisposable
{
    /// <summary>The memory is the caller's again when the task is done.</summary>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel);

    /// <summary>The same of bytes that lie in several pieces.</summary>
    public virtual async ValueTask WriteAsync(IReadOnlyList<ReadOnlyMemory<byte>> pieces, CancellationToken cancel)
    {
        foreach (var piece in pieces)
            await WriteAsync(piece, cancel).ConfigureAwait(false);
    }

    /// <summary>Writes what is still held back; the head, if one was announced, goes to the file's beginning.</summary>
    public abstract ValueTask FinishAsync(ReadOnlyMemory<byte> head, CancellationToken cancel);

    /// <summary>Waits for writes under way and gives the buffers back.</summary>
    public abstract ValueTask DisposeAsync();
}

/// <summary>Through the page cache: small pieces are gathered, large ones go straight from the caller's memory.</summary>
sealed class CachedSink(SafeFileHandle handle, string uri, int headLength) : FileSink
{
    const int BufferLength = 1 << 18;

    /// <summary>
    /// Room is reserved as the file grows, in steps of so many bytes, since blocks that are there already cost a third less to write; what
    /// was too much is given back in the end. Files that stay smaller do without.
    /// </summary>
    const int ReserveStep = 32 << 20;

    byte[]? _buffer;
    int _held;
    long _position = headLength, _reserved;
    bool _isReserving = true;

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

    public override ValueTask WriteAsync(IReadOnlyList<ReadOnlyMemory<byte>> pieces, CancellationToken cancel)
    {
        long length = 0;
        foreach (var piece in pieces)
            length += piece.Length;
        if (length < BufferLength)
            return base.WriteAsync(pieces, cancel);
        Flush();
        Reserve(length);
        LocalError.Check(Interop.Write(handle, pieces, _position), uri, "write");
        _position += length;
        return ValueTask.CompletedTask;
    }

    public override ValueTask FinishAsync(ReadOnlyMemory<byte> head, CancellationToken cancel)
    {
        Flush();
        LocalError.Check(Interop.Write(handle, head.Span, 0), uri, "write");
        // also what a reservation left behind that failed half-way
        if (_reserved > 0 || !_isReserving)
            LocalError.Check(Interop.SetLength(handle, _position), uri, "give back the room that was not needed");
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

    void Reserve(long count)
    {
        long end = _position + count;
        if (!_isReserving || end <= Math.Max(_reserved, ReserveStep))
            return;
        long wanted = (end / ReserveStep * ReserveStep) + ReserveStep;
        // where there is less room than that, or no such call, the file may fit all the same: the writes will tell
        if (Interop.Reserve(handle, wanted) == 0)
            _reserved = wanted;
        else
            _isReserving = false;
    }

    void Write(ReadOnlySpan<byte> data)
    {
        Reserve(data.Length);
        LocalError.Check(Interop.Write(handle, data, _position), uri, "write");
        _position += data.Length;
    }
}
