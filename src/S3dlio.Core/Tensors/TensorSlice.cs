using S3dlio.Storage;

namespace S3dlio.Tensors;

/// <summary>
/// A slice of a C-ordered tensor as byte ranges to read and a copy into a C-ordered result. The ranges are made while they are
/// enumerated, so a slice of a billion pieces takes no more memory than one of ten.
/// </summary>
/// <remarks>For a Fortran-ordered array reverse the shape and the slices; the result is then Fortran-ordered too.</remarks>
public sealed partial class TensorSlice
{
    readonly Axis[] axes;
    readonly long sourceBase;
    readonly long resultBase;
    readonly long runBytes;
    readonly long runCount;
    readonly long maxGap;
    readonly long maxRange;
    readonly string uri;
    readonly long[] resultShape;

    TensorSlice(Axis[] axes, long sourceBase, long resultBase, long runBytes, long[] resultShape, long resultLength, long maxGap,
        long maxRange, string uri)
    {
        this.axes = axes;
        this.sourceBase = sourceBase;
        this.resultBase = resultBase;
        this.runBytes = runBytes;
        this.maxGap = maxGap;
        this.maxRange = maxRange;
        this.uri = uri;
        this.resultShape = resultShape;
        ResultLength = resultLength;
        runCount = resultLength == 0 ? 0 : resultLength / runBytes;
    }

    /// <summary>The slice's dimensions; those taken by a single index have length 1.</summary>
    public IReadOnlyList<long> ResultShape => resultShape;

    /// <summary>Bytes of the result.</summary>
    public long ResultLength { get; }

    /// <summary>Bytes of the result that a range brings, gaps left out.</summary>
    public long ResultBytes(SliceRange range) => range.RunCount * runBytes;

    /// <summary>Plans the reading of a slice.</summary>
    /// <param name="shape">The tensor's dimensions.</param>
    /// <param name="itemBits">Bits of one element. A tensor of elements smaller than a byte can only be taken whole.</param>
    /// <param name="slices">What to take of each dimension.</param>
    /// <param name="maxGap">Unwanted bytes between two pieces that are rather read than made a request of their own.</param>
    /// <param name="maxRange">The most bytes of a range that holds several pieces, and so of the memory that
    /// <see cref="Gather(SliceRange, ReadOnlySpan{byte}, Span{byte})"/> reads from. A single contiguous piece is one range whatever its
    /// length, since it needs no memory but the result's.</param>
    /// <param name="uri">The object's name, for errors.</param>
    /// <exception cref="StoreException">InvalidArgument: slices that do not fit the shape, or a shape beyond 63 bits.</exception>
    public static TensorSlice Plan(
        ReadOnlySpan<long> shape, int itemBits, ReadOnlySpan<DimSlice> slices, long maxGap, long maxRange, string uri)
    {
        if (itemBits < 1)
            throw FormatFault.Argument(uri, $"expected elements of 1 bit or more, found {itemBits}");
        if (maxGap < 0 || maxRange < 1)
            throw FormatFault.Argument(uri, $"expected a gap of 0 or more and a range of 1 or more bytes, found {maxGap} and {maxRange}");
        CheckSlices(shape, slices, uri);
        long bits = CheckedBits(shape, itemBits, uri);
        if (itemBits % 8 != 0)
            return PlanWhole(shape, itemBits, slices, bits, maxGap, maxRange, uri);

        int itemSize = itemBits / 8;
        long[] resultShape = new long[shape.Length];
        for (int d = 0; d < shape.Length; d++)
            resultShape[d] = slices[d].Count;
        if (resultShape.Contains(0))
            return new TensorSlice([], 0, 0, itemSize, resultShape, 0, maxGap, maxRange, uri);

        // from the innermost dimension outwards; kept is reversed in the end
        var kept = new List<Axis>();
        long sourceStride = itemSize, resultStride = itemSize, sourceBase = 0, resultBase = 0;
        for (int d = shape.Length - 1; d >= 0; d--)
        {
            (long start, long step, long count) = (slices[d].Start, slices[d].Step, resultShape[d]);
            // backwards in the tensor is the same as backwards in the result, and reading goes forwards
            long lowest = step < 0 ? start + (count - 1) * step : start;
            sourceBase += lowest * sourceStride;
            if (count > 1)
            {
                var axis = new Axis(count, Math.Abs(step) * sourceStride, step < 0 ? -resultStride : resultStride);
                if (step < 0)
                    resultBase += (count - 1) * resultStride;
                if (kept.Count > 0 && kept[^1].Continues(axis))
                    kept[^1] = kept[^1] with { Count = kept[^1].Count * count };
                else
                    kept.Add(axis);
            }
            sourceStride *= shape[d];
            resultStride *= count;
        }

        long runBytes = itemSize;
        if (kept.Count > 0 && kept[0].SourceStride == itemSize && kept[0].ResultStride == itemSize)
        {
            runBytes = kept[0].Count * itemSize;
            kept.RemoveAt(0);
        }
        kept.Reverse();
        return new TensorSlice(kept.ToArray(), sourceBase, resultBase, runBytes, resultShape, resultStride, maxGap, maxRange, uri);
    }

