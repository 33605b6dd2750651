using S3dlio.Compression;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// Compresses what passes into frames, on all cores or, in the background, on half of them, and writes them in order. Whoever writes makes
/// the frame that is due itself unless another thread has begun with it: a busy machine is not waited for, and the bytes go to the store
/// from the cache. Memory is bounded: a buffer for the raw bytes and one for the frame, for each core and one more. Whole frames of large
/// writes are read from the caller's memory, without the first, and what does not shrink is written from there, without the second.
/// </summary>
public sealed class CompressedWriter : ObjectWriter
{
    /// <summary>More than so many at once would hold more memory than they save time.</summary>
    const int MostWorkers = 16;

    readonly ObjectWriter _inner;
    readonly string _uri;
    readonly int _level;
    readonly SeekTableBuilder _table = new();
    readonly Queue<Slot> _running = new();
    readonly Stack<Slot> _idle = new();
    readonly bool _background;
    readonly int _mostSlots;
    readonly WriterState _state;
    int _slots;
    Slot? _filling;
    int _filled;
    long _written;

    /// <param name="inner">Receives the frames; disposed with this writer.</param>
    /// <param name="level">1 to 22.</param>
    /// <param name="uri">The object, for messages.</param>
    /// <param name="background">Half of the cores stay the program's; of two, this thread alone works.</param>
    public CompressedWriter(ObjectWriter inner, int level, string uri, bool background = false)
    {
        (_inner, _level, _uri, _state) = (inner, level, uri, new WriterState(uri));
        int cores = Math.Min(Environment.ProcessorCount, MostWorkers);
        _background = background;
        _mostSlots = background ? Math.Max(1, cores / 2) : cores + 1;
        if (level is < 1 or > 22)
            throw StoreException.InvalidArgument(uri, $"compression levels are 1 to 22, found {level}");
    }

    /// <summary>Raw bytes taken so far.</summary>
    public override long Written => _written;

    /// <summary>Compressed bytes so far; those on their way are not among them.</summary>
    public long Stored => _inner.Written;

