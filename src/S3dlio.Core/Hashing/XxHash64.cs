using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace S3dlio.Hashing;

/// <summary>
/// XXH64 with seed 0 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md). Zstandard keeps its low 32 bits with each frame;
/// s3dlio's own checksum is CRC-32C.
/// </summary>
public static class XxHash64
{
    const ulong Prime1 = 0x9E3779B185EBCA87, Prime2 = 0xC2B2AE3D27D4EB4F, Prime3 = 0x165667B19E3779F9, Prime4 = 0x85EBCA77C2B2AE63, Prime5 = 0x27D4EB2F165667C5;

    const int StripeLength = 32;

    /// <summary>The hash of <paramref name="data"/>.</summary>
    public static ulong Compute(ReadOnlySpan<byte> data) => new Hasher().Finish(data);

    /// <summary>The hash of data that comes in pieces.</summary>
    public struct Hasher
    {
        ulong _a = unchecked(Prime1 + Prime2), _b = Prime2, _c, _d = unchecked(0 - Prime1);
        ulong _length;

        public Hasher()
        {
        }

        /// <summary>Takes a piece that is not the last; its length is a multiple of 32.</summary>
        public void Append(ReadOnlySpan<byte> data)
        {
            var (a, b, c, d) = (_a, _b, _c, _d);
            ref byte at = ref MemoryMarshal.GetReference(data);
            for (int i = data.Length / StripeLength; i > 0; i--)
            {
                a = Round(a, Word(ref at, 0));
                b = Round(b, Word(ref at, 8));
                c = Round(c, Word(ref at, 16));
                d = Round(d, Word(ref at, 24));
                at = ref Unsafe.Add(ref at, StripeLength);
            }
            (_a, _b, _c, _d) = (a, b, c, d);
            _length += (ulong)data.Length;
        }

        /// <summary>Takes the last piece, of any length.</summary>
        public ulong Finish(ReadOnlySpan<byte> data)
        {
            Append(data[..(data.Length / StripeLength * StripeLength)]);
            data = data[(data.Length / StripeLength * StripeLength)..];
            ulong hash = Prime5;
            if (_length > 0)
            {
                hash = BitOperations.RotateLeft(_a, 1) + BitOperations.RotateLeft(_b, 7) + BitOperations.RotateLeft(_c, 12) + BitOperations.RotateLeft(_d, 18);
                hash = Merge(Merge(Merge(Merge(hash, _a), _b), _c), _d);
            }
            hash += _length + (ulong)data.Length;
            for (; data.Length >= sizeof(ulong); data = data[sizeof(ulong)..])
                hash = (BitOperations.RotateLeft(hash ^ Round(0, BinaryPrimitives.ReadUInt64LittleEndian(data)), 27) * Prime1) + Prime4;
            if (data.Length >= sizeof(uint))
            {
                hash = (BitOperations.RotateLeft(hash ^ (BinaryPrimitives.ReadUInt32LittleEndian(data) * Prime1), 23) * Prime2) + Prime3;
                data = data[sizeof(uint)..];
            }
            foreach (byte value in data)
                hash = BitOperations.RotateLeft(hash ^ (value * Prime5), 11) * Prime1;
            hash = (hash ^ (hash >> 33)) * Prime2;
            hash = (hash ^ (hash >> 29)) * Prime3;
            return hash ^ (hash >> 32);
        }
    }

    static ulong Word(ref byte at, int offset)
    {
        ulong word = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref at, offset));
        return BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static ulong Round(ulong accumulator, ulong word) => BitOperations.RotateLeft(accumulator + (word * Prime2), 31) * Prime1;

    static ulong Merge(ulong hash, ulong accumulator) => ((hash ^ Round(0, accumulator)) * Prime1) + Prime4;
}
