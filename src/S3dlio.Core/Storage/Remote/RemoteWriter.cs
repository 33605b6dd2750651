using S3dlio.Http;
using S3dlio.IO;

namespace S3dlio.Storage.Remote;

/// <summary>
/// An object of unknown length: buffers of a part's size, uploaded while the next is filled. The first buffer is every writer's own;
/// further ones are taken from the store's memory and given back as their uploads end, so writers can wait for but never block each other.
/// </summary>
sealed class RemoteWriter(RemoteStore store, string key, PutOptions options) : ObjectWriter
{
    readonly WriterState _state = new(store.Root.Child(key));
    readonly CancellationTokenSource _stop = new();
    readonly List<Task> _running = [];
    PartUpload? _upload;
    AlignedBuffer? _buffer;
    InFlight.Lease _lease;
    int _filled, _number;
    long _written;

    public override long Written => _written;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
    {
        _state.Begin(cancel);
        while (data.Length > 0)
        {
            if (_buffer is not null && _filled == _buffer.Length)
            {
                await SendAsync(cancel).ConfigureAwait(false);
                await NextBufferAsync(cancel).ConfigureAwait(false);
            }
            _buffer ??= AlignedBuffer.RentPart(PartLength);
            int count = Math.Min(data.Length, _buffer.Length - _filled);
            data.Span[..count].CopyTo(_buffer.GetSpan()[_filled..]);
            _filled += count;
            _written += count;
            data = data[count..];
        }
        _state.Wrote();
    }

    public override async ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel)
    {
        _state.Begin(cancel);
        ObjectMeta meta;
        if (_upload is null)
        {
            ReadOnlyMemory<byte> bytes = _buffer is null ? default : _buffer.Memory[.._filled];
            meta = await store.PutWholeAsync(key, new Payload(bytes), options, null, cancel).ConfigureAwait(false);
        }
        else
        {
            if (_filled > 0)
                await SendAsync(cancel).ConfigureAwait(false);
            while (_running.Count > 0)
                await FinishOneAsync(cancel).ConfigureAwait(false);
            meta = await store.CompleteUploadAsync(key, _upload, options, cancel).ConfigureAwait(false);
        }
        _state.End();
        ReleaseBuffer();
        return meta;
    }

    public override async ValueTask DisposeAsync()
    {
        if (_state.End())
        {
            await _stop.CancelAsync().ConfigureAwait(false);
            foreach (var task in _running)
                await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_upload is not null)
                await _upload.AbortAsync().ConfigureAwait(false);
            ReleaseBuffer();
        }
        _stop.Dispose();
    }

    /// <summary>Parts double in length ten times, so that their number suffices for any object.</summary>
    int PartLength => (int)Math.Min((long)store.Client.Http.PartSize << Math.Min(_number / (store.MostParts / 10), 16), 1 << 30);

    /// <summary>Hands the filled buffer to an upload of its own.</summary>
    async ValueTask SendAsync(CancellationToken cancel)
    {
        _upload ??= await store.BeginUploadAsync(key, options, null, null, cancel).ConfigureAwait(false);
        var (buffer, filled, lease, number) = (_buffer!, _filled, _lease, ++_number);
        (_buffer, _filled, _lease) = (null, 0, default);
        _running.Add(Task.Run(() => UploadAsync(number, buffer, filled, lease), CancellationToken.None));
    }

    async ValueTask NextBufferAsync(CancellationToken cancel)
    {
        int length = PartLength;
        while (true)
        {
            await ReapAsync().ConfigureAwait(false);
            if (_running.Count == 0)
                break;
            if (_running.Count >= store.WriterPartsAtOnce)
            {
                await FinishOneAsync(cancel).ConfigureAwait(false);
                continue;
            }
            if (store.Client.InFlight.TryEnter(0, length, out _lease))
                break;
            // memory comes back with the uploads, of this writer or another
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            var memory = store.Client.InFlight.EnterAsync(0, length, waiting.Token).AsTask();
            var first = await Task.WhenAny([memory, .. _running]).ConfigureAwait(false);
            if (first != memory)
                await waiting.CancelAsync().ConfigureAwait(false);
            await ((Task)memory).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            // granted in the moment of a cancel it is held all the same, and given back with the buffer
            if (memory.IsCompletedSuccessfully)
                _lease = await memory.ConfigureAwait(false);
            cancel.ThrowIfCancellationRequested();
            if (memory.IsCompletedSuccessfully)
                break;
        }
        _buffer = AlignedBuffer.RentPart(length);
    }

    async ValueTask FinishOneAsync(CancellationToken cancel)
    {
        await Task.WhenAny(_running).WaitAsync(cancel).ConfigureAwait(false);
        await ReapAsync().ConfigureAwait(false);
    }

    /// <summary>Forgets uploads that have ended, and reports the first that failed.</summary>
    async ValueTask ReapAsync()
    {
        for (int i = _running.Count - 1; i >= 0; i--)
        {
            if (!_running[i].IsCompleted)
                continue;
            var ended = _running[i];
            _running.RemoveAt(i);
            await ended.ConfigureAwait(false);
        }
    }

    async Task UploadAsync(int number, AlignedBuffer buffer, int filled, InFlight.Lease lease)
    {
        try
        {
            var part = new PayloadPart(buffer.Memory[..filled]);
            await _upload!.PutAsync(number, part, part.Hash(store.TransferHash, _stop.Token), null, _stop.Token).ConfigureAwait(false);
        }
        finally
        {
            buffer.Return();
            lease.Dispose();
        }
    }

    void ReleaseBuffer()
    {
        _buffer?.Return();
        _buffer = null;
        _lease.Dispose();
        _lease = default;
    }
}
