using System.Buffers;
using S3dlio.Compression;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// A compressed object as its raw bytes, at any place: a read fetches and decodes the frames that it touches and no others, each checked
/// as a whole. Size and checksum of <see cref="Meta"/> are those of the raw bytes.
/// </summary>
public sealed class CompressedReader : ObjectReader
{
    /// <summary>Read from the object's end at once: the table of an object of some 10 GiB.</summary>
    const int FirstTail = 64 << 10;

    /// <summary>Compressed bytes fetched with one read.</summary>
    const int MostFetched = 16 << 20;

    readonly ObjectReader _inner;
    readonly SeekTable _table;
    readonly string _uri;
    Decoded? _last;
    int _framesDecoded;

    CompressedReader(ObjectReader inner, SeekTable table, string uri)
    {
        (_inner, _table, _uri) = (inner, table, uri);
        Meta = inner.Meta with { Size = table.RawLength, Checksum = table.Raw, Blocks = null, Digest = null };
        int part = Math.Max(1, inner.Hints.PartSize / SeekableFormat.FrameLength) * SeekableFormat.FrameLength;
        Hints = new TransferHints(part, Math.Max(inner.Hints.Concurrency, Environment.ProcessorCount), SeekableFormat.FrameLength);
    }

    public override ObjectMeta Meta { get; }

    public override TransferHints Hints { get; }

    /// <summary>The object as it is stored.</summary>
    public ObjectMeta StoredMeta => _inner.Meta;

    /// <summary>Frames decoded so far.</summary>
    internal int FramesDecoded => Volatile.Read(ref _framesDecoded);

    /// <param name="inner">The stored bytes; disposed with the reader, and also when this fails.</param>
    /// <param name="uri">The object, for messages.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="StoreException">InvalidData: it has no seek table, or one that cannot be true. ChecksumMismatch: the table is damaged.</exception>
    public static async ValueTask<CompressedReader> OpenAsync(ObjectReader inner, string uri, CancellationToken cancel)
    {
        try
        {
            long size = inner.Meta.Size;
            var end = new byte[(int)Math.Min(size, FirstTail)];
            await inner.ReadAsync(size - end.Length, end, cancel).ConfigureAwait(false);
            int needed = SeekTable.NeededLength(end, size);
            if (needed > end.Length)
            {
                var whole = new byte[needed];
                end.CopyTo(whole, needed - end.Length);
                await inner.ReadAsync(size - needed, whole.AsMemory(0, needed - end.Length), cancel).ConfigureAwait(false);
                end = whole;
            }
            return new CompressedReader(inner, SeekTable.Parse(end, size), uri);
        }
        catch (CompressionException fault)
        {
            await inner.DisposeAsync().ConfigureAwait(false);
            throw Error(uri, fault);
        }
        catch
        {
            await inner.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    public override async ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (offset < 0 || offset > _table.RawLength - destination.Length)
            throw new StoreException(ErrorKind.InvalidArgument, _uri, $"bytes {offset}..{offset + destination.Length} were asked for, the object has {_table.RawLength} decompressed");
        while (destination.Length > 0)
        {
            int frame = _table.Find(offset);
            if (TryTakeLast(frame, offset, destination.Span, out int known))
            {
                (offset, destination) = (offset + known, destination[known..]);
                continue;
            }
            int length = await ReadFramesAsync(frame, offset, destination, cancel).ConfigureAwait(false);
            (offset, destination) = (offset + length, destination[length..]);
        }
    }

    public override ValueTask DisposeAsync()
    {
        _last = null;
        return _inner.DisposeAsync();
    }

    /// <summary>Fetches frames in a row with one read and decodes them.</summary>
    /// <returns>Bytes of <paramref name="destination"/> filled.</returns>
    async ValueTask<int> ReadFramesAsync(int first, long offset, Memory<byte> destination, CancellationToken cancel)
    {
        int end = first + 1;
        int fetched = _table.StoredLength(first);
        while (end < _table.Count && _table.RawOffset(end) < offset + destination.Length && fetched + (long)_table.StoredLength(end) <= MostFetched)
            fetched += _table.StoredLength(end++);
        byte[] stored = ArrayPool<byte>.Shared.Rent(fetched);
        try
        {
            await _inner.ReadAsync(_table.StoredOffset(first), stored.AsMemory(0, fetched), cancel).ConfigureAwait(false);
            int done = 0;
            for (int i = first; i < end; i++)
            {
                cancel.ThrowIfCancellationRequested();
                var frame = stored.AsSpan((int)(_table.StoredOffset(i) - _table.StoredOffset(first)), _table.StoredLength(i));
                done += Decode(i, frame, offset + done, destination.Span[done..]);
            }
            return done;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(stored);
        }
    }

    int Decode(int frame, ReadOnlySpan<byte> stored, long offset, Span<byte> destination)
    {
        int start = (int)(offset - _table.RawOffset(frame));
        int length = _table.FrameRawLength(frame);
        Interlocked.Increment(ref _framesDecoded);
        try
        {
            if (start == 0 && length <= destination.Length)
            {
                FrameDecoder.Decode(_table, frame, stored, destination[..length]);
                return length;
            }
            // a frame can be checked as a whole only; the next read often wants more of it
            var memory = Interlocked.Exchange(ref _last, null)?.Memory;
            if (memory is null || memory.Length < length)
                memory = GC.AllocateUninitializedArray<byte>(length);
            var bytes = memory.AsSpan(0, length);
            FrameDecoder.Decode(_table, frame, stored, bytes);
            int count = Math.Min(destination.Length, length - start);
            bytes.Slice(start, count).CopyTo(destination);
            Volatile.Write(ref _last, new Decoded(frame, memory));
            return count;
        }
        catch (CompressionException fault)
        {
            // what was decoded so far is not handed out: the caller's memory holds nothing of a damaged frame
            destination[..Math.Min(destination.Length, length)].Clear();
            throw Error(_uri, fault);
        }
    }

    /// <summary>Bytes of the frame that was decoded last. It is taken away while it is read, so that nobody decodes another into its memory.</summary>
    bool TryTakeLast(int frame, long offset, Span<byte> destination, out int count)
    {
        count = 0;
        if (Volatile.Read(ref _last)?.Frame != frame || Interlocked.Exchange(ref _last, null) is not { } last)
            return false;
        if (last.Frame == frame)
        {
            int at = (int)(offset - _table.RawOffset(frame));
            count = Math.Min(destination.Length, _table.FrameRawLength(frame) - at);
            last.Memory.AsSpan(at, count).CopyTo(destination);
        }
        Volatile.Write(ref _last, last);
        return count > 0;
    }

    static StoreException Error(string uri, CompressionException fault) =>
        new(fault.IsDamage ? ErrorKind.ChecksumMismatch : ErrorKind.InvalidData, uri, fault.Message, fault.Offset, fault);

    sealed record Decoded(int Frame, byte[] Memory);
}
