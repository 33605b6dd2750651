using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>Copies a sealed segment to a store, checked by its footer on the way.</summary>
static class SegmentUpload
{
    const int PieceLength = 4 << 20;

    /// <param name="file">The segment.</param>
    /// <param name="footer">Its footer.</param>
    /// <param name="isPunched">True: a part of it was given back, so its checksum is not that of its bytes.</param>
    /// <param name="store">The destination.</param>
    /// <param name="key">Of the object.</param>
    /// <param name="progress">Gets the bytes of each piece.</param>
    /// <param name="cancel">Ends it between two pieces; no object is left then.</param>
    /// <returns>False when the object is there already.</returns>
    /// <exception cref="StoreException">AlreadyExists: an object of another size is there.</exception>
    /// <exception cref="SegmentException">The segment is damaged.</exception>
    public static async ValueTask<bool> PutAsync(
        DiskFile file, SegmentFooter footer, bool isPunched, ObjectStore store, string key, IProgress<long>? progress,
        CancellationToken cancel)
    {
        long length = file.Length;
        if (await store.HeadOrNullAsync(key, cancel).ConfigureAwait(false) is { } there)
        {
            if (there.Size == length)
                return false;
            throw new StoreException(
                ErrorKind.AlreadyExists, store.Root.Child(key),
                $"an object of {there.Size} bytes is there, the segment has {length}: it is no copy of it. Choose another place");
        }
        var writer = await store.OpenWriteAsync(key, new PutOptions { Overwrite = false }, cancel).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            var piece = new byte[(int)Math.Min(length, PieceLength)];
            uint crc = 0;
            for (long at = 0; at < length;)
            {
                int count = file.Read(piece.AsSpan(0, (int)Math.Min(piece.Length, length - at)), at);
                if (count == 0)
                    throw new SegmentException(
                        SegmentFault.Damaged, file.Path, $"it ended at byte {at} while it was read, expected {length}");
                crc = Crc32C.Append(crc, piece.AsSpan(0, (int)Math.Clamp(footer.Offset - at, 0, count)));
                await writer.WriteAsync(piece.AsMemory(0, count), cancel).ConfigureAwait(false);
                progress?.Report(count);
                at += count;
            }
            if (crc != footer.BodyChecksum && !isPunched)
                throw new SegmentException(
                    SegmentFault.Damaged, file.Path,
                    $"the checksum of its bytes is {crc:x8}, its footer says {footer.BodyChecksum:x8}: it is damaged and was not"
                    + " uploaded");
            try
            {
                await writer.CompleteAsync(cancel).ConfigureAwait(false);
            }
            catch (StoreException error) when (error.Kind == ErrorKind.AlreadyExists)
            {
                return false;
            }
        }
        return true;
    }
}
