using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>What a read has to match.</summary>
/// <param name="Expected">The checksum the caller demands; null: the one recorded with the object, when there is one.</param>
/// <param name="Validate">False: hand out the bytes unchecked.</param>
/// <param name="Edges">True: a range is read out to the edges of the blocks it begins and ends in, so that all of it is checked.</param>
/// <param name="Required">True: bytes that there is nothing to compare with are refused, and a range is checked by the whole object where nothing smaller is recorded.</param>
public readonly record struct Validation(Checksum? Expected, bool Validate = true, bool Edges = false, bool Required = false)
{
    /// <summary>What is said of an object with which no checksum is kept, where the caller insists on one.</summary>
    internal static StoreException Unknown(string uri) => new(ErrorKind.InvalidData, uri,
        "no checksum is recorded with the object, so nothing can be said of its bytes; give expected_checksum, or read it unchecked with get() or get_range()") { Reason = ErrorReason.NoChecksum };

    /// <summary>Whether there is anything to compare the bytes of the whole object with.</summary>
    public bool Compares(ObjectMeta meta) => Validate && (Expected ?? meta.Checksum) is not null;

    /// <summary>Another program's checksum of the whole object, where it is all there is to compare with.</summary>
    internal ReadCheck? Foreign(ObjectMeta meta) =>
        Validate && Expected is null && meta.Checksum is null && meta.Digest is Digest digest ? new DigestCheck(digest, meta.Size) : null;

    /// <summary>Compares the CRC32C of all bytes of the reader's object.</summary>
    /// <exception cref="StoreException">ChecksumMismatch, naming both values.</exception>
    public async ValueTask CheckAsync(ObjectReader reader, string uri, Checksum found, CancellationToken cancel)
    {
        if (Fits(reader.Meta, found) || (Expected is null && await Mislabelled.IsCrc32Async(reader, reader.Meta, found, uri, cancel).ConfigureAwait(false)))
            return;
        Check(reader.Meta, uri, found);
    }

    /// <summary>The same without another look at the bytes.</summary>
    /// <exception cref="StoreException">ChecksumMismatch, naming both values.</exception>
    public void Check(ObjectMeta meta, string uri, Checksum found)
    {
        if (Fits(meta, found))
            return;
        string whence = Expected is not null ? "expected" : "recorded when it was written";
        string resized = meta.Attributes.TryGetValue("recorded_size", out string? size) ? $" The record is of {size} bytes, the object has {meta.Size}." : "";
        throw new StoreException(ErrorKind.ChecksumMismatch, uri,
            $"checksum mismatch over {meta.Size} bytes: {Expected ?? meta.Checksum} {whence}, {found} found.{resized} The bytes are damaged, or another program changed them in place; validate=False reads them unchecked", 0);
    }

    bool Fits(ObjectMeta meta, Checksum found) => !Validate || (Expected ?? meta.Checksum) is not Checksum expected || expected == found;
}

/// <summary>Whole objects and ranges into memory, checked.</summary>
public static class ObjectRead
{
    /// <summary>Reads a whole object into memory that <paramref name="allocate"/> gives for its size, once more where the object was replaced meanwhile.</summary>
    public static ValueTask<ObjectMeta> WholeAsync(
        ObjectStore store, string key, Func<long, LargeMemory> allocate, Validation validation, ITransferProgress progress, CancellationToken cancel) =>
        WholeAsync(store, key, Decompress.Never, allocate, validation, progress, cancel);

    /// <summary>The same, decompressed where asked for: size, checksum and memory are then those of the raw bytes.</summary>
    public static async ValueTask<ObjectMeta> WholeAsync(
        ObjectStore store, string key, Decompress mode, Func<long, LargeMemory> allocate, Validation validation, ITransferProgress progress, CancellationToken cancel)
    {
        for (int number = 1; ; number++)
        {
            try
            {
                return await WholeOnceAsync(store, key, mode, Replaced.Options(ReadOptions.Default, number), allocate, validation, progress, cancel).ConfigureAwait(false);
            }
            catch (StoreException error) when (Replaced.Is(error))
            {
                if (number == Replaced.Reads)
                    throw Replaced.Final(error);
            }
        }
    }

