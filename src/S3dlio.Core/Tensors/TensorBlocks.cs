using S3dlio.Hashing;

namespace S3dlio.Tensors;

/// <summary>A tensor as it was saved, with the checksums of its blocks: by them a part of it is checked without the rest.</summary>
/// <param name="Tensor">What it is; offsets are relative to the data.</param>
/// <param name="Offset">First byte of the tensor in the object.</param>
/// <param name="Checksum">CRC32C of all of them.</param>
/// <param name="BlockLength">Bytes of each block but the last.</param>
/// <param name="Blocks">CRC32C of each block; none of a tensor of one block.</param>
public sealed record TensorBlocks(TensorEntry Tensor, long Offset, Checksum Checksum, int BlockLength, Checksum[] Blocks)
{
    const int LeastLength = 64 << 10;

    /// <summary>A part that needs more than its own bytes needs at most two blocks more: a 128th of the tensor.</summary>
    const int MostBlocks = 256;

    /// <summary>How long the blocks of a tensor of so many bytes are: a power of two.</summary>
    public static int LengthFor(long bytes)
    {
        long length = LeastLength;
        while (length * MostBlocks < bytes)
            length *= 2;
        return (int)Math.Min(length, 1 << 30);
    }
}
