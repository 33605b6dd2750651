using System.Runtime.InteropServices;
using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Datasets;

/// <summary>An array of a section file while it grows: pieces of memory, none of which is copied when more comes.</summary>
/// <param name="name">Its name in the header.</param>
/// <param name="type">u8, u32, u64 or i64.</param>
public sealed class SectionArray(string name, string type)
{
    const int PieceLength = 1 << 20;

    readonly List<byte[]> _pieces = [];
    int _used = PieceLength;

    public string Name => name;

    public string Type => type;

    /// <summary>Bytes in it.</summary>
    public long Length => ((long)_pieces.Count * PieceLength) - (PieceLength - _used);

    /// <summary>CRC32C of its bytes.</summary>
    public Checksum Checksum
    {
        get
        {
            var found = Checksum.Empty;
            foreach (var piece in Pieces)
                found = found.Append(piece.Span);
            return found;
        }
    }

    /// <summary>Its bytes in order.</summary>
    public IEnumerable<ReadOnlyMemory<byte>> Pieces
    {
        get
        {
            for (int i = 0; i < _pieces.Count; i++)
                yield return _pieces[i].AsMemory(0, i == _pieces.Count - 1 ? _used : PieceLength);
        }
    }

    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_used == PieceLength)
            {
                _pieces.Add(GC.AllocateUninitializedArray<byte>(PieceLength));
                _used = 0;
            }
            int now = Math.Min(bytes.Length, PieceLength - _used);
            bytes[..now].CopyTo(_pieces[^1].AsSpan(_used));
            _used += now;
            bytes = bytes[now..];
        }
    }

    /// <summary>One element; every machine that this runs on is little-endian, as the format is.</summary>
    public void Append<T>(T element)
        where T : unmanaged =>
        Append(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in element)));
}
