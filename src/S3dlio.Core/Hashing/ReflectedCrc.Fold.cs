using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace S3dlio.Hashing;

// Carry-less multiplication folds 64 bytes a round onto the next 64 (Gopal et al., "Fast CRC Computation for Generic Polynomials Using
// PCLMULQDQ Instruction", Intel 2009); the last 16 bytes, which have the remainder of all before them, go through the table.
sealed partial class ReflectedCrc
{
    const int FoldMinimum = 128;

    /// <summary>The factors that move a register's earlier and later half on by a distance.</summary>
    readonly record struct Folding(ulong Earlier, ulong Later)
    {
        public Vector128<ulong> Vector => Vector128.Create(Earlier, Later);
    }

    ulong AppendFolded(ulong state, ReadOnlySpan<byte> data)
    {
        ref byte start = ref MemoryMarshal.GetReference(data);
        nuint length = (nuint)data.Length, at = 64;
        var a = Load(ref start, 0) ^ Vector128.CreateScalar(state);
        var b = Load(ref start, 16);
        var c = Load(ref start, 32);
        var d = Load(ref start, 48);
        var fold = _fold512.Vector;
        for (; at + 64 <= length; at += 64)
        {
            a = Fold(a, fold) ^ Load(ref start, at);
            b = Fold(b, fold) ^ Load(ref start, at + 16);
            c = Fold(c, fold) ^ Load(ref start, at + 32);
            d = Fold(d, fold) ^ Load(ref start, at + 48);
        }
        fold = _fold128.Vector;
        d ^= Fold(c ^ Fold(b ^ Fold(a, fold), fold), fold);

        Span<byte> last = stackalloc byte[16];
        d.AsByte().CopyTo(last);
        return AppendTable(AppendTable(0, last), data[(int)at..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<ulong> Load(ref byte start, nuint offset) => Vector128.LoadUnsafe(ref start, offset).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector128<ulong> Fold(Vector128<ulong> value, Vector128<ulong> factors) =>
        Pclmulqdq.CarrylessMultiply(value, factors, 0x00) ^ Pclmulqdq.CarrylessMultiply(value, factors, 0x11);
}
