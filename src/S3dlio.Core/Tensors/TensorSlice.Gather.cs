using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using S3dlio.Storage;

namespace S3dlio.Tensors;

public sealed partial class TensorSlice
{
    /// <summary>The byte of the result at which a range's first run goes; with <see cref="SliceRange.IsDirect"/> the range can be
    /// read there and needs no <see cref="Gather(SliceRange, ReadOnlySpan{byte}, Span{byte})"/>.</summary>
    public long ResultOffset(SliceRange range)
    {
        Check(range, range.Length, ResultLength);
        Span<long> index = stackalloc long[axes.Length];
        Locate(range.FirstRun, index, out _, out long result);
        return result;
    }

    /// <summary>Copies a range's runs to their places in the result.</summary>
    /// <param name="range">One of <see cref="Ranges"/>.</param>
    /// <param name="data">The range's bytes.</param>
    /// <param name="result">The whole result, <see cref="ResultLength"/> bytes.</param>
    public void Gather(SliceRange range, ReadOnlySpan<byte> data, Span<byte> result) =>
        Gather(range, data, ref MemoryMarshal.GetReference(result), result.Length);

    /// <summary>The same for a result longer than a span can be.</summary>
    /// <param name="range">One of <see cref="Ranges"/>.</param>
    /// <param name="data">The range's bytes.</param>
    /// <param name="result">The result's first byte.</param>
    /// <param name="resultLength">The result's length, <see cref="ResultLength"/> bytes.</param>
    /// <exception cref="StoreException">InvalidArgument: a range of another slice, or memory that does not fit.</exception>
    public void Gather(SliceRange range, ReadOnlySpan<byte> data, ref byte result, long resultLength)
    {
        Check(range, data.Length, resultLength);
        Span<long> index = stackalloc long[axes.Length];
        Locate(range.FirstRun, index, out long source, out long target);
        source -= range.Offset;
        int last = axes.Length - 1;
        long left = range.RunCount;
        while (left > 0)
        {
            long count = last < 0 ? 1 : Math.Min(left, axes[last].Count - index[last]);
            (long sourceStride, long resultStride) = last < 0 ? (0, 0) : (axes[last].SourceStride, axes[last].ResultStride);
            // the copies below are unchecked, so each loop is checked as a whole
            if (source < 0 || source + (count - 1) * sourceStride + runBytes > data.Length)
                throw FormatFault.Argument(uri, $"expected one of this slice's ranges, found {range}");
            Copy(data, source, sourceStride, ref result, target, resultStride, count);
            left -= count;
            if (left == 0)
                break;

            index[last] += count;
            source += count * sourceStride;
            target += count * resultStride;
            for (int carry = last; carry > 0 && index[carry] == axes[carry].Count; carry--)
            {
                source += axes[carry - 1].SourceStride - index[carry] * axes[carry].SourceStride;
                target += axes[carry - 1].ResultStride - index[carry] * axes[carry].ResultStride;
                index[carry] = 0;
                index[carry - 1]++;
            }
        }
    }

    void Copy(ReadOnlySpan<byte> data, long source, long sourceStride, ref byte result, long target, long resultStride, long count)
    {
        ref byte from = ref Unsafe.Add(ref MemoryMarshal.GetReference(data), (nint)source);
        ref byte to = ref Unsafe.Add(ref result, (nint)target);
        switch (runBytes)
        {
            case 1:
                CopyItems<byte>(ref from, sourceStride, ref to, resultStride, count);
                break;
            case 2:
                CopyItems<ushort>(ref from, sourceStride, ref to, resultStride, count);
                break;
            case 4:
                CopyItems<uint>(ref from, sourceStride, ref to, resultStride, count);
                break;
            case 8:
                CopyItems<ulong>(ref from, sourceStride, ref to, resultStride, count);
                break;
            default:
                // a run lies in data, so its length is an int
                for (long i = 0; i < count; i++)
                {
                    data.Slice((int)(source + i * sourceStride), (int)runBytes)
                        .CopyTo(MemoryMarshal.CreateSpan(ref Unsafe.Add(ref to, (nint)(i * resultStride)), (int)runBytes));
                }
                break;
        }
    }

    static void CopyItems<T>(ref byte from, long sourceStride, ref byte to, long resultStride, long count)
        where T : unmanaged
    {
        for (long i = 0; i < count; i++)
        {
            T item = Unsafe.ReadUnaligned<T>(ref Unsafe.Add(ref from, (nint)(i * sourceStride)));
            Unsafe.WriteUnaligned(ref Unsafe.Add(ref to, (nint)(i * resultStride)), item);
        }
    }

    /// <summary>Loop indices, byte of the tensor and byte of the result of a run.</summary>
    void Locate(long run, Span<long> index, out long source, out long result)
    {
        (source, result) = (sourceBase, resultBase);
        for (int a = axes.Length - 1; a >= 0; a--)
        {
            (run, index[a]) = Math.DivRem(run, axes[a].Count);
            source += index[a] * axes[a].SourceStride;
            result += index[a] * axes[a].ResultStride;
        }
    }

    void Check(SliceRange range, long dataLength, long resultLength)
    {
        if (range.FirstRun < 0 || range.RunCount < 1 || range.RunCount > runCount - range.FirstRun)
            throw FormatFault.Argument(uri, $"expected one of this slice's ranges, found {range}");
        if (dataLength != range.Length)
            throw FormatFault.Argument(uri, $"expected the {range.Length} bytes of the range, found {dataLength}");
        if (resultLength != ResultLength)
            throw FormatFault.Argument(uri, $"expected a result of {ResultLength} bytes, found {resultLength}");
    }
}
