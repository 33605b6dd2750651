using System.Buffers;
using Microsoft.Win32.SafeHandles;
using S3dlio.Hashing;

namespace S3dlio.Cache;

/// <summary>
/// Blocks of objects in a cache's directory: what comes out of it was compared with its checksums, or it does not come out.
/// </summary>
static class BlockStore
{
    /// <summary>A block that is open: its file and its header, which was checked.</summary>
    internal sealed class Open(SafeFileHandle handle, byte[] header, long block) : IDisposable
    {
        public SafeFileHandle Handle => handle;

        public ReadOnlySpan<byte> Header => header;

        public long Block => block;

        public void Dispose() => handle.Dispose();
    }

    /// <summary>Opens a block; null where it is not there whole. One that is damaged is removed.</summary>
    public static Open? TryOpen(CacheDirectory directory, ObjectVersion version, long block)
    {
        var id = version.Id(block);
        var handle = directory.TryOpen(id, out long length);
        if (handle is null)
            return null;
        var header = new byte[BlockHeader.Length];
        if (directory.TryRead(handle, header, 0, out int count) && count == header.Length && BlockHeader.IsOf(header, version, block)
            && length == BlockHeader.Length + version.LengthOf(block))
            return new Open(handle, header, block);
        handle.Dispose();
        Discard(directory, id);
        return null;
    }

    /// <summary>Reads a part of an open block; every 64 KiB piece that it touches is checked whole.</summary>
    /// <returns>False, and the bytes mean nothing, where they are damaged.</returns>
    public static bool TryRead(CacheDirectory directory, ObjectVersion version, Open open, int offset, Span<byte> target)
    {
        int length = version.LengthOf(open.Block);
        while (target.Length > 0)
        {
            int piece = offset / BlockHeader.PieceLength, begin = piece * BlockHeader.PieceLength;
            int whole = Math.Min(BlockHeader.PieceLength, length - begin), taken = Math.Min(whole - (offset - begin), target.Length);
            uint expected = BlockHeader.Piece(open.Header, piece);
            bool isSame;
            if (taken == whole)
                // no copy: straight to the caller, and read anew where it turns out wrong
                isSame = ReadPiece(directory, open, begin, target[..whole], expected);
            else
            {
                byte[] buffer = ArrayPool<byte>.Shared.Rent(whole);
                isSame = ReadPiece(directory, open, begin, buffer.AsSpan(0, whole), expected);
                if (isSame)
                    buffer.AsSpan(offset - begin, taken).CopyTo(target);
                ArrayPool<byte>.Shared.Return(buffer);
            }
            if (!isSame)
            {
                Discard(directory, version.Id(open.Block));
                return false;
            }
            target = target[taken..];
            offset += taken;
        }
        return true;
    }

    static bool ReadPiece(CacheDirectory directory, Open open, int begin, Span<byte> target, uint expected) =>
        directory.TryRead(open.Handle, target, BlockHeader.Length + begin, out int count) && count == target.Length
            && Crc32C.Compute(target) == expected;

    /// <summary>Keeps a block, where that can be done.</summary>
    /// <param name="directory">Where.</param>
    /// <param name="version">Of which object.</param>
    /// <param name="block">Which one.</param>
    /// <param name="data">Its bytes, in one piece or several.</param>
    /// <param name="limits">What the cache may take.</param>
    public static bool TryKeep(CacheDirectory directory, ObjectVersion version, long block, IReadOnlyList<ReadOnlyMemory<byte>> data,
        CacheOptions limits)
    {
        int length = version.LengthOf(block);
        Span<uint> pieces = stackalloc uint[BlockHeader.Pieces(length)];
        int at = 0;
        foreach (var part in data)
        {
            var bytes = part.Span;
            while (bytes.Length > 0)
            {
                int piece = at / BlockHeader.PieceLength, taken = Math.Min(bytes.Length, ((piece + 1) * BlockHeader.PieceLength) - at);
                pieces[piece] = Crc32C.Append(pieces[piece], bytes[..taken]);
                bytes = bytes[taken..];
                at += taken;
            }
        }
        byte[] header = ArrayPool<byte>.Shared.Rent(BlockHeader.Length);
        BlockHeader.Write(header.AsSpan(0, BlockHeader.Length), version, block, length, pieces);
        bool kept = directory.TryPublish(version.Id(block), [header.AsMemory(0, BlockHeader.Length), .. data], BlockHeader.Length + length,
            limits);
        ArrayPool<byte>.Shared.Return(header);
        return kept;
    }

    static void Discard(CacheDirectory directory, EntryId id)
    {
        directory.Remove(id);
        Interlocked.Increment(ref directory.Counters.Damaged);
    }
}
