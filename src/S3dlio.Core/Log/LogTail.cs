using System.Buffers.Binary;
using S3dlio.Hashing;
using S3dlio.IO;

namespace S3dlio.Log;

/// <summary>
/// The file TAIL: how far the log is durable, for readers in other processes. It is written after a flush and never flushed itself, so what
/// it says is at most too little; recovery takes it as proof that a place was durable, never as the log's end.
/// </summary>
readonly record struct LogTail(long Begin, long EndRecord, long EndAddress, long NewestSegment, long Epoch, ulong BootId, uint Flags)
{
    public const string FileName = "TAIL";
    public const int Length = 64;

    /// <summary>The writer ended in order; the writer ended by a failure.</summary>
    public const uint Closed = 1, Failed = 2;

    /// <summary>How often a reader looks until it takes the file for damaged.</summary>
    const int MostReads = 16;

    static ReadOnlySpan<byte> Magic => "S3DLTAIL"u8;

    public void Write(DiskFile file, uint seed)
    {
        Span<byte> bytes = stackalloc byte[Length];
        ToBytes(bytes, seed);
        file.Write(bytes, 0);
    }

    public void ToBytes(Span<byte> bytes, uint seed)
    {
        bytes[..Length].Clear();
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], Begin);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], EndRecord);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[24..], EndAddress);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[32..], NewestSegment);
        // an epoch fits 32 bits for any log that is opened less than once a second for a century
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[40..], (uint)Epoch);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[44..], Flags);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[48..], BootId);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[60..], Crc32C.Append(seed, bytes[..60]));
    }

    /// <summary>Null when the bytes are not whole.</summary>
    public static LogTail? Read(DiskFile file, uint seed)
    {
        // in the middle of a write they are not, and what an earlier one told would be missed
        for (int i = 1; i < MostReads; i++)
        {
            if (TryRead(file, seed) is { } whole)
                return whole;
            Thread.Yield();
        }
        return TryRead(file, seed);
    }

    static LogTail? TryRead(DiskFile file, uint seed)
    {
        Span<byte> bytes = stackalloc byte[Length];
        return Read(bytes[..file.Read(bytes, 0)], seed);
    }

    /// <summary>The same of the file's bytes.</summary>
    public static LogTail? Read(ReadOnlySpan<byte> bytes, uint seed)
    {
        if (bytes.Length < Length || !bytes.StartsWith(Magic)
            || Crc32C.Append(seed, bytes[..60]) != BinaryPrimitives.ReadUInt32LittleEndian(bytes[60..Length]))
            return null;
        var tail = new LogTail(
            BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[40..]),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[48..]),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[44..]));
        return tail is { Begin: >= 0, EndAddress: >= 0, NewestSegment: >= 0 } && tail.EndRecord >= tail.Begin ? tail : null;
    }
}
