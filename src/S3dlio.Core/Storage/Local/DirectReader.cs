using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

/// <summary>
/// Reads past the page cache. Whole blocks go straight into aligned memory of the caller; everything else through an aligned buffer.
/// </summary>
sealed class DirectReader(string uri, SafeFileHandle handle, ObjectMeta meta, FileAttributeRecord record, int alignment)
    : LocalReader(uri, handle, meta, record)
{
    public override TransferHints Hints => new(PartSize: AlignedBuffer.BlockLength, Concurrency: 4);

    protected override void Fill(long offset, Memory<byte> destination, CancellationToken cancel)
    {
        using var pin = destination.Pin();
        if (offset % alignment == 0 && AlignedBuffer.IsAligned(pin))
        {
            int whole = AlignedBuffer.RoundDown(destination.Length, alignment);
            while (whole > 0)
            {
                cancel.ThrowIfCancellationRequested();
                // a count that is no multiple can only be the file's end, which lies past a whole block only when the file shrank
                int count = ReadOnce(offset, destination.Span[..Math.Min(whole, AlignedBuffer.BlockLength)]);
                if (count % alignment != 0)
                    throw Shrunk(offset + count);
                destination = destination[count..];
                offset += count;
                whole -= count;
            }
        }
        if (destination.Length > 0)
            FillThroughBuffer(offset, destination.Span, cancel);
    }

    void FillThroughBuffer(long offset, Span<byte> destination, CancellationToken cancel)
    {
        var buffer = AlignedBuffer.Rent();
        try
        {
            while (destination.Length > 0)
            {
                cancel.ThrowIfCancellationRequested();
                long start = offset / alignment * alignment;
                int skip = (int)(offset - start);
                int wanted = (int)Math.Min(buffer.Length, AlignedBuffer.RoundUp((long)skip + destination.Length, alignment));
                int count = ReadOnce(start, buffer.GetSpan()[..wanted]) - skip;
                if (count <= 0)
                    throw Shrunk(start + skip + count);
                count = Math.Min(count, destination.Length);
                buffer.GetSpan().Slice(skip, count).CopyTo(destination);
                destination = destination[count..];
                offset += count;
            }
        }
        finally
        {
            buffer.Return();
        }
    }
}
