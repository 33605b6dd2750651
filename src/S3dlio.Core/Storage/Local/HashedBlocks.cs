using S3dlio.Hashing;

namespace S3dlio.Storage.Local;

/// <summary>
/// A payload's body as blocks to be written in order, each hashed around the time of its write: by another thread while the block before it
/// is written, or, where that thread has not come to it in time, by the writer just before its own write. So an idle core takes the hashing
/// off the writer, a busy machine is not waited for, and the bytes come from the cache the second time.
/// </summary>
/// <remarks>
/// The kernel copies a block right after it was hashed or (a thread that was put aside) while it is: a caller that changes its buffer
/// during a save breaks the contract, and then the checksum recorded may not be that of the file, which the next validated read reports.
/// </remarks>
sealed class HashedBlocks(Payload payload)
{
    /// <summary>
    /// Bytes of a block. Blocks end at multiples of this in the file, since the page cache takes the large folios, which make a copy into it
    /// a third faster, only for writes that cover them whole.
    /// </summary>
    const int BlockLength = 2 << 20;

    /// <summary>Bytes of a run, the blocks that the other thread is woken for once: little enough to stay in the cache until they are written.</summary>
    const int RunLength = 8 << 20;

    /// <summary>Blocks of a run, however small they are.</summary>
    const int MostInRun = 64;

    /// <summary>Bytes of a payload from which waking another thread pays.</summary>
    const int AheadFrom = 8 << 20;

    readonly Checksum[] _segments = new Checksum[payload.Body.Count];
    readonly Queue<Run> _unfinished = new();

    /// <summary>Hands each block to <paramref name="write"/>, in order. When this returns or throws, the memory is the caller's again.</summary>
    public async ValueTask<PayloadDigest> WriteAsync(Action<PayloadBlock> write, CancellationToken cancel)
    {
        try
        {
            using var blocks = Cut().GetEnumerator();
            var next = Next(blocks);
            while (next is not null)
            {
                var run = next;
                next = Next(blocks);
                foreach (var block in run.Blocks)
                {
                    cancel.ThrowIfCancellationRequested();
                    block.HashUnlessTaken();
                    write(block.Content);
                }
                while (_unfinished.TryPeek(out var first) && first != next && first.IsHashed)
                    Append(_unfinished.Dequeue());
            }
            while (_unfinished.TryDequeue(out var run))
            {
                await run.EndAsync().ConfigureAwait(false);
                Append(run);
            }
            return payload.Digest(_segments);
        }
        catch
        {
            foreach (var run in _unfinished)
                await run.EndAsync().ConfigureAwait(false);
            throw;
        }
    }

    Run? Next(IEnumerator<PayloadBlock> blocks)
    {
        var run = new Run();
        while (run.Length < RunLength && run.Blocks.Count < MostInRun && blocks.MoveNext())
            run.Add(blocks.Current);
        if (run.Blocks.Count == 0)
            return null;
        _unfinished.Enqueue(run);
        if (payload.Length >= AheadFrom)
            run.HashAhead();
        return run;
    }

    void Append(Run run)
    {
        foreach (var block in run.Blocks)
        {
            ref var segment = ref _segments[block.Content.Segment];
            segment = Checksum.Combine(segment, block.Checksum, block.Content.Bytes.Length);
        }
    }

    IEnumerable<PayloadBlock> Cut()
    {
        long position = payload.HeadLength;
        for (int i = 0; i < payload.Body.Count; i++)
        {
            var segment = payload.Body[i];
            for (long at = 0; at < segment.Length;)
            {
                int length = (int)Math.Min(BlockLength - position % BlockLength, segment.Length - at);
                yield return new PayloadBlock(i, position, segment.Slice(at, length));
                at += length;
                position += length;
            }
        }
    }

    sealed class Run
    {
        Task? _ahead;

        public List<Block> Blocks { get; } = [];

        public long Length { get; private set; }

        public bool IsHashed => Blocks.TrueForAll(block => block.IsHashed);

        public void Add(PayloadBlock content)
        {
            Blocks.Add(new Block(content));
            Length += content.Bytes.Length;
        }

        public void HashAhead() => _ahead = Task.Run(() => Blocks.ForEach(block => block.HashUnlessTaken()));

        /// <summary>Keeps the other thread from beginning with further blocks and waits for the one it is at.</summary>
        public async ValueTask EndAsync()
        {
            bool isInUse = false;
            foreach (var block in Blocks)
                isInUse |= !block.Take() && !block.IsHashed;
            if (isInUse && _ahead is not null)
                await _ahead.ConfigureAwait(false);
        }
    }

    sealed class Block(PayloadBlock content)
    {
        int _taken;
        volatile bool _hashed;

        public PayloadBlock Content => content;

        public bool IsHashed => _hashed;

        /// <summary>Valid once <see cref="IsHashed"/>.</summary>
        public Checksum Checksum { get; private set; }

        public bool Take() => Interlocked.Exchange(ref _taken, 1) == 0;

        public void HashUnlessTaken()
        {
            if (!Take())
                return;
            Checksum = Checksum.Of(content.Bytes.Span);
            _hashed = true;
        }
    }
}
