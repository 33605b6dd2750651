using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace S3dlio.Hashing;

// The CRC unit and the carry-less multiplier of an x64 core are different ones, so both work at once: of each round's 104 bytes
// 32 are folded by multiplication (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction",
// Intel 2009) and 72 go through three lanes of CRC instructions. On a core that begins one CRC a cycle and one multiplication every
// other cycle (Zen 1 to 3) these are 9 and 8 cycles; newer cores have multiplications to spare.
//
// A block of n rounds lies so:   | folded 32 n | lane 0: 24 n | lane 1: 24 n | lane 2: 24 n |
public static partial class Crc32C
{
    const int FoldBytes = 32, RoundBytes = FoldBytes + 3 * LaneBytes;

    /// <summary>Below this many bytes three lanes, with fewer parts to join and shorter rounds, leave less to one lane.</summary>
    const int FusedMinimum = 640;

    /// <summary>From here on words that straddle cache lines cost more than the few steps to an aligned address.</summary>
    const int AlignMinimum = 4096;

    internal static uint AppendX86(uint crc, ReadOnlySpan<byte> data)
    {
        ref byte start = ref MemoryMarshal.GetReference(data);
        // kept apart, for small inputs feel the registers that the long way saves and restores
        return data.Length < LanesMinimum
            ? ~OneLane<X86, ulong>(~crc, ref start, (nuint)data.Length)
            : ~LongX86(~crc, ref start, (nuint)data.Length);
    }

    static uint LongX86(uint register, ref byte start, nuint left)
    {
        if (left >= AlignMinimum)
        {
            nuint head = BytesToAlignment(ref start, 16);
            register = OneLane<X86, ulong>(register, ref start, head);
            start = ref At(ref start, head);
            left -= head;
        }
        while (left >= FusedMinimum)
        {
            nuint rounds = Math.Min(left / RoundBytes, MaxRounds);
            register = Fused(register, ref start, rounds);
            start = ref At(ref start, rounds * RoundBytes);
            left -= rounds * RoundBytes;
        }
        return Lanes<X86, ulong>(register, ref start, left, LanesMinimum);
    }

    static uint Fused(uint register, ref byte folded, nuint rounds)
    {
        ref byte lane0 = ref At(ref folded, rounds * FoldBytes);
        ref byte lane1 = ref At(ref lane0, rounds * LaneBytes);
        ref byte lane2 = ref At(ref lane1, rounds * LaneBytes);

        // x^(256 + 31) for the earlier half of a register, x^(256 - 33) for the later: 32 bytes onward
        Vector128<ulong> fold32 = Vector128.Create(0x3DA6D0CBUL, 0xBA4FC28E);
        Vector128<ulong> even = Load(ref folded, 0) ^ Vector128.CreateScalar((ulong)register);
        Vector128<ulong> odd = Load(ref folded, 16);
        ulong crc0 = 0, crc1 = 0, crc2 = 0;

        // the first 32 bytes are loaded above, so folding has one round less than the lanes
        for (nuint i = rounds - 1; i != 0; i--)
        {
            folded = ref At(ref folded, FoldBytes);
            even = Fold(even, fold32) ^ Load(ref folded, 0);
            crc0 = X86.Step(crc0, Word(ref lane0, 0));
            crc1 = X86.Step(crc1, Word(ref lane1, 0));
            crc2 = X86.Step(crc2, Word(ref lane2, 0));
            odd = Fold(odd, fold32) ^ Load(ref folded, 16);
            crc0 = X86.Step(crc0, Word(ref lane0, 8));
            crc1 = X86.Step(crc1, Word(ref lane1, 8));
            crc2 = X86.Step(crc2, Word(ref lane2, 8));
            crc0 = X86.Step(crc0, Word(ref lane0, 16));
            crc1 = X86.Step(crc1, Word(ref lane1, 16));
            crc2 = X86.Step(crc2, Word(ref lane2, 16));
            lane0 = ref At(ref lane0, LaneBytes);
            lane1 = ref At(ref lane1, LaneBytes);
            lane2 = ref At(ref lane2, LaneBytes);
        }
        for (nuint at = 0; at < LaneBytes; at += 8)
        {
            crc0 = X86.Step(crc0, Word(ref lane0, at));
            crc1 = X86.Step(crc1, Word(ref lane1, at));
            crc2 = X86.Step(crc2, Word(ref lane2, at));
        }

        // x^(128 + 31), x^(128 - 33): 16 bytes onward
        odd ^= Fold(even, Vector128.Create(0xF20C0DFEUL, 0x493C7D27));
        ulong crc = X86.Step(X86.Step(0ul, odd.ToScalar()), Sse2.UnpackHigh(odd, odd).ToScalar());

        ref uint shifts = ref LaneShifts.First;
        ulong joined = X86.Multiply((uint)crc, Unsafe.Add(ref shifts, 3 * rounds))
            ^ X86.Multiply((uint)crc0, Unsafe.Add(ref shifts, 2 * rounds))
            ^ X86.Multiply((uint)crc1, Unsafe.Add(ref shifts, rounds));
        return X86.Reduce(joined) ^ (uint)crc2;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<ulong> Load(ref byte start, nuint offset) => Vector128.LoadUnsafe(ref start, offset).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<ulong> Fold(Vector128<ulong> value, Vector128<ulong> factors) =>
        Pclmulqdq.CarrylessMultiply(value, factors, 0x00) ^ Pclmulqdq.CarrylessMultiply(value, factors, 0x11);

    /// <summary>SSE4.2 and PCLMULQDQ; they came one processor generation apart, so one without the other is not catered for.</summary>
    internal readonly struct X86 : IInstructions<ulong>
    {
        internal static bool IsSupported
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => Sse42.X64.IsSupported && Pclmulqdq.IsSupported;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Preset(uint register) => register;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Register(ulong state) => (uint)state;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Step(ulong state, byte data) => Sse42.Crc32((uint)state, data);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Step(ulong state, uint data) => Sse42.Crc32((uint)state, data);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Step(ulong state, ulong data) => Sse42.X64.Crc32(state, data);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Reduce(ulong product) => (uint)Sse42.X64.Crc32(0, product);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static ulong Multiply(uint a, uint b) =>
            Pclmulqdq.CarrylessMultiply(Vector128.CreateScalar((ulong)a), Vector128.CreateScalar((ulong)b), 0x00).ToScalar();
    }
}
