using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// Verifies the bytes of one read. Made from a <see cref="Validation"/> and what is recorded with the object, it decides what they are
/// compared with: the CRC32C of the object or of the range, the checksums of the object's blocks, or another program's digest. The reader
/// appends bytes in any order and from any thread, and completes the verification before it hands them out.
/// </summary>
sealed class ReadVerification
{
    /// <summary>Takes CRC32C values for the caller to compare.</summary>
    public static readonly ReadVerification HashOnly = new(null, default, "", null, whole: false, hashes: true);

    readonly ObjectReader? _reader;
    readonly Validation _validation;
    readonly string _uri;
    readonly PieceVerifier? _pieces;
    readonly bool _whole;

    ReadVerification(ObjectReader? reader, Validation validation, string uri, PieceVerifier? pieces, bool whole, bool hashes)
    {
        (_reader, _validation, _uri, _pieces, _whole, Hashes) = (reader, validation, uri, pieces, whole, hashes);
    }

    /// <summary>Whether <see cref="Append"/> returns CRC32C values that mean something.</summary>
    public bool Hashes { get; }

    /// <summary>Whether the verification needs the offset of each piece, beside the CRC32C of all bytes.</summary>
    public bool NeedsPieces => _pieces is not null;

    /// <summary>Verifies a whole object.</summary>
    /// <exception cref="StoreException">InvalidData: the caller requires a checksum, and none is recorded.</exception>
    public static async ValueTask<ReadVerification> OfWholeAsync(
        ObjectReader reader, Validation validation, string uri, CancellationToken cancel)
    {
        PieceVerifier? pieces = DigestOf(reader.Meta, validation);
        bool hashes = Compares(validation, reader.Meta);
        if (pieces is null && validation.Required && !hashes && !IsVerifiedByReader(reader))
            pieces = await BlocksAsync(reader, cancel).ConfigureAwait(false) ?? throw Unknown(uri);
        return new ReadVerification(reader, validation, uri, pieces, whole: true, hashes);
    }

    /// <summary>Verifies a whole object against what is recorded with it, where that takes no request.</summary>
    public static ReadVerification OfRecorded(ObjectReader reader, string uri)
    {
        var validation = new Validation(null);
        return new ReadVerification(
            reader, validation, uri, DigestOf(reader.Meta, validation), whole: true, Compares(validation, reader.Meta));
    }

    /// <summary>
    /// Verifies the range of <paramref name="count"/> bytes at <paramref name="offset"/>. The checksums of blocks can take a request; it is
    /// sent for large ranges only, or where the caller wants all bytes verified.
    /// </summary>
    /// <exception cref="StoreException">InvalidData: the caller requires a checksum, and none is recorded.</exception>
    public static async ValueTask<ReadVerification> OfRangeAsync(
        ObjectStore store, ObjectReader reader, long offset, long count, Validation validation, string uri, CancellationToken cancel)
    {
        bool whole = offset == 0 && count == reader.Meta.Size;
        PieceVerifier? pieces = null;
        if (!whole || reader.Meta.Checksum is null)
        {
            pieces = whole ? DigestOf(reader.Meta, validation) : null;
            pieces ??= await RangePiecesAsync(store, reader, count, validation, uri, cancel).ConfigureAwait(false);
        }
        bool hashes = whole ? Compares(validation, reader.Meta) : validation is { Validate: true, Expected: not null };
        return new ReadVerification(reader, validation, uri, pieces, whole, hashes);
    }

