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

    /// <summary>Decoded frames that are kept, for reads that want parts of them.</summary>
    const int MostKept = 4;

    readonly ObjectReader _inner;
    readonly SeekTable _table;
    readonly string _uri;
    readonly FrameCache _cache;
    int _framesDecoded;

    CompressedReader(ObjectReader inner, SeekTable table, string uri)
    {
        (_inner, _table, _uri) = (inner, table, uri);
        Meta = inner.Meta with { Size = table.RawLength, Checksum = table.Raw, Blocks = null, Digest = null, MayBeMislabelled = false };
        int part = Math.Max(1, inner.Hints.PartSize / SeekableFormat.FrameLength) * SeekableFormat.FrameLength;
        int concurrency = Math.Max(inner.Hints.Concurrency, Environment.ProcessorCount);
        Hints = new TransferHints(part, concurrency, SeekableFormat.FrameLength - 1, SeekableFormat.FrameLength);
        // other programs' frames can be large
        bool small = Enumerable.Range(0, table.Count).All(frame => table.FrameRawLength(frame) <= 2 * SeekableFormat.FrameLength);
        _cache = new FrameCache(small ? Math.Min(concurrency, MostKept) : 1, Tally.Find(uri));
    }

    public override ObjectMeta Meta { get; }

    public override TransferHints Hints { get; }

    /// <summary>The object as it is stored.</summary>
    public ObjectMeta StoredMeta => _inner.Meta;

    /// <summary>Whether every frame is compared with something.</summary>
    internal bool IsChecked => _table.HasChecksums;

    /// <summary>Frames decoded so far.</summary>
    internal int FramesDecoded => Volatile.Read(ref _framesDecoded);

    /// <param name="inner">The stored bytes; disposed with the reader, and also when this fails.</param>
    /// <param name="uri">The object, for messages.</param>
    /// <returns>A reader; a <see cref="SequentialReader"/> where there is no seek table.</returns>
    /// <exception cref="StoreException">InvalidData: the seek table cannot be true. ChecksumMismatch: it is damaged.</exception>
    public static async ValueTask<ObjectReader> OpenAsync(ObjectReader inner, string uri, CancellationToken cancel)
    {
        try
        {
            long size = inner.Meta.Size;
            var end = new byte[(int)Math.Min(size, FirstTail)];
            await inner.ReadAsync(size - end.Length, end, cancel).ConfigureAwait(false);
            if (!SeekTable.IsThere(end))
            {
                var sequential = new SequentialReader(inner, uri);
                await sequential.BeginAsync(cancel).ConfigureAwait(false);
                return sequential;
            }
            int needed = SeekTable.NeededLength(end, size);
            if (needed > end.Length)
            {
                var whole = new byte[needed];
                end.CopyTo(whole, needed - end.Length);
                await inner.ReadAsync(size - needed, whole.AsMemory(0, needed - end.Length), cancel).ConfigureAwait(false);
                end = whole;
            }
            var table = SeekTable.Parse(end, size);
            await CheckEmptyFramesAsync(inner, table, cancel).ConfigureAwait(false);
            return new CompressedReader(inner, table, uri);
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

    public override ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (offset < 0 || offset > _table.RawLength - destination.Length)
            throw StoreException.OutsideObject(_uri, offset, destination.Length, _table.RawLength, " decompressed");
        if (destination.Length == 0)
            return ValueTask.CompletedTask;
        int first = _table.Find(offset), last = _table.Find(offset + destination.Length - 1);
        int begin = _table.RawOffset(first) == offset ? first : first + 1;
        int end = _table.RawOffset(last + 1) == offset + destination.Length ? last + 1 : last;
        if (begin >= end)
            return first == last
                ? PartAsync(first, offset, destination, cancel)
                : EdgesAsync(first, begin, end, offset, destination, cancel);
        return begin == first && end > last
            ? WholeAsync(begin, end, destination, cancel)
            : EdgesAsync(first, begin, end, offset, destination, cancel);
    }

    public override ValueTask DisposeAsync()
    {
        _cache.Clear();
        return _inner.DisposeAsync();
    }

    /// <summary>
    /// Frames that the table calls empty are looked at before any offset is believed: a read of content never touches them.
    /// </summary>
    static async ValueTask CheckEmptyFramesAsync(ObjectReader inner, SeekTable table, CancellationToken cancel)
    {
        for (int first = 0; first < table.Count;)
        {
            if (table.FrameRawLength(first) > 0)
            {
                first++;
                continue;
            }
            // those that follow within one small read are looked at with it
            long begin = table.StoredOffset(first), end = begin + FrameDecoder.EmptyLength(table, first);
            int last = first;
            for (int i = first + 1; i < table.Count && table.StoredOffset(i) - begin <= FirstTail - SeekableFormat.Bound(0); i++)
            {
                if (table.FrameRawLength(i) == 0)
                    (last, end) = (i, table.StoredOffset(i) + FrameDecoder.EmptyLength(table, i));
            }
            var stored = new byte[end - begin];
            await inner.ReadAsync(begin, stored, cancel).ConfigureAwait(false);
            for (int i = first; i <= last; i++)
            {
                if (table.FrameRawLength(i) == 0)
                    FrameDecoder.CheckEmpty(
                        table, i, stored.AsSpan((int)(table.StoredOffset(i) - begin), FrameDecoder.EmptyLength(table, i)));
            }
            first = last + 1;
        }
    }

    /// <summary>A part of a frame, whole frames and a part of another, each with reads of its own under way at once.</summary>
    async ValueTask EdgesAsync(int first, int begin, int end, long offset, Memory<byte> destination, CancellationToken cancel)
    {
        int head = (int)(_table.RawOffset(begin) - offset);
        int whole = (int)(_table.RawOffset(end) - offset);
        var parts = new List<Task>(3);
        if (first < begin)
            parts.Add(PartAsync(first, offset, destination[..head], cancel).AsTask());
        if (begin < end)
            parts.Add(WholeAsync(begin, end, destination[head..whole], cancel).AsTask());
        if (whole < destination.Length)
            parts.Add(PartAsync(_table.Find(offset + whole), offset + whole, destination[whole..], cancel).AsTask());
        // none of them is at work on the caller's memory any more when this ends
        await Task.WhenAll(parts).ConfigureAwait(false);
    }

    /// <summary>
    /// A frame can be checked as a whole only, and the next read often wants more of it: it is decoded beside and kept for a while.
    /// </summary>
    ValueTask PartAsync(int frame, long offset, Memory<byte> destination, CancellationToken cancel) => _cache.CopyAsync(
        frame,
        _table.FrameRawLength(frame),
        (int)(offset - _table.RawOffset(frame)),
        destination,
        (memory, stop) => FetchAsync(frame, frame + 1, memory, stop),
        cancel);

    /// <summary>Frames in a row, straight into their place.</summary>
    async ValueTask WholeAsync(int first, int end, Memory<byte> destination, CancellationToken cancel)
    {
        for (int at = first; at < end;)
        {
            int length = _table.FrameRawLength(at);
            if (length == 0)
            {
                // looked at when the object was opened; a skippable one may be large
                at++;
                continue;
            }
            if (_cache.TryCopy(at, destination.Span[..length]))
            {
                (at, destination) = (at + 1, destination[length..]);
                continue;
            }
            int until = at + 1;
            for (long fetched = _table.StoredLength(at); until < end && _table.FrameRawLength(until) > 0
                    && fetched + _table.StoredLength(until) <= MostFetched; until++)
                fetched += _table.StoredLength(until);
            length = (int)(_table.RawOffset(until) - _table.RawOffset(at));
            await FetchAsync(at, until, destination[..length], cancel).ConfigureAwait(false);
            (at, destination) = (until, destination[length..]);
        }
    }

    /// <summary>Fetches frames in a row with one read and decodes them.</summary>
    async ValueTask FetchAsync(int first, int end, Memory<byte> destination, CancellationToken cancel)
    {
        long start = _table.StoredOffset(first);
        int fetched = (int)(_table.StoredOffset(end) - start);
        byte[] stored = ArrayPool<byte>.Shared.Rent(fetched);
        try
        {
            await _inner.ReadAsync(start, stored.AsMemory(0, fetched), cancel).ConfigureAwait(false);
            for (int i = first; i < end; i++)
            {
                cancel.ThrowIfCancellationRequested();
                var raw = destination.Span[.._table.FrameRawLength(i)];
                Interlocked.Increment(ref _framesDecoded);
                try
                {
                    FrameDecoder.Decode(_table, i, stored.AsSpan((int)(_table.StoredOffset(i) - start), _table.StoredLength(i)), raw);
                }
                catch (CompressionException fault)
                {
                    // what was decoded so far is not handed out: the caller's memory holds nothing of a damaged frame
                    raw.Clear();
                    throw Error(_uri, fault);
                }
                destination = destination[raw.Length..];
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(stored);
        }
    }

    internal static StoreException Error(string uri, CompressionException fault) =>
        new(fault.IsDamage ? ErrorKind.ChecksumMismatch : ErrorKind.InvalidData, uri, fault.Message, fault.Offset, fault);
}
