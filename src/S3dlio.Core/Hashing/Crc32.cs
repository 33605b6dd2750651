namespace S3dlio.Hashing;

/// <summary>
/// CRC-32/ISO-HDLC (polynomial 04C11DB7, reflected, inverted before and after), zlib's: what boto3 gives the objects that it writes.
/// s3dlio's own checksum is CRC-32C.
/// </summary>
public static class Crc32
{
    static readonly CrcCombination Iso = new(32, 0xEDB88320);

    /// <summary>The checksum of <paramref name="data"/>.</summary>
    public static uint Compute(ReadOnlySpan<byte> data) => System.IO.Hashing.Crc32.HashToUInt32(data);

    /// <summary>
    /// The checksum of the bytes so far, <paramref name="crc"/>, with <paramref name="data"/> after them; 0 is that of no bytes.
    /// </summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data) => Combine(crc, Compute(data), data.Length);

    /// <summary>
    /// The checksum of two ranges of bytes in a row from that of each; <paramref name="secondLength"/> is in bytes, 0 or more.
    /// </summary>
    public static uint Combine(uint first, uint second, long secondLength) => (uint)Iso.Combine(first, second, secondLength);
}
