using S3dlio.Hashing;

namespace S3dlio.Storage;

/// <summary>
/// Servers that give the IEEE CRC-32 of an object as its CRC32C: moto, where Python's package crc32c is missing. The bytes are then
/// compared with what the value is. It counts only where it is exactly the CRC-32 of the very bytes that were read.
/// </summary>
static class MislabelledCrc32
{
    /// <summary>
    /// Whether the recorded checksum is the CRC-32 of the bytes whose CRC32C is <paramref name="found"/>; the object is read once more for
    /// it.
    /// </summary>
    /// <param name="reader">The object.</param>
    /// <param name="meta">What is recorded of it.</param>
    /// <param name="found">Of all bytes that were read.</param>
    /// <param name="uri">Its address.</param>
    public static async ValueTask<bool> IsCrc32Async(
        ObjectReader reader, ObjectMeta meta, Checksum found, string uri, CancellationToken cancel)
    {
        if (!meta.MayBeMislabelled || meta.Checksum is not { } recorded)
            return false;
        uint ieee = 0;
        var again = Checksum.Empty;
        await reader.ReadPiecesAsync(
            0, reader.Meta.Size, (_, piece) => (ieee, again) = (Crc32.Append(ieee, piece.Span), again.Append(piece.Span)), cancel)
            .ConfigureAwait(false);
        if (ieee != recorded.Value || again != found)
            return false;
        Notices.Once(nameof(MislabelledCrc32),
            $"{uri}: the server labels IEEE CRC-32 values as CRC32C, as moto does without the package crc32c; its objects are compared "
            + "with that. Other programs will find such checksums wrong: install crc32c where the server runs");
        return true;
    }
}
