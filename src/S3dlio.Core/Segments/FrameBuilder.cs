using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using S3dlio.Hashing;

namespace S3dlio.Segments;

/// <summary>Gathers records of one frame: copied in, or noted where the caller's memory has them.</summary>
sealed class FrameBuilder(int capacity)
{
    byte[] _head = new byte[FrameHeader.Length + (64 * FrameHeader.EntryLength)];
    byte[] _payload = new byte[Math.Min(capacity, 4096)];

    public int Count { get; private set; }

    public int PayloadLength { get; private set; }

    public long FrameLength(int alignment) =>
        FrameHeader.Padded(FrameHeader.Length + ((long)Count * FrameHeader.EntryLength) + PayloadLength, alignment);

    /// <summary>Whether a record fits beside those that are there; the first always does.</summary>
    public bool Fits(long length) =>
        Count == 0 || PayloadLength + length + ((long)(Count + 1) * FrameHeader.EntryLength) <= capacity;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(ReadOnlySpan<byte> record)
    {
        int end = PayloadLength + record.Length;
        if (end > _payload.Length)
            GrowPayload(end);
        record.CopyTo(_payload.AsSpan(PayloadLength));
        PayloadLength = end;
        Note((uint)end, Crc32C.Compute(record));
    }

    /// <summary>The record's bytes stay with the caller; only its place in the payload is noted.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Note(uint end, uint checksum)
    {
        int at = FrameHeader.Length + (Count * FrameHeader.EntryLength);
        if (at + FrameHeader.EntryLength > _head.Length)
            Array.Resize(ref _head, _head.Length * 2);
        BinaryPrimitives.WriteUInt64LittleEndian(_head.AsSpan(at), ((ulong)checksum << 32) | end);
        Count++;
    }

    /// <summary>The record's bytes, while it waits here.</summary>
    public ReadOnlySpan<byte> Record(int index)
    {
        int start = index == 0 ? 0 : (int)End(index - 1);
        return _payload.AsSpan(start, (int)End(index) - start);
    }

    public int Length(int index) => (int)(End(index) - (index == 0 ? 0 : End(index - 1)));

    public uint TableChecksum() => Crc32C.Compute(_head.AsSpan(FrameHeader.Length, Count * FrameHeader.EntryLength));

    /// <summary>Header and table; the header's bytes are there for the writer.</summary>
    public Memory<byte> Head => _head.AsMemory(0, FrameHeader.Length + (Count * FrameHeader.EntryLength));

    public ReadOnlyMemory<byte> Payload => _payload.AsMemory(0, PayloadLength);

    public void Clear() => (Count, PayloadLength) = (0, 0);

    uint End(int index) => MemoryMarshal.Read<uint>(_head.AsSpan(FrameHeader.Length + (index * FrameHeader.EntryLength)));

    void GrowPayload(int needed) => Array.Resize(ref _payload, (int)Math.Min(Math.Max(needed, 2L * _payload.Length), Array.MaxLength));
}
