using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace S3dlio.Compression;

/// <summary>
/// Decodes zstd frames one after the other, as any program wrote them, in bounded memory: libzstd keeps a window of at most 128 MiB and
/// refuses frames that ask for more. For objects without a seek table.
/// </summary>
public sealed class StreamDecoder : IDisposable
{
    /// <summary>Magic number and the longest frame header.</summary>
    public const int MostHeader = 18;

    readonly DecompressionContext _context = Libzstd.Check(Libzstd.CreateDecompression());
    long _skipping;
    bool _inFrame;

    /// <summary>Bytes of the object taken so far.</summary>
    public long Taken { get; private set; }

    /// <summary>Whether every frame so far had its content's hash, which was compared.</summary>
    public bool HasChecksums { get; private set; } = true;

    /// <summary>Whether the object may end here: between two frames, with at least one behind it.</summary>
    public bool IsAtEnd => !_inFrame && _skipping == 0 && Taken > 0;

    /// <summary>Takes bytes and gives what they hold.</summary>
    /// <param name="source">The next bytes; at least <see cref="MostHeader"/> of them, or all that are left.</param>
    /// <param name="target">The output; it can be full before the source is used up.</param>
    /// <exception cref="CompressionException">They are no zstd frames, are damaged, or belong to an object that had a seek
    /// table.</exception>
    public (int Taken, int Given) Decode(ReadOnlySpan<byte> source, Span<byte> target)
    {
        if (_skipping > 0)
        {
            int skipped = (int)Math.Min(_skipping, source.Length);
            _skipping -= skipped;
            Taken += skipped;
            return (skipped, 0);
        }
        if (!_inFrame && Begin(source) is > 0 and int header)
        {
            Taken += header;
            return (header, 0);
        }
        nuint taken = 0, given = 0;
        nuint left = Libzstd.Check(
            Libzstd.DecompressStream(
                _context, ref MemoryMarshal.GetReference(target), (nuint)target.Length, ref given, ref MemoryMarshal.GetReference(source),
                (nuint)source.Length, ref taken),
            reason => new CompressionException(
                $"it cannot be decompressed: {reason}", Taken, isDamage: reason.Contains("checksum", StringComparison.Ordinal)));
        _inFrame = left != 0;
        Taken += (long)taken;
        return ((int)taken, (int)given);
    }

    public void Dispose() => _context.Dispose();

    /// <returns>Bytes of a skippable frame's header, or 0 where a data frame begins.</returns>
    int Begin(ReadOnlySpan<byte> source)
    {
        uint magic = source.Length < 5 ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(source);
        if ((magic & SeekableFormat.SkippableMask) == SeekableFormat.SkippableMagic && source.Length >= SeekableFormat.SkippableHeader)
        {
            bool ours = magic == SeekableFormat.RecordMagic && source.Length >= 14
                && source[8..14].SequenceEqual(SeekableFormat.RecordName);
            if (ours || magic == SeekableFormat.TableMagic)
                throw new CompressionException(
                    "there is a seek table, and the object does not end as one with a seek table does: the bytes are damaged or cut off",
                    Taken, isDamage: true);
            _skipping = BinaryPrimitives.ReadUInt32LittleEndian(source[4..]);
            return SeekableFormat.SkippableHeader;
        }
        if (magic != SeekableFormat.FrameMagic)
            throw new CompressionException(
                "no zstd frame begins here: it is damaged, or not compressed with zstd; decompress=False reads it as it is", Taken);
        // every frame but the last of ours holds exactly so many bytes: cut between two of them it would pass for a whole one
        if (Taken == 0 && Libzstd.FrameContentSize(
                ref MemoryMarshal.GetReference(source), (nuint)source.Length) == SeekableFormat.FrameLength)
            throw new CompressionException(
                "it has no seek table, and its first frame is as s3dlio writes those of objects with one: it is cut off; if another "
                + "program wrote it, unpack it with 'zstd -d'", Taken);
        HasChecksums &= (source[4] & SeekableFormat.FrameChecksumFlag) != 0;
        _inFrame = true;
        return 0;
    }
}
