using S3dlio.Hashing;

namespace S3dlio.Storage;

/// <summary>
/// What a put writes: a head of known length, then body segments that lie in the caller's memory. The head may depend on the checksums of
/// the segments (a safetensors header holds them), so it is built after the body was hashed; its length never changes, so the body can be
/// written first and no byte is read twice.
/// </summary>
public sealed class Payload
{
    readonly Func<ReadOnlyMemory<Checksum>, ReadOnlyMemory<byte>>? _buildHead;

    public Payload(ReadOnlyMemory<byte> bytes)
        : this([LargeMemory.From(bytes)])
    {
    }

    public Payload(IReadOnlyList<LargeMemory> body)
        : this(0, null, body)
    {
    }

    /// <param name="headLength">Bytes before the body.</param>
    /// <param name="buildHead">Gives exactly that many bytes from one checksum for each segment of the body, in order.</param>
    /// <param name="body">The segments, in the order in which they lie in the object.</param>
    public Payload(int headLength, Func<ReadOnlyMemory<Checksum>, ReadOnlyMemory<byte>>? buildHead, IReadOnlyList<LargeMemory> body)
    {
        HeadLength = headLength;
        _buildHead = buildHead;
        Body = body;
        long length = headLength;
        foreach (var segment in body)
            length = checked(length + segment.Length);
        Length = length;
    }

    public int HeadLength { get; }

    /// <summary>False where the head is the same whatever the body's checksums are.</summary>
    public bool HeadNeedsChecksums { get; init; } = true;

    public IReadOnlyList<LargeMemory> Body { get; }

    /// <summary>Bytes of the whole object.</summary>
    public long Length { get; }

    public ReadOnlyMemory<byte> BuildHead(ReadOnlyMemory<Checksum> bodyChecksums)
    {
        if (_buildHead is null)
            return default;
        var head = _buildHead(bodyChecksums);
        if (head.Length != HeadLength)
            throw new InvalidOperationException($"the head has {head.Length} bytes, {HeadLength} were announced");
        return head;
    }

    /// <summary>The body cut into blocks of at most <paramref name="blockLength"/> bytes; no block crosses a segment.</summary>
    public IEnumerable<PayloadBlock> Blocks(int blockLength)
    {
        long position = HeadLength;
        for (int i = 0; i < Body.Count; i++)
        {
            var segment = Body[i];
            for (long at = 0; at < segment.Length; at += blockLength)
            {
                int length = (int)Math.Min(blockLength, segment.Length - at);
                yield return new PayloadBlock(i, position + at, segment.Slice(at, length));
            }
            position += segment.Length;
        }
    }

    /// <summary>
    /// Hashes the body block by block, builds the head and combines both: everything a put has to know before its bytes go.
    /// </summary>
    public PayloadDigest Digest(CancellationToken cancel)
    {
        const int blockLength = 1 << 20;
        var segments = new Checksum[Body.Count];
        foreach (var block in Blocks(blockLength))
        {
            cancel.ThrowIfCancellationRequested();
            segments[block.Segment] = segments[block.Segment].Append(block.Bytes.Span);
        }
        return Digest(segments);
    }

    /// <summary>The same, and the checksums of the blocks of the whole object, head included; null for a small one.</summary>
    public (PayloadDigest Digest, BlockChecksums? Blocks) DigestBlocks(CancellationToken cancel)
    {
        if (Length < BlockChecksums.LeastSize)
            return (Digest(cancel), null);
        int blockLength = BlockChecksums.EvenLength(Length);
        var segments = new Checksum[Body.Count];
        var blocks = new (long Length, Checksum Checksum)[(int)((Length + blockLength - 1) / blockLength)];
        long position = HeadLength;
        for (int i = 0; i < Body.Count; i++)
        {
            for (long at = 0; at < Body[i].Length;)
            {
                cancel.ThrowIfCancellationRequested();
                int length = (int)Math.Min(Body[i].Length - at, blockLength - (position % blockLength));
                var found = Checksum.Of(Body[i].Slice(at, length).Span);
                segments[i] = at == 0 ? found : Checksum.Combine(segments[i], found, length);
                ref var block = ref blocks[(int)(position / blockLength)];
                block = (block.Length + length, block.Length == 0 ? found : Checksum.Combine(block.Checksum, found, length));
                at += length;
                position += length;
            }
        }
        var digest = Digest(segments);
        for (int at = 0; at < HeadLength; at += blockLength)
        {
            ref var block = ref blocks[at / blockLength];
            var head = digest.Head.Span[at..Math.Min(at + blockLength, HeadLength)];
            block = (block.Length + head.Length, Checksum.Combine(Checksum.Of(head), block.Checksum, block.Length));
        }
        return (digest, BlockChecksums.Of(blocks));
    }

    /// <summary>The digest from segment checksums that were taken while the body was written.</summary>
    public PayloadDigest Digest(ReadOnlyMemory<Checksum> segments)
    {
        var head = BuildHead(segments);
        var whole = Checksum.Of(head.Span);
        for (int i = 0; i < Body.Count; i++)
            whole = Checksum.Combine(whole, segments.Span[i], Body[i].Length);
        return new PayloadDigest(head, whole);
    }
}

/// <param name="Segment">Index of the segment the block lies in.</param>
/// <param name="Offset">First byte of the block in the object.</param>
/// <param name="Bytes">The caller's memory; never written to.</param>
public readonly record struct PayloadBlock(int Segment, long Offset, ReadOnlyMemory<byte> Bytes);

/// <param name="Head">The head's bytes.</param>
/// <param name="Checksum">CRC32C of the whole object.</param>
public readonly record struct PayloadDigest(ReadOnlyMemory<byte> Head, Checksum Checksum);
