using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace S3dlio.Hashing;

// For processors without CRC instructions, and the reference that the others are measured against: 16 bytes a step, a table for each.
public static partial class Crc32C
{
    const int SliceCount = 16;

    internal static uint AppendTable(uint crc, ReadOnlySpan<byte> data)
    {
        ref byte start = ref MemoryMarshal.GetReference(data);
        ref uint slices = ref Table.First;
        nuint at = 0, length = (nuint)data.Length;
        uint state = ~crc;
        for (; length - at >= SliceCount; at += SliceCount)
        {
            ulong low = Word(ref start, at) ^ state;
            ulong high = Word(ref start, at + 8);
            state = Table.Look(ref slices, low, 8) ^ Table.Look(ref slices, high, 0);
        }
        for (; at < length; at++) state = Table.Step(state, At(ref start, at));
        return ~state;
    }

    /// <summary>The instructions of <see cref="IInstructions{TState}"/> for a processor that has none of them.</summary>
    internal readonly struct Table : IInstructions<uint>
    {
        /// <summary>Slice s, entry b: the register after byte b and s zero bytes, when it was 0 before.</summary>
        static readonly uint[] Slices = Build();

        internal static ref uint First => ref MemoryMarshal.GetArrayDataReference(Slices);

        public static uint Step(uint state, byte data) => (state >> 8) ^ Unsafe.Add(ref First, (byte)(state ^ data));

        public static uint Step(uint state, uint data)
        {
            data ^= state;
            ref uint slices = ref First;
            return Unsafe.Add(ref slices, 0x300 + (byte)data) ^ Unsafe.Add(ref slices, 0x200 + (byte)(data >> 8))
                ^ Unsafe.Add(ref slices, 0x100 + (byte)(data >> 16)) ^ Unsafe.Add(ref slices, (byte)(data >> 24));
        }

        public static uint Step(uint state, ulong data) => Look(ref First, data ^ state, 0);

        public static uint Preset(uint register) => register;

        public static uint Register(uint state) => state;

        public static uint Reduce(ulong product) => Step(0u, product);

        public static ulong Multiply(uint a, uint b)
        {
            ulong product = 0;
            for (ulong shifted = b; a != 0; a >>= 1, shifted <<= 1) product ^= shifted & (0 - (ulong)(a & 1));
            return product;
        }

        /// <summary>The register after these 8 bytes and <paramref name="after"/> zero bytes; slices must lie 8 + after deep.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal static uint Look(ref uint slices, ulong word, int after)
        {
            slices = ref Unsafe.Add(ref slices, after * 256);
            return Unsafe.Add(ref slices, 0x700 + (byte)word) ^ Unsafe.Add(ref slices, 0x600 + (byte)(word >> 8))
                ^ Unsafe.Add(ref slices, 0x500 + (byte)(word >> 16)) ^ Unsafe.Add(ref slices, 0x400 + (byte)(word >> 24))
                ^ Unsafe.Add(ref slices, 0x300 + (byte)(word >> 32)) ^ Unsafe.Add(ref slices, 0x200 + (byte)(word >> 40))
                ^ Unsafe.Add(ref slices, 0x100 + (byte)(word >> 48)) ^ Unsafe.Add(ref slices, (byte)(word >> 56));
        }

        static uint[] Build()
        {
            var slices = new uint[SliceCount * 256];
            for (uint b = 0; b < 256; b++)
            {
                uint state = b;
                for (int bit = 0; bit < 8; bit++) state = TimesX(state);
                slices[b] = state;
            }
            for (int i = 256; i < slices.Length; i++) slices[i] = (slices[i - 256] >> 8) ^ slices[(byte)slices[i - 256]];
            return slices;
        }
    }
}