    /// <summary>Verifies several parts of an object that has no checksums of them: the rest of the object is read as well.</summary>
    /// <exception cref="StoreException">InvalidData: no checksum is recorded.</exception>
    public static async ValueTask<ReadVerification> OfPartsAsync(
        ObjectReader reader, Validation validation, string uri, CancellationToken cancel)
    {
        PieceVerifier? pieces = null;
        if (!IsVerifiedByReader(reader))
        {
            pieces = reader.Meta.Checksum is { } recorded
                ? new ObjectVerifier(recorded, reader.Meta, uri)
                : DigestOf(reader.Meta, validation) ?? (PieceVerifier?)await BlocksAsync(reader, cancel).ConfigureAwait(false)
                ?? throw Unknown(uri);
        }
        return new ReadVerification(reader, validation, uri, pieces, whole: false, hashes: false);
    }

    /// <summary>Takes in the bytes at <paramref name="offset"/>.</summary>
    /// <returns>The CRC32C of the bytes before, continued over these.</returns>
    public Checksum Append(Checksum before, long offset, ReadOnlySpan<byte> bytes) =>
        _pieces is not null ? _pieces.Append(before, offset, bytes) : Hashes ? before.Append(bytes) : before;

    /// <summary>Compares what was read.</summary>
    /// <param name="begin">First byte of the range that was appended.</param>
    /// <param name="end">The byte behind it. Where the whole object is verified, the bytes from here on are read for their
    /// checksum.</param>
    /// <param name="found">CRC32C of the range; not used where <see cref="Hashes"/> is false.</param>
    /// <exception cref="StoreException">ChecksumMismatch.</exception>
    public async ValueTask CompleteAsync(long begin, long end, Checksum found, CancellationToken cancel)
    {
        if (_pieces is not null)
        {
            await _pieces.ReadEdgesAsync(_reader!, begin, end, _whole || _validation.Edges, cancel).ConfigureAwait(false);
            _pieces.Check(_uri);
        }
        if (!Hashes)
            return;
        if (!_whole)
            CheckRange(_uri, begin, end - begin, _validation.Expected, found);
        else
            await CheckWholeAsync(await AppendRestAsync(found, end, cancel).ConfigureAwait(false), cancel).ConfigureAwait(false);
    }

    /// <summary>Compares what was read of several ranges, with the rest of the object where that is needed.</summary>
    /// <param name="from">All bytes before this one were appended.</param>
    /// <param name="ranges">What was appended behind it, in any order.</param>
    /// <param name="found">CRC32C of the object; not used where <see cref="Hashes"/> is false.</param>
    /// <exception cref="StoreException">ChecksumMismatch.</exception>
    public async ValueTask CompleteAsync(long from, IEnumerable<LargeReadRange> ranges, Checksum found, CancellationToken cancel)
    {
        if (_pieces is not null)
        {
            await _pieces.ReadRestAsync(_reader!, from, ranges, cancel).ConfigureAwait(false);
            _pieces.Check(_uri);
        }
        if (Hashes)
            await CheckWholeAsync(found, cancel).ConfigureAwait(false);
    }

    /// <summary>Compares the CRC32C of a range.</summary>
    /// <param name="uri">The object.</param>
    /// <param name="offset">First byte of the range.</param>
    /// <param name="length">Bytes in the range.</param>
    /// <param name="expected">The expected CRC32C; null compares nothing.</param>
    /// <param name="found">CRC32C of the bytes.</param>
    /// <exception cref="StoreException">ChecksumMismatch.</exception>
    public static void CheckRange(string uri, long offset, long length, Checksum? expected, Checksum found)
    {
        if (expected is { } demanded && demanded != found)
            throw StoreException.ChecksumMismatch(uri,
                $"checksum mismatch over bytes {offset}..{offset + length}: {demanded} expected, {found} found", offset);
    }

    static bool Compares(Validation validation, ObjectMeta meta) =>
        validation.Validate && (validation.Expected ?? meta.Checksum) is not null;

    static DigestVerifier? DigestOf(ObjectMeta meta, Validation validation) =>
        validation is { Validate: true, Expected: null } && meta.Checksum is null && meta.Digest is { } digest
            ? new DigestVerifier(digest, meta.Size)
            : null;

