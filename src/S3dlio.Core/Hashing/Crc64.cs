using System.IO.Hashing;

namespace S3dlio.Hashing;

/// <summary>
/// CRC-64/NVME (polynomial AD93D23594C93659, reflected, inverted before and after): what Azure's Blob service compares a body with, and
/// what S3 gives an object that came without a checksum. s3dlio's own checksum is CRC-32C.
/// </summary>
public static class Crc64
{
    static readonly CrcCombination Nvme = new(64, 0x9A6C9329AC4BC9B5);

    /// <summary>The checksum of <paramref name="data"/>.</summary>
    public static ulong Compute(ReadOnlySpan<byte> data) => System.IO.Hashing.Crc64.HashToUInt64(Crc64ParameterSet.Nvme, data);

    /// <summary>
    /// The checksum of the bytes so far, <paramref name="crc"/>, with <paramref name="data"/> after them; 0 is that of no bytes.
    /// </summary>
    public static ulong Append(ulong crc, ReadOnlySpan<byte> data) => Combine(crc, Compute(data), data.Length);

    /// <summary>
    /// The checksum of two ranges of bytes in a row from that of each; <paramref name="secondLength"/> is in bytes, 0 or more.
    /// </summary>
    public static ulong Combine(ulong first, ulong second, long secondLength) => Nvme.Combine(first, second, secondLength);
}
