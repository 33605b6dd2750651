using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>
/// Past the page cache: aligned buffers are filled here and written on other threads, two at a time, so that copying and hashing overlap
/// with the device. Whole blocks of aligned memory are written from where they lie. The last block is padded, then the file is cut to its
/// length.
/// </summary>
sealed class DirectSink : FileSink
{
    const int MostInFlight = 2;

    readonly SafeFileHandle _handle;
    readonly string _uri;
    readonly int _alignment;
    readonly Queue<Task> _inFlight = new();

    // The blocks that the head lies in stay here until the head is known.
    readonly AlignedBuffer? _front;
    int _frontHeld;

    AlignedBuffer? _buffer;
    int _held;
    long _flushed;

    public DirectSink(SafeFileHandle handle, string uri, int alignment, int headLength)
    {
        _handle = handle;
        _uri = uri;
        _alignment = alignment;
        if (headLength == 0)
            return;
        _front = new AlignedBuffer(checked((int)AlignedBuffer.RoundUp(headLength, alignment)));
        _frontHeld = headLength;
        _flushed = _front.Length;
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        if (_front is not null && _frontHeld < _front.Length)
        {
            int count = Math.Min(data.Length, _front.Length - _frontHeld);
            data.Span[..count].CopyTo(_front.GetSpan()[_frontHeld..]);
            _frontHeld += count;
            data = data[count..];
        }
        while (data.Length > 0)
        {
            cancel.ThrowIfCancellationRequested();
            int count = _held == 0 ? WriteInPlace(data) : 0;
            if (count == 0)
            {
                _buffer ??= AlignedBuffer.Rent();
                count = Math.Min(data.Length, _buffer.Length - _held);
                data.Span[..count].CopyTo(_buffer.GetSpan()[_held..]);
                _held += count;
                if (_held == _buffer.Length)
                    await SendAsync().ConfigureAwait(false);
            }
            data = data[count..];
        }
    }

    public override async ValueTask FinishAsync(ReadOnlyMemory<byte> head, CancellationToken cancel)
    {
        long length = _front is not null && _frontHeld < _front.Length ? _frontHeld : _flushed + _held;
        if (_held > 0)
        {
            int padded = (int)AlignedBuffer.RoundUp(_held, _alignment);
            _buffer!.GetSpan()[_held..padded].Clear();
            _held = padded;
            await SendAsync().ConfigureAwait(false);
        }
        if (_front is not null)
        {
            head.Span.CopyTo(_front.GetSpan());
            _front.GetSpan()[_frontHeld..].Clear();
            Write(_front.GetSpan(), 0);
        }
        while (_inFlight.TryDequeue(out var write))
            await write.ConfigureAwait(false);
        if (length % _alignment != 0)
            LocalError.Check(Interop.SetLength(_handle, length), _uri, "cut the file to its length");
    }

    public override async ValueTask DisposeAsync()
    {
        while (_inFlight.TryDequeue(out var write))
            await write.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _buffer?.Return();
        _buffer = null;
        _front?.Return();
    }

    /// <returns>Bytes written straight from aligned memory, 0 when it is not aligned or less than a block.</returns>
    int WriteInPlace(ReadOnlyMemory<byte> data)
    {
        int count = AlignedBuffer.RoundDown(data.Length, _alignment);
        if (count == 0)
            return 0;
        using var pin = data.Pin();
        if (!AlignedBuffer.IsAligned(pin))
            return 0;
        Write(data.Span[..count], _flushed);
        _flushed += count;
        return count;
    }

    async ValueTask SendAsync()
    {
        var buffer = _buffer!;
        int length = _held;
        long offset = _flushed;
        _buffer = null;
        _held = 0;
        _flushed += length;
        _inFlight.Enqueue(Task.Run(() =>
        {
            try
            {
                Write(buffer.GetSpan()[..length], offset);
            }
            finally
            {
                buffer.Return();
            }
        }));
        if (_inFlight.Count > MostInFlight)
            await _inFlight.Dequeue().ConfigureAwait(false);
    }

    void Write(ReadOnlySpan<byte> data, long offset) => LocalError.Check(Interop.Write(_handle, data, offset), _uri, "write");
}
