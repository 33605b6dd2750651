using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace S3dlio.Hashing;

// A CRC instruction waits three cycles or so for the one before it, yet a new one may begin each cycle. So a block is cut into three
// equal lanes that run in parallel, and their values are moved into place by multiplication.
public static partial class Crc32C
{
    /// <summary>
    /// What a kernel needs of a processor. The state is the CRC register, inverted at neither end, in the type that the processor's
    /// instruction takes and gives: a conversion between two of them would lengthen every link of the chain.
    /// </summary>
    internal interface IInstructions<TState> : IMultiplier
    {
        static abstract TState Preset(uint register);

        static abstract uint Register(TState state);

        static abstract TState Step(TState state, byte data);

        static abstract TState Step(TState state, uint data);

        static abstract TState Step(TState state, ulong data);
    }

    /// <summary>Bytes of one lane in one round: three words, so that loop control is spread over nine instructions.</summary>
    const int LaneBytes = 8 + 16;

    /// <summary>Rounds in one block at most. At 72 bytes and more a round, joining the lanes costs some 2 % of the block's time.</summary>
    internal const int MaxRounds = 256;

    /// <summary>Below this many bytes joining three lanes costs more than it wins: measured on Zen 3.</summary>
    const int LanesMinimum = 144;

    internal static uint AppendLanes<T, TState>(uint crc, ReadOnlySpan<byte> data, int minimum = LanesMinimum)
        where T : struct, IInstructions<TState> =>
        ~Lanes<T, TState>(~crc, ref MemoryMarshal.GetReference(data), (nuint)data.Length, (nuint)minimum);

    static uint Lanes<T, TState>(uint register, ref byte start, nuint left, nuint minimum) where T : struct, IInstructions<TState>
    {
        while (left >= minimum)
        {
            nuint rounds = Math.Min(left / (3 * LaneBytes), MaxRounds);
            register = ThreeLanes<T, TState>(register, ref start, rounds);
            start = ref At(ref start, rounds * (3 * LaneBytes));
            left -= rounds * (3 * LaneBytes);
        }
        return OneLane<T, TState>(register, ref start, left);
    }

    static uint ThreeLanes<T, TState>(uint register, ref byte lane0, nuint rounds) where T : struct, IInstructions<TState>
    {
        ref byte lane1 = ref At(ref lane0, rounds * LaneBytes);
        ref byte lane2 = ref At(ref lane1, rounds * LaneBytes);
        TState crc0 = T.Preset(register), crc1 = T.Preset(0), crc2 = T.Preset(0);
        for (nuint i = rounds; i != 0; i--)
        {
            crc0 = T.Step(crc0, Word(ref lane0, 0));
            crc1 = T.Step(crc1, Word(ref lane1, 0));
            crc2 = T.Step(crc2, Word(ref lane2, 0));
            crc0 = T.Step(crc0, Word(ref lane0, 8));
            crc1 = T.Step(crc1, Word(ref lane1, 8));
            crc2 = T.Step(crc2, Word(ref lane2, 8));
            crc0 = T.Step(crc0, Word(ref lane0, 16));
            crc1 = T.Step(crc1, Word(ref lane1, 16));
            crc2 = T.Step(crc2, Word(ref lane2, 16));
            lane0 = ref At(ref lane0, LaneBytes);
            lane1 = ref At(ref lane1, LaneBytes);
            lane2 = ref At(ref lane2, LaneBytes);
        }
        ref uint shifts = ref LaneShifts.First;
        ulong joined = T.Multiply(T.Register(crc0), Unsafe.Add(ref shifts, 2 * rounds))
            ^ T.Multiply(T.Register(crc1), Unsafe.Add(ref shifts, rounds));
        return T.Reduce(joined) ^ T.Register(crc2);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static uint OneLane<T, TState>(uint register, ref byte start, nuint length) where T : struct, IInstructions<TState>
    {
        TState state = T.Preset(register);
        nuint at = 0;
        for (; length - at >= 8; at += 8) state = T.Step(state, Word(ref start, at));
        if (length - at >= 4)
        {
            state = T.Step(state, HalfWord(ref start, at));
            at += 4;
        }
        for (; at < length; at++) state = T.Step(state, At(ref start, at));
        return T.Register(state);
    }

    static class LaneShifts
    {
        /// <summary>
        /// At n, the shift by n rounds of a lane. The fused kernel shifts by up to three lanes of <see cref="MaxRounds"/>.
        /// </summary>
        static readonly uint[] Shifts =
            X86.IsSupported ? Build<X86>() : Arm.IsMultiplySupported ? Build<Arm>() : Build<Table>();

        internal static ref uint First => ref MemoryMarshal.GetArrayDataReference(Shifts);

        static uint[] Build<T>() where T : struct, IMultiplier
        {
            var shifts = new uint[3 * MaxRounds + 1];
            // entry 0 is the shift by nothing, which no kernel asks for: it stays 0
            uint lane = shifts[1] = Product<T>(ShiftPowers.OfTwo[3], ShiftPowers.OfTwo[4]); // 8 + 16 bytes
            for (int n = 2; n < shifts.Length; n++) shifts[n] = Product<T>(shifts[n - 1], lane);
            return shifts;
        }
    }
}