    /// <summary>CRC32C of the raw bytes; complete when the writer is.</summary>
    public Checksum RawChecksum => _table.Raw;

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancel) =>
        WriteAsync(LargeMemory.From(data), null, cancel);

    /// <summary>The same for memory of any length: frames of all of it are made in parallel, without a pause in between.</summary>
    public async ValueTask WriteAsync(LargeMemory data, IProgress<long>? progress, CancellationToken cancel)
    {
        _state.Begin(cancel);
        // frames are made on this thread
        if (data.Length + _filled >= SeekableFormat.FrameLength)
            await ThreadSwitch.ToPoolAsync();
        try
        {
            for (long at = 0; at < data.Length;)
            {
                int count;
                if (_filling is null && data.Length - at >= SeekableFormat.FrameLength)
                {
                    count = SeekableFormat.FrameLength;
                    Start(await TakeAsync(cancel).ConfigureAwait(false), data.Slice(at, count));
                }
                else
                {
                    _filling ??= await TakeAsync(cancel).ConfigureAwait(false);
                    count = (int)Math.Min(data.Length - at, SeekableFormat.FrameLength - _filled);
                    _filling.Fill(_filled, data.Slice(at, count).Span);
                    _filled += count;
                    if (_filled == SeekableFormat.FrameLength)
                        StartFilled();
                }
                _written += count;
                at += count;
                progress?.Report(count);
            }
            await DrainAsync(static slot => slot.IsBorrowed, cancel).ConfigureAwait(false);
        }
        catch
        {
            // the memory is the caller's again
            await EndAsync().ConfigureAwait(false);
            throw;
        }
        _state.Wrote();
    }

    public override async ValueTask<ObjectMeta> CompleteAsync(CancellationToken cancel)
    {
        _state.Begin(cancel);
        if (_filled > 0)
            StartFilled();
        if (_running.Count > 0)
            await ThreadSwitch.ToPoolAsync();
        await DrainAsync(static _ => true, cancel).ConfigureAwait(false);
        await _inner.WriteAsync(_table.Finish(), cancel).ConfigureAwait(false);
        var meta = await _inner.CompleteAsync(cancel).ConfigureAwait(false);
        await DisposeAsync().ConfigureAwait(false);
        return meta;
    }

    public override async ValueTask DisposeAsync()
    {
        if (!_state.End())
            return;
        await EndAsync().ConfigureAwait(false);
        foreach (var slot in _running)
            slot.Dispose();
        _running.Clear();
        foreach (var slot in _idle)
            slot.Dispose();
        _filling?.Dispose();
        await _inner.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>A slot that nothing uses: a new one, or that of the oldest frame once it is written.</summary>
    async ValueTask<Slot> TakeAsync(CancellationToken cancel)
    {
        if (_idle.TryPop(out var idle))
            return idle;
        if (_slots < _mostSlots)
        {
            _slots++;
            return new Slot(_level, _background, ahead: _mostSlots > 1);
        }
        await WriteOldestAsync(cancel).ConfigureAwait(false);
        return _idle.Pop();
    }

    void StartFilled()
    {
        Start(_filling!, null, _filled);
        (_filling, _filled) = (null, 0);
    }

    void Start(Slot slot, ReadOnlyMemory<byte>? borrowed, int filled = 0)
    {
        slot.Start(borrowed, filled);
        _running.Enqueue(slot);
    }

    /// <summary>No frame is being made any more, and none is begun with; for after a failure.</summary>
    async ValueTask EndAsync()
    {
        foreach (var slot in _running)
            await slot.EndAsync().ConfigureAwait(false);
    }

    async ValueTask DrainAsync(Func<Slot, bool> which, CancellationToken cancel)
    {
        while (_running.Any(which))
            await WriteOldestAsync(cancel).ConfigureAwait(false);
    }

    async ValueTask WriteOldestAsync(CancellationToken cancel)
    {
        var slot = _running.Peek();
        FrameInfo frame;
        try
        {
            frame = await slot.FinishAsync().ConfigureAwait(false);
            _table.Add(frame);
        }
        catch (CompressionException fault)
        {
            throw StoreException.InvalidArgument(_uri, fault.Message, cause: fault);
        }
        await _inner.WriteAsync(slot.Frame, frame.Stored, cancel).ConfigureAwait(false);
        _running.Dequeue();
        _idle.Push(slot);
    }

    /// <summary>One frame that is being compressed.</summary>
    sealed class Slot(int level, bool background, bool ahead) : IDisposable
    {
        readonly FrameEncoder _encoder = new(level);
        byte[]? _raw;
        Job? _job;

        public bool IsBorrowed { get; private set; }

        public void Fill(int at, ReadOnlySpan<byte> data)
        {
            _raw ??= GC.AllocateUninitializedArray<byte>(SeekableFormat.FrameLength);
            data.CopyTo(_raw.AsSpan(at));
        }

        public void Start(ReadOnlyMemory<byte>? borrowed, int filled)
        {
            IsBorrowed = borrowed is not null;
            _job = new Job(_encoder, borrowed ?? _raw.AsMemory(0, filled), background, ahead);
        }

        public ValueTask<FrameInfo> FinishAsync() => _job!.FinishAsync();

        public ValueTask EndAsync() => _job!.EndAsync();

        public IReadOnlyList<ReadOnlyMemory<byte>> Frame => _encoder.Frame;

        public void Dispose() => _encoder.Dispose();
    }

    /// <summary>The compression of one frame, by another thread or by the writing thread.</summary>
    sealed class Job
    {
        readonly FrameEncoder _encoder;
        readonly ReadOnlyMemory<byte> _raw;
        readonly bool _background;
        readonly Task _ahead;
        FrameInfo _frame;
        int _taken;

        public Job(FrameEncoder encoder, ReadOnlyMemory<byte> raw, bool background, bool ahead)
        {
            (_encoder, _raw, _background) = (encoder, raw, background);
            _ahead = ahead ? Task.Run(MakeUnlessTaken, CancellationToken.None) : Task.CompletedTask;
        }

        public async ValueTask<FrameInfo> FinishAsync()
        {
            if (!MakeUnlessTaken())
                await _ahead.ConfigureAwait(false);
            return _frame;
        }

        /// <summary>Keeps others from beginning with it, and waits for one that has.</summary>
        public async ValueTask EndAsync()
        {
            if (!Take())
                await _ahead.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        bool Take() => Interlocked.Exchange(ref _taken, 1) == 0;

        bool MakeUnlessTaken()
        {
            if (!Take())
                return false;
            using var batch = BatchPriority.Enter(_background);
            _frame = _encoder.Encode(_raw);
            return true;
        }
    }
}
