using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using S3dlio.Hashing;

namespace S3dlio.Compression;

/// <summary>Turns frames back, trusting nothing that they say.</summary>
public static class FrameDecoder
{
    static readonly ConcurrentBag<DecompressionContext> Pool = [];

    /// <summary>Decodes the frame of that index; <paramref name="raw"/> has exactly the length that the table promises.</summary>
    /// <remarks>It goes straight to its destination, so neither a window nor a content size that the frame claims makes anything be allocated.</remarks>
    /// <exception cref="CompressionException">The frame is damaged or not the one that the table describes.</exception>
    public static void Decode(SeekTable table, int index, ReadOnlySpan<byte> stored, Span<byte> raw)
    {
        long offset = table.StoredOffset(index);
        if (table.StoredChecksum(index) is { } recorded && Checksum.Of(stored) is var found && found != recorded)
            throw new CompressionException($"frame {index}, {stored.Length} compressed bytes: {recorded} recorded when it was written, {found} found; the bytes are damaged", offset, isDamage: true);
        ref byte source = ref MemoryMarshal.GetReference(stored);
        ulong claimed = Libzstd.FrameContentSize(ref source, (nuint)stored.Length);
        if (claimed == Libzstd.SizeError)
            throw new CompressionException($"frame {index} does not begin as a zstd frame", offset);
        if (claimed != Libzstd.SizeUnknown && claimed != (ulong)raw.Length)
            throw new CompressionException($"frame {index} says it holds {claimed} bytes, the seek table says {raw.Length}", offset);
        if (!Pool.TryTake(out var context))
            context = Libzstd.CreateDecompression();
        if (context.IsInvalid)
            throw new CompressionException("there is no memory for decompressing");
        nuint length = Libzstd.Decompress(context, ref MemoryMarshal.GetReference(raw), (nuint)raw.Length, ref source, (nuint)stored.Length);
        if (Libzstd.IsError(length) != 0)
        {
            context.Dispose();
            string reason = Libzstd.Describe(length);
            throw new CompressionException($"frame {index} cannot be decompressed: {reason}", offset, isDamage: reason.Contains("checksum", StringComparison.Ordinal));
        }
        Pool.Add(context);
        if (length != (nuint)raw.Length)
            throw new CompressionException($"frame {index} holds {length} bytes, the seek table says {raw.Length}", offset);
        if (table.XxHash(index) is not { } expected)
            return;
        // what the frame itself carries was compared by the decoder
        uint hash = (stored[4] & SeekableFormat.FrameChecksumFlag) != 0 ? BinaryPrimitives.ReadUInt32LittleEndian(stored[^sizeof(uint)..]) : (uint)XxHash64.Compute(raw);
        if (hash != expected)
            throw new CompressionException($"frame {index}: the seek table records the hash {expected:x8} of its bytes, {hash:x8} found", offset, isDamage: true);
    }
}
