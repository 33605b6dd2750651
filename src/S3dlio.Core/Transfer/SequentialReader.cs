using S3dlio.Compression;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// A compressed object without a seek table, such as the zstd program makes, as its raw bytes. It is decoded from the front: reads go
/// forward, one that goes back starts over, and how long it is shows at its end. Reads take turns.
/// </summary>
public sealed class SequentialReader : ObjectReader
{
    /// <summary>Compressed bytes fetched with one read.</summary>
    const int MostFetched = 4 << 20;

    const int ScratchLength = 1 << 20;

    /// <summary>
    /// What <see cref="MeasureAsync"/> lets pass whatever it grew from, and how many times the object's size beyond that: who wants all of
    /// an object in memory at once should not be surprised by what a few bytes become.
    /// </summary>
    const long FreeLength = 256 << 20, MostRatio = 1024;

    readonly SemaphoreSlim _turn = new(1, 1);
    readonly ObjectReader _inner;
    readonly string _uri;
    readonly byte[] _input;
    StreamDecoder? _decoder;
    ReadVerification _verification;
    byte[]? _scratch;
    int _begin, _end;
    long _fetched, _at;
    Checksum _stored;
    ObjectMeta _meta;

    /// <param name="inner">The stored bytes; disposed with the reader.</param>
    /// <param name="uri">The object, for messages.</param>
    internal SequentialReader(ObjectReader inner, string uri)
    {
        (_inner, _uri) = (inner, uri);
        _verification = ReadVerification.OfRecorded(inner, uri);
        _meta = inner.Meta with { Size = UnknownSize, Checksum = null, Blocks = null, Digest = null, MayBeMislabelled = false };
        _input = GC.AllocateUninitializedArray<byte>((int)Math.Clamp(inner.Meta.Size, StreamDecoder.MostHeader, MostFetched));
    }

    /// <summary>What <see cref="Meta"/> says of the size before the end was seen.</summary>
    public const long UnknownSize = -1;

    public override ObjectMeta Meta => _meta;

    public override TransferHints Hints => new(MostFetched, Concurrency: 1);

    /// <summary>The object as it is stored.</summary>
    public ObjectMeta StoredMeta => _inner.Meta;

    /// <summary>Whether the bytes read so far were compared with something that is kept in the object or with it.</summary>
    internal bool IsChecked =>
        _inner.Meta.Checksum is not null || _inner.Meta.Digest is not null || _decoder is null or { HasChecksums: true };

    /// <summary>Looks at the object's first bytes, so that what is no zstd frame is told at once.</summary>
    internal async ValueTask BeginAsync(CancellationToken cancel)
    {
        Restart();
        await FetchAsync(cancel).ConfigureAwait(false);
        _begin += Decode(_decoder!, []).Taken;
    }

    /// <summary>Reads to the end, so that the size is known, and everything is compared with what there is to compare it with.</summary>
    /// <exception cref="StoreException">InvalidData: it is damaged, or becomes more than anybody can want in memory unasked.</exception>
    public async ValueTask MeasureAsync(CancellationToken cancel)
    {
        long most = Math.Max(FreeLength, MostRatio * Math.Min(_inner.Meta.Size, long.MaxValue / MostRatio));
        if (_meta.Size != UnknownSize)
            return;
        await ReadSomeAsync(most + 1, Memory<byte>.Empty, cancel).ConfigureAwait(false);
        if (_meta.Size == UnknownSize)
            throw StoreException.InvalidData(_uri,
                $"decompressed it has more than {most} bytes, from {_inner.Meta.Size}: it is not read into memory as a whole; read it as a "
                + "stream with open(), or unpack it with 'zstd -d'");
    }

    public override async ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        int count = await ReadSomeAsync(offset, destination, cancel).ConfigureAwait(false);
        if (count < destination.Length)
            throw StoreException.OutsideObject(_uri, offset, destination.Length, _meta.Size, " decompressed");
    }

    /// <summary>Reads from that place on, fewer bytes than asked for at the end only.</summary>
    public async ValueTask<int> ReadSomeAsync(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        await _turn.WaitAsync(cancel).ConfigureAwait(false);
        try
        {
            if (offset < _at || _decoder is null)
                Restart();
            _scratch ??= offset > _at ? GC.AllocateUninitializedArray<byte>(ScratchLength) : null;
            while (_at < offset)
            {
                if (await StepAsync(_scratch.AsMemory(0, (int)Math.Min(ScratchLength, offset - _at)), cancel).ConfigureAwait(false) == 0)
                    return 0;
            }
            int done = 0;
            while (done < destination.Length && await StepAsync(destination[done..], cancel).ConfigureAwait(false) is > 0 and int count)
                done += count;
            return done;
        }
        catch
        {
            // where it stands is not certain any more: the next read starts over
            _decoder?.Dispose();
            _decoder = null;
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    public override async ValueTask DisposeAsync()
    {
        _decoder?.Dispose();
        _decoder = null;
        await _inner.DisposeAsync().ConfigureAwait(false);
    }

    void Restart()
    {
        _decoder?.Dispose();
        _decoder = new StreamDecoder();
        _verification = ReadVerification.OfRecorded(_inner, _uri);
        (_begin, _end, _fetched, _at, _stored) = (0, 0, 0, 0, Checksum.Empty);
    }

    /// <returns>Bytes given, at least one; 0 at the object's end, when everything was compared.</returns>
    async ValueTask<int> StepAsync(Memory<byte> target, CancellationToken cancel)
    {
        var decoder = _decoder!;
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            if (_end - _begin < StreamDecoder.MostHeader && _fetched < _inner.Meta.Size)
                await FetchAsync(cancel).ConfigureAwait(false);
            bool isLast = _begin == _end && _fetched == _inner.Meta.Size;
            if (isLast && decoder.IsAtEnd)
            {
                await _verification.CompleteAsync(0, _fetched, _stored, cancel).ConfigureAwait(false);
                _meta = _meta with { Size = _at };
                return 0;
            }
            var (taken, given) = Decode(decoder, target.Span);
            _begin += taken;
            _at += given;
            if (given > 0)
                return given;
            if (isLast && taken == 0)
                throw StoreException.InvalidData(_uri, "it ends within a zstd frame: it is cut off", decoder.Taken);
        }
    }

    (int Taken, int Given) Decode(StreamDecoder decoder, Span<byte> target)
    {
        try
        {
            return decoder.Decode(_input.AsSpan(_begin, _end - _begin), target);
        }
        catch (CompressionException fault)
        {
            throw CompressedReader.Error(_uri, fault);
        }
    }

    async ValueTask FetchAsync(CancellationToken cancel)
    {
        _input.AsSpan(_begin, _end - _begin).CopyTo(_input);
        (_begin, _end) = (0, _end - _begin);
        var free = _input.AsMemory(_end, (int)Math.Min(_input.Length - _end, _inner.Meta.Size - _fetched));
        await _inner.ReadAsync(_fetched, free, cancel).ConfigureAwait(false);
        _stored = _verification.Append(_stored, _fetched, free.Span);
        _end += free.Length;
        _fetched += free.Length;
    }
}
