using S3dlio.Hashing;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.Azure;

public sealed partial class AzureStore
{
    public override ValueTask<ObjectWriter> OpenWriteAsync(string key, PutOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        AzureKey.Check(Root, key);
        return ValueTask.FromResult<ObjectWriter>(new AzureWriter(this, key, options));
    }

    /// <summary>
    /// Fills a buffer, stages it as a block in the background, fills the next. Buffers beyond a writer's first count against the memory of
    /// the store, so however many bytes pass, memory stays bounded, and no writer waits for one that nobody completes.
    /// </summary>
    sealed class AzureWriter(AzureStore store, string key, PutOptions options) : ObjectWriter
    {
        const int StagesAtOnce = 4;

        /// <summary>Blocks of one length; the next as many are twice as long, so that the number of blocks suffices for anything.</summary>
        const int BlocksPerLength = 8192;

        readonly BlockUpload _upload = new(store, key);
        readonly WriterState _state = new(store.Root.Child(key));
        readonly CancellationTokenSource _stop = new();
        readonly List<Task> _staging = [];
        PooledBuffer? _buffer;
        int _filled, _blocks;
        long _written;
        Checksum _checksum = Checksum.Empty, _block = Checksum.Empty;
        readonly List<(long Length, Checksum Checksum)> _stretches = [];
        Exception? _failure;

        public override long Written => _written;

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel)
        {
            _state.Begin(cancel);
            while (data.Length > 0)
            {
                if (_buffer is { } full && _filled == full.Length)
                    await StageAsync(cancel).ConfigureAwait(false);
                _buffer ??= PooledBuffer.Rent(BlockLength);
                int count = Math.Min(data.Length, _buffer.Length - _filled);
                var copy = _buffer.GetSpan().Slice(_filled, count);
                data.Span[..count].CopyTo(copy);
                // hashed from the copy: it is what is sent, and it is in the cache
                _block = _block.Append(copy);
                _filled += count;
                _written += count;
                data = data[count..];
            }
            _state.Wrote();
        }

        public override async ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel)
        {
            _state.Begin(cancel);
            if (_blocks == 0)
            {
                var blocks = _buffer is null ? null : new Payload(_buffer.Memory[.._filled]).DigestBlocks(cancel).Blocks;
                return await store.PutWholeAsync(key, _buffer is null ? [] : [_buffer.Memory[.._filled]], _block, blocks, options, null, cancel).ConfigureAwait(false);
            }
            if (_filled > 0)
                await StageAsync(cancel).ConfigureAwait(false);
            await Task.WhenAll(_staging).WaitAsync(cancel).ConfigureAwait(false);
            ThrowFailure();
            try
            {
                return await _upload.CommitAsync(Enumerable.Range(0, _blocks), _written, _checksum, BlockChecksums.Join(_stretches), options, cancel).ConfigureAwait(false);
            }
            catch (LostBlocksException lost)
            {
                // what was staged is no longer in memory, so this one cannot begin anew
                throw await store.RefusedAsync(key, options, lost.Error, cancel).ConfigureAwait(false);
            }
        }

        public override async ValueTask DisposeAsync()
        {
            _state.End();
            await _stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(_staging).ConfigureAwait(false);
            _buffer?.Return();
            _buffer = null;
        }

        int BlockLength => (int)Math.Min((long)store._client.Options.Http.PartSize << Math.Min(16, _blocks / BlocksPerLength), AzureOptions.MaxPartSize);

        /// <summary>Sends the filled buffer on its way; a place for its bytes is there, or comes free as others' blocks arrive.</summary>
        async ValueTask StageAsync(CancellationToken cancel)
        {
            while (_staging.Count >= StagesAtOnce)
            {
                await Task.WhenAny(_staging).WaitAsync(cancel).ConfigureAwait(false);
                _staging.RemoveAll(static task => task.IsCompleted);
            }
            ThrowFailure();
            var place = await store._client.InFlight.EnterAsync(0, _filled, cancel).ConfigureAwait(false);
            var (buffer, filled, number) = (_buffer!, _filled, _blocks++);
            _stretches.Add((filled, _block));
            _checksum = Checksum.Combine(_checksum, _block, filled);
            (_buffer, _filled, _block) = (null, 0, Checksum.Empty);
            _staging.Add(Task.Run(() => SendAsync(number, buffer, filled, place), CancellationToken.None));
        }

        // never fails: what goes wrong is told by the next call
        async Task SendAsync(int number, PooledBuffer buffer, int filled, InFlight.Lease place)
        {
            try
            {
                ReadOnlyMemory<byte>[] pieces = [buffer.Memory[..filled]];
                var hash = BodyHash.Of(pieces, store._client.Check, _stop.Token);
                await _upload.StageAsync(number, pieces, hash, null, _stop.Token).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                Interlocked.CompareExchange(ref _failure, error, null);
            }
            finally
            {
                buffer.Return();
                place.Dispose();
            }
        }

        void ThrowFailure()
        {
            if (Volatile.Read(ref _failure) is { } failure)
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }
}