    static async ValueTask<ObjectMeta> WholeOnceAsync(
        ObjectStore store, string key, Decompress mode, ReadOptions options, Func<long, LargeMemory> allocate, Validation validation, ITransferProgress progress, CancellationToken cancel)
    {
        var reader = await ObjectInput.OpenAsync(store, key, mode, options, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            progress.Begin(reader.Meta.Size);
            string uri = store.Root.Child(reader.Meta.Key);
            var check = await Proof.OfWholeAsync(reader, validation, uri, cancel).ConfigureAwait(false);
            var target = allocate(reader.Meta.Size);
            if (reader.Meta.Size > ObjectStore.BriefLength)
                await Offload.LeaveCallerAsync();
            var found = await ParallelRead.ReadAsync(reader, 0, target, validation.Compares(reader.Meta), check, progress, cancel).ConfigureAwait(false);
            try
            {
                check?.Check(uri);
                await validation.CheckAsync(reader, uri, found, cancel).ConfigureAwait(false);
            }
            catch (StoreException error) when (error.Kind == ErrorKind.ChecksumMismatch)
            {
                reader.Distrust();
                throw;
            }
            return reader.Meta;
        }
    }

    /// <summary>
    /// Reads the range [<paramref name="offset"/>, offset + <paramref name="length"/>); a null length means to the end. A range that reaches
    /// beyond the object is refused: a short answer is how data gets lost silently. The blocks that it holds whole are compared with their
    /// checksums, where those are known.
    /// </summary>
    public static async ValueTask<ObjectMeta> RangeAsync(
        ObjectStore store, string key, Decompress mode, long offset, long? length, Func<long, LargeMemory> allocate, Validation validation, ITransferProgress progress, CancellationToken cancel)
    {
        if (offset < 0 || length < 0)
            throw new StoreException(ErrorKind.InvalidArgument, store.Root.Child(key), $"offset {offset} and length {length} must not be negative");
        var options = new ReadOptions { FirstOffset = offset, FirstLength = length };
        for (int number = 1; ; number++)
        {
            try
            {
                return await RangeOnceAsync(store, key, mode, Replaced.Options(options, number), allocate, validation, progress, cancel).ConfigureAwait(false);
            }
            catch (StoreException error) when (Replaced.Is(error))
            {
                if (number == Replaced.Reads)
                    throw Replaced.Final(error);
            }
        }
    }

    static async ValueTask<ObjectMeta> RangeOnceAsync(
        ObjectStore store, string key, Decompress mode, ReadOptions options, Func<long, LargeMemory> allocate, Validation validation, ITransferProgress progress, CancellationToken cancel)
    {
        string uri = store.Root.Child(key);
        long offset = options.FirstOffset;
        long? length = options.FirstLength;
        var reader = await ObjectInput.OpenAsync(store, key, mode, options, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            long size = reader.Meta.Size;
            if (offset > size || length > size - offset)
                throw new StoreException(ErrorKind.InvalidArgument, uri, $"the range {offset}..{(length is long n ? offset + n : "end")} lies outside the object, which has {size} bytes");
            long count = length ?? size - offset;
            progress.Begin(count);
            bool whole = offset == 0 && count == size;
            var check = whole && reader.Meta.Checksum is not null
                ? null
                : whole && validation.Foreign(reader.Meta) is { } foreign
                    ? foreign
                    : await Proof.OfRangeAsync(store, reader, count, validation, uri, cancel).ConfigureAwait(false);
            var target = allocate(count);
            if (count > ObjectStore.BriefLength)
                await Offload.LeaveCallerAsync();
            bool hash = whole ? validation.Compares(reader.Meta) : validation is { Validate: true, Expected: not null };
            var found = await ParallelRead.ReadAsync(reader, offset, target, hash, check, progress, cancel).ConfigureAwait(false);
            if (check is not null)
                await check.ReadEdgesAsync(reader, offset, offset + count, validation.Edges, cancel).ConfigureAwait(false);
            try
            {
                check?.Check(uri);
                if (whole)
                    await validation.CheckAsync(reader, uri, found, cancel).ConfigureAwait(false);
                else if (validation is { Validate: true, Expected: Checksum demanded } && demanded != found)
                    throw new StoreException(ErrorKind.ChecksumMismatch, uri, $"checksum mismatch over bytes {offset}..{offset + count}: {demanded} expected, {found} found", offset);
            }
            catch (StoreException error) when (error.Kind == ErrorKind.ChecksumMismatch)
            {
                reader.Distrust();
                throw;
            }
            return reader.Meta;
        }
    }
}

/// <summary>Hears how far a transfer is.</summary>
public interface ITransferProgress : IProgress<long>
{
    /// <summary>The total became known, in bytes (or items, for calls over many objects), and nothing of it is done yet.</summary>
    void Begin(long total);
}
