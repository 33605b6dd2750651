namespace S3dlio.Tensors;

/// <summary>What to take of one dimension, in the numbers that Python's <c>slice.indices(n)</c> gives: an index i is taken as
/// <c>DimSlice(i, i + 1, 1)</c>.</summary>
/// <param name="Start">The first index taken.</param>
/// <param name="Stop">The index before which to stop; -1 when a negative step reaches index 0.</param>
/// <param name="Step">The distance from one index to the next, not 0; negative to go backwards.</param>
public readonly record struct DimSlice(long Start, long Stop, long Step)
{
    /// <summary>The whole of a dimension of <paramref name="length"/>.</summary>
    public static DimSlice All(long length) => new(0, length, 1);

    /// <summary>How many indices are taken.</summary>
    public long Count
    {
        get
        {
            if (Step > 0)
                return Start < Stop ? (Stop - Start - 1) / Step + 1 : 0;
            // as unsigned, because the smallest step has no positive twin
            return Start > Stop ? (long)((ulong)(Start - Stop - 1) / (0UL - (ulong)Step)) + 1 : 0;
        }
    }
}