    static TensorSlice PlanWhole(
        ReadOnlySpan<long> shape, int itemBits, ReadOnlySpan<DimSlice> slices, long bits, long maxGap, long maxRange, string uri)
    {
        for (int d = 0; d < shape.Length; d++)
        {
            if (slices[d].Count != shape[d] || (shape[d] > 1 && slices[d].Step != 1))
                throw FormatFault.Argument(
                    uri, $"expected a tensor of {itemBits}-bit elements to be taken whole, found a slice of dimension {d}; read all of it "
                    + "and slice in memory");
        }
        if (bits % 8 != 0)
            throw FormatFault.Argument(uri, $"expected a whole number of bytes, found {bits} bits");
        return new TensorSlice([], 0, 0, Math.Max(1, bits / 8), shape.ToArray(), bits / 8, maxGap, maxRange, uri);
    }

    static void CheckSlices(ReadOnlySpan<long> shape, ReadOnlySpan<DimSlice> slices, string uri)
    {
        if (slices.Length != shape.Length)
            throw FormatFault.Argument(uri, $"expected one slice for each of {shape.Length} dimensions, found {slices.Length}");
        for (int d = 0; d < shape.Length; d++)
        {
            (long start, long stop, long step) = slices[d];
            bool fits = step > 0
                ? start >= 0 && start <= shape[d] && stop >= 0 && stop <= shape[d]
                : step < 0 && start >= -1 && start < shape[d] && stop >= -1 && stop < shape[d];
            if (!fits)
                throw FormatFault.Argument(
                    uri, $"expected slice.indices of dimension {d}, which has length {shape[d]}, found start {start}, stop {stop}, step "
                    + $"{step}");
        }
    }

    /// <summary>The tensor's bits; an overflow counts even beside a dimension of 0, as it does when the header is read.</summary>
    static long CheckedBits(ReadOnlySpan<long> shape, int itemBits, string uri)
    {
        long bits = itemBits;
        foreach (long n in shape)
        {
            if (n < 0)
                throw FormatFault.Argument(uri, $"expected dimensions of 0 or more, found the shape {FormatFault.ShapeText(shape)}");
            if (n > 0 && bits > long.MaxValue / n)
                throw FormatFault.Argument(
                    uri, $"expected fewer than 2^63 bits, found the shape {FormatFault.ShapeText(shape)} of {itemBits}-bit elements");
            bits *= n;
        }
        return bits;
    }

    /// <summary>One loop of the copy, outermost first. Source strides are positive and each is at least the extent of all axes
    /// inside it, so the loops meet the tensor's bytes in rising order.</summary>
    /// <param name="Count">Steps of the loop, at least 2.</param>
    /// <param name="SourceStride">Bytes from one step to the next in the tensor.</param>
    /// <param name="ResultStride">Bytes from one step to the next in the result; negative where the slice goes backwards.</param>
    readonly record struct Axis(long Count, long SourceStride, long ResultStride)
    {
        /// <summary>True if this axis inside <paramref name="outer"/> is one longer loop.</summary>
        internal bool Continues(Axis outer) =>
            outer.SourceStride == Count * SourceStride && outer.ResultStride == Count * ResultStride;
    }
}
