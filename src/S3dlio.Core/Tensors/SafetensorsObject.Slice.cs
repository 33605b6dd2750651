using System.Runtime.InteropServices;
using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Tensors;

public sealed partial class SafetensorsObject
{
    /// <summary>The most bytes of one read that brings several pieces of a slice, and so of the memory each worker holds.</summary>
    const int MaxRange = 4 << 20;

    /// <summary>
    /// Reads a slice of one tensor into C-ordered memory, fetching only the byte ranges it needs. A checksum covers a whole tensor, so the
    /// bytes of a part cannot be checked; the header was.
    /// </summary>
    public async ValueTask ReadSliceAsync(
        int tensor, DimSlice[] slices, LargeMemory target, ITransferProgress progress, CancellationToken cancel)
    {
        var entry = Tensor(tensor);
        var hints = _reader.Hints;
        var plan = TensorSlice.Plan([.. entry.Shape], entry.DType.Bits(), slices, hints.Gap, MaxRange, _uri);
        if (plan.ResultLength != target.Length)
            throw StoreException.InvalidArgument(_uri,
                $"the slice of tensor {MessageText.Quote(entry.Name)} has {plan.ResultLength} bytes, the memory given for it "
                + $"{target.Length}");
        progress.Begin(plan.ResultLength);
        long start = Header.DataOffset + entry.Begin;
        using var ranges = plan.Ranges().GetEnumerator();
        async Task Work(CancellationToken stop)
        {
            byte[]? buffer = null;
            while (TryNext(ranges, out var range))
            {
                stop.ThrowIfCancellationRequested();
                if (range.IsDirect)
                {
                    await DirectAsync(start + range.Offset, target.Part(plan.ResultOffset(range), range.Length), hints.PartSize, stop)
                        .ConfigureAwait(false);
                }
                else
                {
                    buffer ??= GC.AllocateUninitializedArray<byte>((int)Math.Min(MaxRange, entry.Length));
                    var bytes = buffer.AsMemory(0, (int)range.Length);
                    await _reader.ReadAsync(start + range.Offset, bytes, stop).ConfigureAwait(false);
                    Gather(plan, range, bytes.Span, target);
                }
                progress.Report(plan.ResultBytes(range));
            }
        }
        await ParallelWork.RunAsync((int)Math.Min(hints.Concurrency, 1 + plan.ResultLength / MaxRange), Work, cancel).ConfigureAwait(false);
    }

    static bool TryNext(IEnumerator<SliceRange> ranges, out SliceRange range)
    {
        lock (ranges)
        {
            bool more = ranges.MoveNext();
            range = more ? ranges.Current : default;
            return more;
        }
    }

    async ValueTask DirectAsync(long offset, LargeMemory target, int partSize, CancellationToken cancel)
    {
        for (long at = 0; at < target.Length; at += partSize)
        {
            cancel.ThrowIfCancellationRequested();
            await _reader.ReadAsync(
                offset + at, target.Slice(at, (int)Math.Min(partSize, target.Length - at)), cancel).ConfigureAwait(false);
        }
    }

    static void Gather(TensorSlice plan, SliceRange range, ReadOnlySpan<byte> bytes, LargeMemory target)
    {
        // the memory is one piece, so a reference to its first byte reaches all of it
        var first = target.Slice(0, (int)Math.Min(target.Length, int.MaxValue)).Span;
        plan.Gather(range, bytes, ref MemoryMarshal.GetReference(first), target.Length);
    }
}
