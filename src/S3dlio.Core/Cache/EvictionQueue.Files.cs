using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using S3dlio.Hashing;
using S3dlio.IO;

namespace S3dlio.Cache;

/// <summary>The queues' files: records that are appended, and the state of whoever takes from their front.</summary>
sealed partial class EvictionQueue
{
    const int RecordLength = 32, StateLength = 128;

    static ReadOnlySpan<byte> Magic => "S3DLQUE1"u8;

    /// <summary>Takes the record at the front. Where the front is damaged it goes on at the next that is whole.</summary>
    bool TryTake(SafeFileHandle queue, ref long head, long end, out EntryId id, out long length)
    {
        Span<byte> bytes = stackalloc byte[4096];
        while (head < end)
        {
            if (Interop.Read(queue, bytes, head, out int count) != 0 || count < RecordLength)
                break;
            int at = Find(bytes[..count], out id, out length);
            head += at < 0 ? Math.Max(count - RecordLength + 1, 1) : at + RecordLength;
            if (at >= 0)
                return true;
        }
        (id, length, head) = (default, 0, end);
        return false;
    }

    /// <summary>Bytes of the entries noted behind a place, which moves to the end.</summary>
    static long Count(SafeFileHandle queue, ref long from, out long entries)
    {
        entries = 0;
        long total = 0, end = LengthOf(queue);
        if (end - from < RecordLength)
            return 0;
        byte[] bytes = new byte[(int)Math.Min(end - from, 64 << 10)];
        while (end - from >= RecordLength)
        {
            if (Interop.Read(queue, bytes.AsSpan(0, (int)Math.Min(bytes.Length, end - from)), from, out int count) != 0
                || count < RecordLength)
                break;
            int at = 0;
            while (count - at >= RecordLength)
            {
                int found = Find(bytes.AsSpan(at, count - at), out _, out long length);
                if (found < 0)
                {
                    at = count - RecordLength + 1;
                    break;
                }
                (total, entries, at) = (total + length, entries + 1, at + found + RecordLength);
            }
            from += at;
        }
        return total;
    }

    static int Find(ReadOnlySpan<byte> bytes, out EntryId id, out long length)
    {
        for (int at = 0; at + RecordLength <= bytes.Length; at++)
        {
            var record = bytes.Slice(at, RecordLength);
            if (BinaryPrimitives.ReadUInt32LittleEndian(record[28..]) != Crc32C.Compute(record[..28])
                || BinaryPrimitives.ReadUInt32LittleEndian(record[24..]) != 1)
                continue;
            id = EntryId.Read(record);
            length = BinaryPrimitives.ReadInt64LittleEndian(
                record[16..]) is var read and >= 0 and <= MetaEntry.MostLength + CacheOptions.MostBlock ? read : 0;
            return at;
        }
        (id, length) = (default, 0);
        return -1;
    }

    static int Append(SafeFileHandle queue, EntryId id, long length)
    {
        Span<byte> record = stackalloc byte[RecordLength];
        id.Write(record);
        BinaryPrimitives.WriteInt64LittleEndian(record[16..], length);
        BinaryPrimitives.WriteUInt32LittleEndian(record[24..], 1);
        BinaryPrimitives.WriteUInt32LittleEndian(record[28..], Crc32C.Compute(record[..28]));
        return Interop.Write(queue, record, 0);
    }

    State? Read()
    {
        Span<byte> bytes = stackalloc byte[StateLength];
        if (Interop.Read(_state, bytes, 0, out int count) != 0 || count < StateLength || !bytes.StartsWith(Magic)
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[^4..]) != Crc32C.Compute(bytes[..^4]))
            return null;
        return new State
        {
            Epoch = BinaryPrimitives.ReadInt64LittleEndian(bytes[8..]),
            SmallHead = BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
            SmallCounted = BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            SmallBytes = BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]),
            MainHead = BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]),
            MainCounted = BinaryPrimitives.ReadInt64LittleEndian(bytes[48..]),
            MainBytes = BinaryPrimitives.ReadInt64LittleEndian(bytes[56..]),
            MainEntries = BinaryPrimitives.ReadInt64LittleEndian(bytes[64..]),
            Ghosts = BinaryPrimitives.ReadInt64LittleEndian(bytes[72..]),
            Rebuilds = BinaryPrimitives.ReadInt64LittleEndian(bytes[80..]),
        };
    }

    void Write(State state)
    {
        Span<byte> bytes = stackalloc byte[StateLength];
        bytes.Clear();
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[8..], Random.Shared.NextInt64());
        BinaryPrimitives.WriteInt64LittleEndian(bytes[16..], state.SmallHead);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[24..], state.SmallCounted);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[32..], Math.Max(0, state.SmallBytes));
        BinaryPrimitives.WriteInt64LittleEndian(bytes[40..], state.MainHead);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[48..], state.MainCounted);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[56..], Math.Max(0, state.MainBytes));
        BinaryPrimitives.WriteInt64LittleEndian(bytes[64..], Math.Max(0, state.MainEntries));
        BinaryPrimitives.WriteInt64LittleEndian(bytes[72..], state.Ghosts);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[80..], state.Rebuilds);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[(StateLength - 4)..], Crc32C.Compute(bytes[..(StateLength - 4)]));
        _ = Interop.Write(_state, bytes, 0);
    }

    /// <summary>Heads: where the queues begin. Counted: how far the numbers of bytes and entries go.</summary>
    struct State
    {
        public long Epoch, SmallHead, SmallCounted, SmallBytes, MainHead, MainCounted, MainBytes, MainEntries, Ghosts, Rebuilds;

        public readonly long Bytes => SmallBytes + MainBytes;
    }
}
