using S3dlio.Hashing;

namespace S3dlio.Tensors;

/// <summary>A tensor and its place in a safetensors object.</summary>
/// <param name="Name">Its key in the file.</param>
/// <param name="DType">The type of its elements.</param>
/// <param name="Shape">Its dimensions, each ≥ 0; the data is in C order.</param>
/// <param name="Begin">Its first byte, counted from the beginning of the data.</param>
/// <param name="End">The byte after its last.</param>
/// <param name="Checksum">CRC32C of its bytes, if the file was written with checksums.</param>
public sealed record TensorEntry(string Name, DType DType, IReadOnlyList<long> Shape, long Begin, long End, Checksum? Checksum = null)
{
    /// <summary>Bytes of data.</summary>
    public long Length => End - Begin;
}
