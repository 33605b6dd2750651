using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace S3dlio.Hashing;

/// <summary>
/// XXH64 with seed 0 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md). Zstandard keeps its low 32 bits with each frame;
/// s3dlio's own checksum is CRC-32C.
/// </summary>
public static class XxHash64
{
    const ulong Prime1 = 0x9E3779B185EBCA87, Prime2 = 0xC2B2AE3D27D4EB4F, Prime3 = 0x165667B19E3779F9, Prime4 = 0x85EBCA77C2B2AE63,
        Prime5 = 0x27D4EB2F165667C5;

    /// <summary>Bytes that are taken at once: pieces but the last are multiples of it.</summary>
    public const int StripeLength = 32;

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
            int stripes = data.Length / StripeLength;
            if (Sse2.IsSupported)
            {
                // A core begins one multiplication a cycle and a stripe has eight, so they are what takes the time. Those of one lane's
                // words, for two stripes at once, go through the vector unit beside them: 12% less time on Zen 3, with two lanes none.
                for (; stripes >= 2; stripes -= 2)
                {
                    var words = TimesPrime2(
                        Sse2.UnpackLow(Vector128.LoadUnsafe(ref at).AsUInt64(), Vector128.LoadUnsafe(ref at, StripeLength).AsUInt64()));
                    a = BitOperations.RotateLeft(a + words.ToScalar(), 31) * Prime1;
                    b = Round(b, Word(ref at, 8));
                    c = Round(c, Word(ref at, 16));
                    d = Round(d, Word(ref at, 24));
                    a = BitOperations.RotateLeft(a + Sse2.UnpackHigh(words, words).ToScalar(), 31) * Prime1;
                    b = Round(b, Word(ref at, StripeLength + 8));
                    c = Round(c, Word(ref at, StripeLength + 16));
                    d = Round(d, Word(ref at, StripeLength + 24));
                    at = ref Unsafe.Add(ref at, 2 * StripeLength);
                }
            }
            for (; stripes > 0; stripes--)
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
                hash = BitOperations.RotateLeft(_a, 1) + BitOperations.RotateLeft(_b, 7) + BitOperations.RotateLeft(_c, 12)
                    + BitOperations.RotateLeft(_d, 18);
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

    /// <summary>The low 64 bits of both products, from those of the halves.</summary>
    /// <remarks>By instructions, not operators: those are calls where the library is compiled ahead for the oldest processors.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<ulong> TimesPrime2(Vector128<ulong> words)
    {
        var low = Vector128.Create(Prime2 & uint.MaxValue).AsUInt32();
        var high = Vector128.Create(Prime2 >> 32).AsUInt32();
        var crossed = Sse2.Add(Sse2.Multiply(Sse2.ShiftRightLogical(words, 32).AsUInt32(), low), Sse2.Multiply(words.AsUInt32(), high));
        return Sse2.Add(Sse2.Multiply(words.AsUInt32(), low), Sse2.ShiftLeftLogical(crossed, 32));
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
