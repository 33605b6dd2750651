using S3dlio.Hashing;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>
/// A payload's body as blocks to be written in order, while another thread hashes them: a little ahead of the writer, so that the writer
/// finds them in the cache, or, where that thread came late, a little behind it. Blocks that it leaves too long are hashed by the writer.
/// So an idle core takes the hashing off the writer, and a busy machine is not waited for.
/// </summary>
/// <remarks>
/// A block is copied by the kernel before, while or after it is hashed: a caller that changes its buffer during a save breaks the contract,
/// and then the checksum recorded may not be that of the file, which the next validated read reports.
/// </remarks>
sealed class HashedBlocks
{
    /// <summary>
    /// Bytes of a block. Blocks end at multiples of this in the file, since the page cache takes the large folios, which make a copy into
    /// it a third faster, only for writes that cover them whole.
    /// </summary>
    const int BlockLength = 4 << 20;

    /// <summary>
    /// The same where no other core is taken: the kernel's copy finds a block that was just hashed in the core's own cache, and lets nobody
    /// else have the core while it lasts.
    /// </summary>
    const int AloneLength = 512 << 10;

    /// <summary>
    /// Bytes that may be hashed before they are written: few enough to be in the cache still, and more than are written in a nap.
    /// </summary>
    const int Lead = 4 << 20;

    /// <summary>Bytes that may be written before the writer hashes them itself.</summary>
    const int Lag = 8 << 20;

    /// <summary>How long the other thread sleeps when it is far enough ahead; 1 MiB takes the writer about twice as long.</summary>
    const int NapNanoseconds = 100_000;

    /// <summary>Bytes of a payload from which waking another thread pays.</summary>
    const int AheadFrom = 8 << 20;

    readonly Payload _payload;
    readonly bool _helped;
    readonly List<PayloadBlock> _blocks = [];
    readonly Checksum[] _checksums;
    /// <summary>The first block that no thread has taken.</summary>
    int _next;
    /// <summary>End of what is written.</summary>
    long _written;
    Helper _helper;

    /// <param name="payload">The data.</param>
    /// <param name="helped">Whether another core may be taken.</param>
    public HashedBlocks(Payload payload, bool helped)
    {
        _helped = helped && payload.Length >= AheadFrom;
        _payload = payload;
        int blockLength = helped ? BlockLength : AloneLength;
        long position = payload.HeadLength;
        for (int i = 0; i < payload.Body.Count; i++)
        {
            var segment = payload.Body[i];
            for (long at = 0; at < segment.Length;)
            {
                int length = (int)Math.Min(blockLength - position % blockLength, segment.Length - at);
                _blocks.Add(new PayloadBlock(i, position, segment.Slice(at, length)));
                at += length;
                position += length;
            }
        }
        _checksums = new Checksum[_blocks.Count];
    }

    /// <summary>
    /// Hands each block to <paramref name="write"/>, in order. When this returns or throws, the memory is the caller's again.
    /// </summary>
    public async ValueTask<PayloadDigest> WriteAsync(Action<PayloadBlock> write, CancellationToken cancel)
    {
        var helper = _helped ? Task.Run(HashAhead, CancellationToken.None) : Task.CompletedTask;
        try
        {
            foreach (var block in _blocks)
            {
                cancel.ThrowIfCancellationRequested();
                // without help it is hashed first: the kernel's copy then finds it in the cache
                if (!_helped)
                    HashNext();
                write(block);
                Volatile.Write(ref _written, block.Offset + block.Bytes.Length);
                while (Volatile.Read(ref _next) is var next && next < _blocks.Count && _blocks[next].Offset + Lag <= _written)
                    HashNext();
            }
            while (HashNext())
            {
            }
        }
        finally
        {
            Volatile.Write(ref _next, _blocks.Count);
            // one that has not begun has nothing to do any more, and a busy pool may not come to it for long
            if (Interlocked.CompareExchange(ref _helper, Helper.NotNeeded, Helper.NotBegun) == Helper.Begun)
                await helper.ConfigureAwait(false);
        }
        var segments = new Checksum[_payload.Body.Count];
        for (int i = 0; i < _blocks.Count; i++)
        {
            ref var segment = ref segments[_blocks[i].Segment];
            segment = Checksum.Combine(segment, _checksums[i], _blocks[i].Bytes.Length);
        }
        return _payload.Digest(segments);
    }

    void HashAhead()
    {
        if (Interlocked.CompareExchange(ref _helper, Helper.Begun, Helper.NotBegun) != Helper.NotBegun)
            return;
        while (Volatile.Read(ref _next) is var next && next < _blocks.Count)
        {
            if (_blocks[next].Offset > Volatile.Read(ref _written) + Lead)
                Interop.Nap(NapNanoseconds);
            else
                HashNext();
        }
    }

    /// <summary>Takes and hashes the next block; false where there is none.</summary>
    bool HashNext()
    {
        int next = Volatile.Read(ref _next);
        while (next < _blocks.Count)
        {
            int found = Interlocked.CompareExchange(ref _next, next + 1, next);
            if (found == next)
            {
                _checksums[next] = Checksum.Of(_blocks[next].Bytes.Span);
                return true;
            }
            next = found;
        }
        return false;
    }

    enum Helper
    {
        NotBegun,
        Begun,
        NotNeeded,
    }
}
