using System.Buffers.Binary;
using System.Runtime.InteropServices;
using S3dlio.Hashing;

namespace S3dlio.Compression;

/// <summary>What the seek table and the record hold of a frame.</summary>
/// <param name="StoredLength">Bytes of the frame.</param>
/// <param name="RawLength">Bytes it holds.</param>
/// <param name="XxHash">Low 32 bits of the XXH64 of the raw bytes.</param>
/// <param name="Stored">CRC32C of the frame.</param>
/// <param name="Raw">CRC32C of the raw bytes.</param>
public readonly record struct FrameInfo(int StoredLength, int RawLength, uint XxHash, Checksum Stored, Checksum Raw);

/// <summary>Makes independent frames at one level. For one thread at a time.</summary>
public sealed class FrameEncoder : IDisposable
{
    /// <summary>From this level on the caller wants every byte saved, whatever it takes.</summary>
    const int PatientLevel = 10;

    const int SampleSlices = 8, SliceLength = 2 << 10, SampleLength = SampleSlices * SliceLength;

    /// <summary>The sample has to shrink by one part in so many: floats of noise save 8 to 11%, weights in bfloat16 some 20%.</summary>
    const int LeastGain = 8;

    readonly CompressionContext _context;
    readonly CompressionContext? _taster;
    readonly byte[]? _sample;
    readonly List<ReadOnlyMemory<byte>> _pieces = [];
    byte[] _room = [];

    /// <exception cref="ArgumentOutOfRangeException">The level is not 1 to 22.</exception>
    public FrameEncoder(int level)
    {
        SeekableFormat.CheckLevel(level);
        _context = Create(level);
        Set(Libzstd.ChecksumFlag, 1);
        if (level < PatientLevel)
        {
            _taster = Create(Libzstd.MinLevel);
            _sample = new byte[SampleLength + (int)Libzstd.CompressBound(SampleLength)];
        }

        void Set(int parameter, int value) => Check(Libzstd.SetParameter(_context, parameter, value));
    }

    /// <summary>
    /// The last frame, in pieces that follow each other; until the next one is made. Data that is stored as it is lies where it lay, so it
    /// must not change before the frame is written.
    /// </summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Frame => _pieces;

    /// <summary>Makes one frame; <see cref="Frame"/> holds it.</summary>
    public FrameInfo Encode(ReadOnlyMemory<byte> raw)
    {
        _pieces.Clear();
        var source = raw.Span;
        if (!IsWorthwhile(source))
        {
            var marks = Room(RawFrame.MarksLength(raw.Length));
            var info = RawFrame.Mark(source, marks.Span);
            RawFrame.Gather(raw, marks, _pieces);
            return info;
        }
        var target = Room((int)Libzstd.CompressBound((nuint)raw.Length)).Span;
        int length = (int)Check(
            Libzstd.Compress(
                _context, ref MemoryMarshal.GetReference(target), (nuint)target.Length, ref MemoryMarshal.GetReference(source),
                (nuint)source.Length));
        var frame = target[..length];
        _pieces.Add(_room.AsMemory(0, length));
        // the encoder took the hash already and put it at the frame's end
        uint hash = BinaryPrimitives.ReadUInt32LittleEndian(frame[^sizeof(uint)..]);
        return new FrameInfo(length, raw.Length, hash, Checksum.Of(frame), Checksum.Of(source));
    }

    public void Dispose()
    {
        _context.Dispose();
        _taster?.Dispose();
    }

    Memory<byte> Room(int length)
    {
        if (_room.Length < length)
            _room = GC.AllocateUninitializedArray<byte>(length);
        return _room.AsMemory(0, length);
    }

    /// <summary>
    /// A cheap look at a block: slices from all over it, compressed quickly. Noise, such as the mantissas of floats, hardly shrinks.
    /// </summary>
    bool IsWorthwhile(ReadOnlySpan<byte> raw)
    {
        if (_taster is null || raw.Length < 2 * SampleLength)
            return true;
        var sample = _sample.AsSpan(0, SampleLength);
        int stride = (raw.Length - SliceLength) / (SampleSlices - 1);
        for (int i = 0; i < SampleSlices; i++)
            raw.Slice(i * stride, SliceLength).CopyTo(sample[(i * SliceLength)..]);
        var scratch = _sample.AsSpan(SampleLength);
        nuint shrunk = Check(
            Libzstd.Compress(
                _taster, ref MemoryMarshal.GetReference(scratch), (nuint)scratch.Length, ref MemoryMarshal.GetReference(sample),
                SampleLength));
        return shrunk <= SampleLength - (SampleLength / LeastGain);
    }

    static CompressionContext Create(int level)
    {
        var context = Libzstd.Check(Libzstd.CreateCompression());
        Check(Libzstd.SetParameter(context, Libzstd.CompressionLevel, level));
        return context;
    }

    static nuint Check(nuint code) => Libzstd.Check(code, static reason => new CompressionException($"zstd cannot compress: {reason}"));
}
