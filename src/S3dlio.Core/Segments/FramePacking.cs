using System.Runtime.InteropServices;
using S3dlio.Compression;
using S3dlio.IO;

namespace S3dlio.Segments;

/// <summary>Makes one zstd frame of a payload, and a payload of such a frame.</summary>
sealed class FramePacking : IDisposable
{
    /// <summary>Bytes of records that one packed frame may hold.</summary>
    public const int MostLength = 64 << 20;

    /// <summary>What becomes less than an eighth smaller stays as it is, so that reading it costs nothing.</summary>
    const int LeastGain = 8;

    readonly CompressionContext _context = Libzstd.Check(Libzstd.CreateCompression());
    byte[] _room = [];

    public FramePacking(int level) => Libzstd.Check(Libzstd.SetParameter(_context, Libzstd.CompressionLevel, level), Failed);

    /// <summary>The packed payload, until the next one is made; empty where it would not be smaller.</summary>
    public ReadOnlyMemory<byte> Pack(ReadOnlySpan<byte> raw)
    {
        if (raw.Length is 0 or > MostLength)
            return default;
        int bound = (int)Libzstd.CompressBound((nuint)raw.Length);
        if (_room.Length < bound)
            _room = new byte[bound];
        int length = (int)Libzstd.Check(
            Libzstd.Compress(
                _context, ref MemoryMarshal.GetReference(_room.AsSpan()), (nuint)bound, ref MemoryMarshal.GetReference(raw),
                (nuint)raw.Length),
            Failed);
        return length <= raw.Length - (raw.Length / LeastGain) && length < raw.Length ? _room.AsMemory(0, length) : default;
    }

    /// <summary>
    /// The payload of a packed frame; null where the frame is damaged. No more is allocated than the file and the table's checked ends say.
    /// </summary>
    public static byte[]? Read(DiskFile file, FrameTable table)
    {
        var stored = new byte[table.Header.PayloadLength];
        if (file.Read(stored, table.PayloadOffset) < stored.Length)
            return null;
        ref byte source = ref MemoryMarshal.GetReference(stored.AsSpan());
        if (table.RawLength > MostLength || Libzstd.FrameContentSize(ref source, (nuint)stored.Length) != (ulong)table.RawLength)
            return null;
        var raw = new byte[table.RawLength];
        using var context = Libzstd.Check(Libzstd.CreateDecompression());
        nuint found =
            Libzstd.Decompress(context, ref MemoryMarshal.GetReference(raw.AsSpan()), (nuint)raw.Length, ref source, (nuint)stored.Length);
        return Libzstd.IsError(found) == 0 && found == (nuint)raw.Length ? raw : null;
    }

    static Exception Failed(string detail) => new InvalidOperationException($"zstd: {detail}");

    public void Dispose() => _context.Dispose();
}
