using System.Globalization;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Checkpoint;

/// <summary>
/// The checksums of the original: IEEE CRC-32s under the label <c>crc32c:</c>. Both are computed, and the value has to be one of them; a
/// later release of the original may have mended it.
/// </summary>
/// <param name="Ieee">What it computes.</param>
/// <param name="Castagnoli">What it says.</param>
public readonly record struct LegacyChecksum(uint Ieee, Checksum Castagnoli)
{
    const int Piece = 1 << 20;

    public static LegacyChecksum Of(LargeMemory bytes)
    {
        var found = default(LegacyChecksum);
        for (long at = 0; at < bytes.Length; at += Piece)
            found = found.Append(bytes.Slice(at, (int)Math.Min(Piece, bytes.Length - at)).Span);
        return found;
    }

    public LegacyChecksum Append(ReadOnlySpan<byte> bytes) => new(Crc32.Append(Ieee, bytes), Castagnoli.Append(bytes));

    /// <exception cref="StoreException">ChecksumMismatch: it is neither.</exception>
    public static VerifiedBy Check(Checksum recorded, LegacyChecksum found, long length, string uri) =>
        recorded.Value == found.Ieee ? VerifiedBy.IeeeCrc32
        : recorded == found.Castagnoli ? VerifiedBy.Crc32C
        : throw new StoreException(ErrorKind.ChecksumMismatch, uri, string.Create(CultureInfo.InvariantCulture,
            $"checksum mismatch over {length} bytes: {recorded} recorded by the original library, which labels IEEE CRC-32s as CRC32Cs; "
            + $"found are the CRC-32 {found.Ieee:x8} and the CRC32C {found.Castagnoli.ToHex()}. The bytes are damaged"));
}
