namespace S3dlio.Tensors;

/// <summary>A range of a tensor's bytes that is to be read in one go.</summary>
/// <param name="Offset">Its first byte, counted from the tensor's first.</param>
/// <param name="Length">Its bytes, with the gaps between the wanted ones.</param>
/// <param name="FirstRun">The number of its first run: runs are the slice's contiguous pieces, numbered in the order of the file.</param>
/// <param name="RunCount">How many runs lie in it.</param>
public readonly record struct SliceRange(long Offset, long Length, long FirstRun, long RunCount)
{
    /// <summary>True if the range is one run: it can be read straight into the result at <see cref="TensorSlice.ResultOffset"/>.</summary>
    public bool IsDirect => RunCount == 1;
}
