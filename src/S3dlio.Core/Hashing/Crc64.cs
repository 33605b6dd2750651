using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace S3dlio.Hashing;

/// <summary>
/// CRC-64/NVME (polynomial AD93D23594C93659, reflected, inverted before and after): what Azure's Blob service compares a body with. It
/// guards transfers only; s3dlio's own checksum is CRC-32C.
/// </summary>
public static partial class Crc64
{
    const ulong Polynomial = 0x9A6C9329AC4BC9B5;
    const int Lanes = 8;

    static readonly ulong[] Table = BuildTable();

    /// <summary>The checksum of <paramref name="data"/>.</summary>
    public static ulong Compute(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>The checksum of the bytes so far, <paramref name="crc"/>, with <paramref name="data"/> after them; 0 is that of no bytes.</summary>
    public static ulong Append(ulong crc, ReadOnlySpan<byte> data) => ~AppendTable(~crc, data);

    // eight bytes a step, a table for each place: what a byte does to the remainder once the others have passed
    static ulong AppendTable(ulong state, ReadOnlySpan<byte> data)
    {
        ref ulong table = ref MemoryMarshal.GetArrayDataReference(Table);
        while (data.Length >= Lanes)
        {
            ulong mixed = state ^ System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(data);
            state = 0;
            for (int lane = 0; lane < Lanes; lane++)
            {
                state ^= Unsafe.Add(ref table, ((Lanes - 1 - lane) << 8) | (int)(mixed & 0xFF));
                mixed >>= 8;
            }
            data = data[Lanes..];
        }
        foreach (byte b in data)
            state = Unsafe.Add(ref table, (int)((state ^ b) & 0xFF)) ^ (state >> 8);
        return state;
    }

    static ulong[] BuildTable()
    {
        var table = new ulong[Lanes * 256];
        for (uint i = 0; i < 256; i++)
        {
            ulong value = i;
            for (int bit = 0; bit < 8; bit++)
                value = (value & 1) != 0 ? (value >> 1) ^ Polynomial : value >> 1;
            table[i] = value;
        }
        for (int i = 256; i < table.Length; i++)
            table[i] = table[(int)(table[i - 256] & 0xFF)] ^ (table[i - 256] >> 8);
        return table;
    }
}
