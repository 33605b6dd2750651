using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using S3dlio.Hashing;

namespace S3dlio.Compression;

/// <summary>Turns frames back, trusting nothing that they say.</summary>
public static class FrameDecoder
{
    static readonly ConcurrentBag<DecompressionContext> Pool = [];

    /// <summary>Bytes of a frame that holds nothing, of a table's claim, that <see cref="CheckEmpty"/> has to see.</summary>
    public static int EmptyLength(SeekTable table, int index) => (int)Math.Min(table.StoredLength(index), SeekableFormat.Bound(0));

    /// <summary>
    /// Looks whether a frame for which the table claims no raw bytes has none: a skippable frame of just that length, or a zstd frame
    /// without content. Every offset behind it rests on that, and no read of content would touch it.
    /// </summary>
    /// <param name="table">The table, which says 0 raw bytes for the frame.</param>
    /// <param name="index">The frame.</param>
    /// <param name="stored">Its first <see cref="EmptyLength"/> bytes.</param>
    /// <exception cref="CompressionException">It holds bytes, or is no frame.</exception>
    public static void CheckEmpty(SeekTable table, int index, ReadOnlySpan<byte> stored)
    {
        int length = table.StoredLength(index);
        uint magic = stored.Length < SeekableFormat.SkippableHeader ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(stored);
        if ((magic & SeekableFormat.SkippableMask) == SeekableFormat.SkippableMagic)
        {
            uint content = BinaryPrimitives.ReadUInt32LittleEndian(stored[sizeof(uint)..]);
            if (content == length - SeekableFormat.SkippableHeader)
                return;
            throw new CompressionException(
                $"frame {index} has {length} bytes according to the seek table, and is a skippable frame of "
                + $"{content + (long)SeekableFormat.SkippableHeader}", table.StoredOffset(index));
        }
        if (length > stored.Length)
            throw new CompressionException(
                $"frame {index} has {length} bytes and holds none according to the seek table; it is no skippable frame",
                table.StoredOffset(index));
        Decode(table, index, stored, []);
    }

    /// <summary>Decodes the frame of that index; <paramref name="raw"/> has exactly the length that the table promises.</summary>
    /// <remarks>
    /// It goes straight to its destination, so neither a window nor a content size that the frame claims makes anything be allocated.
    /// </remarks>
    /// <exception cref="CompressionException">The frame is damaged or not the one that the table describes.</exception>
    public static void Decode(SeekTable table, int index, ReadOnlySpan<byte> stored, Span<byte> raw)
    {
        long offset = table.StoredOffset(index);
        if (table.StoredChecksum(index) is { } recorded && Checksum.Of(stored) is var found && found != recorded)
            throw new CompressionException(
                $"frame {index}, {stored.Length} compressed bytes: {recorded} recorded when it was written, {found} found; the bytes are "
                + "damaged", offset, isDamage: true);
        ref byte source = ref MemoryMarshal.GetReference(stored);
        ulong claimed = Libzstd.FrameContentSize(ref source, (nuint)stored.Length);
        if (claimed == Libzstd.SizeError)
            throw new CompressionException($"frame {index} does not begin as a zstd frame", offset);
        if (claimed != Libzstd.SizeUnknown && claimed != (ulong)raw.Length)
            throw new CompressionException($"frame {index} says it holds {claimed} bytes, the seek table says {raw.Length}", offset);
        if (!Pool.TryTake(out var context))
            context = Libzstd.Check(Libzstd.CreateDecompression());
        nuint length;
        try
        {
            length = Libzstd.Check(
                Libzstd.Decompress(context, ref MemoryMarshal.GetReference(raw), (nuint)raw.Length, ref source, (nuint)stored.Length),
                reason => new CompressionException(
                    $"frame {index} cannot be decompressed: {reason}", offset,
                    isDamage: reason.Contains("checksum", StringComparison.Ordinal)));
        }
        catch
        {
            context.Dispose();
            throw;
        }
        Pool.Add(context);
        if (length != (nuint)raw.Length)
            throw new CompressionException($"frame {index} holds {length} bytes, the seek table says {raw.Length}", offset);
        if (table.XxHash(index) is not { } expected)
            return;
        // what the frame itself carries was compared by the decoder
        uint hash = (stored[4] & SeekableFormat.FrameChecksumFlag) != 0
            ? BinaryPrimitives.ReadUInt32LittleEndian(stored[^sizeof(uint)..])
            : (uint)XxHash64.Compute(raw);
        if (hash != expected)
            throw new CompressionException(
                $"frame {index}: the seek table records the hash {expected:x8} of its bytes, {hash:x8} found", offset, isDamage: true);
    }
}