    static async ValueTask<PieceVerifier?> RangePiecesAsync(
        ObjectStore store, ObjectReader reader, long count, Validation validation, string uri, CancellationToken cancel)
    {
        if (!validation.Validate)
            return null;
        bool asks = reader.Meta.Blocks is null && (validation.Edges || (count > 0 && count >= reader.Hints.PartSize));
        if (count > 0 || validation.Required)
        {
            var blocks = asks || reader.Meta.Blocks is not null ? await BlocksAsync(reader, cancel).ConfigureAwait(false) : null;
            if (blocks is not null)
                return blocks;
        }
        if (!validation.Required || validation.Expected is not null || IsVerifiedByReader(reader))
            return null;
        var meta = reader.Meta;
        if (meta.Checksum is null && meta.Digest is null)
        {
            // S3 sends the checksum with the whole object, not with a range
            var whole = await store.HeadAsync(meta.Key, cancel).ConfigureAwait(false);
            meta = whole.ETag == meta.ETag && whole.Size == meta.Size ? whole : meta;
        }
        return meta.Checksum is { } recorded ? new ObjectVerifier(recorded, meta, uri) : DigestOf(meta, validation) ?? throw Unknown(uri);
    }

    static async ValueTask<BlockVerifier?> BlocksAsync(ObjectReader reader, CancellationToken cancel)
    {
        var blocks = await reader.FindBlocksAsync(cancel).ConfigureAwait(false);
        return blocks is not null && blocks.Size == reader.Meta.Size ? new BlockVerifier(blocks) : null;
    }

    /// <summary>Whether the reader itself compares what it decodes.</summary>
    static bool IsVerifiedByReader(ObjectReader reader) =>
        reader is CompressedReader { IsChecked: true } or SequentialReader { IsChecked: true };

    static StoreException Unknown(string uri) => new(ErrorKind.InvalidData, uri,
        "no checksum is recorded with the object, so nothing can be said of its bytes; give expected_checksum, or read it unchecked with "
        + "get() or get_range()")
    { Reason = ErrorReason.NoChecksum };

    async ValueTask CheckWholeAsync(Checksum found, CancellationToken cancel)
    {
        var meta = _reader!.Meta;
        if ((_validation.Expected ?? meta.Checksum) == found)
            return;
        if (_validation.Expected is null && await MislabelledCrc32.IsCrc32Async(_reader, meta, found, _uri, cancel).ConfigureAwait(false))
            return;
        throw Mismatch(meta, _uri, _validation.Expected, found);
    }

    /// <summary>The error for a whole object whose CRC32C is another than the expected or the recorded one.</summary>
    internal static StoreException Mismatch(ObjectMeta meta, string uri, Checksum? expected, Checksum found)
    {
        string source = expected is not null ? "expected" : "recorded when it was written";
        string resized = meta.Attributes.TryGetValue("recorded_size", out string? size)
            ? $" The record is of {size} bytes, the object has {meta.Size}."
            : "";
        return StoreException.ChecksumMismatch(uri,
            $"checksum mismatch over {meta.Size} bytes: {expected ?? meta.Checksum} {source}, {found} found.{resized} The bytes are "
            + "damaged, or another program changed them in place; validate=False reads them unchecked", 0);
    }

    /// <summary>
    /// Reads what lies behind the bytes that the caller wanted: a file of np.save can hold several arrays, and the checksum is of all.
    /// </summary>
    ValueTask<Checksum> AppendRestAsync(Checksum found, long from, CancellationToken cancel) =>
        from >= _reader!.Meta.Size ? new(found) : ReadRestAsync(found, from, cancel);

    async ValueTask<Checksum> ReadRestAsync(Checksum found, long from, CancellationToken cancel)
    {
        await _reader!.ReadPiecesAsync(from, _reader.Meta.Size, (_, piece) => found = found.Append(piece.Span), cancel)
            .ConfigureAwait(false);
        return found;
    }
}
