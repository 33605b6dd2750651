namespace S3dlio.Compression;

/// <summary>Damaged or invalid compressed data. The caller adds which object it is.</summary>
/// <param name="detail">Expected, found, and what to do.</param>
/// <param name="offset">Position in the compressed object.</param>
/// <param name="isDamage">True when a checksum differs: these are not the bytes that were written.</param>
public sealed class CompressionException(string detail, long? offset = null, bool isDamage = false) : Exception(detail)
{
    public long? Offset => offset;

    public bool IsDamage => isDamage;
}
