using S3dlio.Hashing;

namespace S3dlio.Transfer;

/// <summary>Hashes what is read of an object in pieces, in any order and from any thread, and judges when all has come.</summary>
abstract class ReadCheck
{
    /// <summary>Takes note of the bytes at <paramref name="offset"/>.</summary>
    /// <returns>Their CRC32C behind that of what came <paramref name="before"/>.</returns>
    public abstract Checksum Append(Checksum before, long offset, ReadOnlySpan<byte> bytes);

    /// <exception cref="Storage.StoreException">ChecksumMismatch.</exception>
    public abstract void Check(string uri);
}
