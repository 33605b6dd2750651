using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace S3dlio.Hashing;

/// <summary>
/// CRC-32C (Castagnoli; RFC 3720 appendix B.4): polynomial 0x1EDC6F41, bit-reflected to 0x82F63B78, register preset to and
/// finished with all ones. Every function takes and gives finished values, so results of different calls append and combine freely.
/// </summary>
/// <remarks>The fastest kernel that the processor has is taken at run time; all of them give the same values. Nothing allocates.</remarks>
public static partial class Crc32C
{
    /// <summary>The checksum of <paramref name="data"/>; of no bytes it is 0.</summary>
    public static uint Compute(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>The checksum of what gave <paramref name="crc"/> with <paramref name="data"/> after it.</summary>
    /// <param name="crc">The finished value of the bytes before, 0 when there are none.</param>
    /// <param name="data">The bytes that follow: any length, any alignment.</param>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        if (X86.IsSupported) return AppendX86(crc, data);
        if (Arm.IsSupported) return AppendArm(crc, data);
        return AppendTable(crc, data);
    }

    // The address only steers alignment. Should the garbage collector move the array meanwhile, speed may change, the value cannot.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static nuint BytesToAlignment(ref byte start, nuint alignment) =>
        (nuint)(-Unsafe.ByteOffset(ref Unsafe.NullRef<byte>(), ref start)) & (alignment - 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static ref byte At(ref byte start, nuint offset) => ref Unsafe.AddByteOffset(ref start, offset);

    // Words are little-endian in the reflected CRC; the hardware kernels run on little-endian processors only.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static ulong Word(ref byte start, nuint offset)
    {
        ulong word = Unsafe.ReadUnaligned<ulong>(ref At(ref start, offset));
        return BitConverter.IsLittleEndian ? word : System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(word);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static uint HalfWord(ref byte start, nuint offset)
    {
        uint half = Unsafe.ReadUnaligned<uint>(ref At(ref start, offset));
        return BitConverter.IsLittleEndian ? half : System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(half);
    }
}
